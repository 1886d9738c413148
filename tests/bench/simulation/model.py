"""The rules, as `emails.delivery.pacing` has them.

An account's bucket fills at its rate and holds a tenth of a minute's worth, the last fifth of which only urgent mail
may take; priorities have workers of their own. Bulk is a fluid, urgent mails are single.
"""

import heapq
import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

from tests.bench.figures import percentile
from tests.bench.mails import SEED

_STEP: Final = 0.05  # seconds
_BURST_SECONDS: Final = 6.0  # of the rate that a bucket holds
_RESERVED: Final = 0.2  # of the bucket, for urgent mail
_Z99: Final = 2.326  # standard deviations below which 99 % of a normal distribution lie


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """The provider takes so many mails a second, from all processes together."""

    per_second: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """What the workers could do if the provider let them.

    `bulk_per_second` of all bulk workers together. An urgent mail on an idle fleet takes `urgent_p50` seconds from its
    request to the provider, one in a hundred longer than `urgent_p99`; `urgent_at_once` are under way at one time.
    """

    bulk_per_second: float
    urgent_p50: float
    urgent_p99: float
    urgent_at_once: int = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrivals:
    """`bulk` says how many bulk mails have come until a second, `urgent` how many urgent ones come a second then."""

    bulk: Callable[[float], float]
    urgent: Callable[[float], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """What came of it: the backlog by time, and when each urgent mail came and how long it took. In seconds."""

    backlog: Sequence[tuple[float, float]]
    urgent: Sequence[tuple[float, float]]

    @property
    def drained_at(self) -> float | None:
        """When the backlog was gone for good; None when it never was."""
        last = max((at for at, left in self.backlog if left >= 0.5), default=0.0)
        return None if last == self.backlog[-1][0] else last

    def left(self, at: float) -> float:
        """The backlog at a second."""
        return min(self.backlog, key=lambda point: abs(point[0] - at))[1]

    def wait(self, share: float) -> float:
        """A percentile of urgent mail's seconds."""
        return percentile([wait for _, wait in self.urgent], share)


def simulate(
    arrivals: Arrivals, account: Account, fleet: Fleet, *, seconds: float, seed: int = SEED
) -> Course:
    """So many seconds, beginning with a full bucket and nothing waiting."""
    random, desk = Random(seed), _Desk(fleet, Random(seed + 1))
    burst = account.per_second * _BURST_SECONDS
    tokens, sent = burst, 0.0
    backlog: list[tuple[float, float]] = []
    waiting: deque[float] = deque()
    for step in range(round(seconds / _STEP)):
        at = step * _STEP
        tokens = min(burst, tokens + account.per_second * _STEP)
        waiting.extend(_comings(arrivals.urgent(at), at, random))
        while waiting and tokens >= 1:
            tokens -= 1
            desk.take(waiting.popleft(), now=at)
        left = arrivals.bulk(at) - sent
        taken = max(0.0, min(left, fleet.bulk_per_second * _STEP, tokens - burst * _RESERVED))
        tokens, sent = tokens - taken, sent + taken
        backlog.append((at, left - taken))
    return Course(backlog=backlog, urgent=desk.done)


class _Desk:
    """Urgent mails on their way, so many at once; each takes a time of its own."""

    def __init__(self, fleet: Fleet, random: Random) -> None:
        self._free = [0.0] * fleet.urgent_at_once
        self._random = random
        self._middle = math.log(fleet.urgent_p50)
        self._width = max(0.0, math.log(fleet.urgent_p99 / fleet.urgent_p50)) / _Z99
        self.done: list[tuple[float, float]] = []

    def take(self, came: float, *, now: float) -> None:
        """One that has its token since `now`, where it had to wait for one."""
        had_token = came if now - came < _STEP else now
        begins = max(had_token, heapq.heappop(self._free))
        ends = begins + self._random.lognormvariate(self._middle, self._width)
        heapq.heappush(self._free, ends)
        self.done.append((came, ends - came))


def _comings(per_second: float, at: float, random: Random) -> list[float]:
    """Moments of independent requests within a step."""
    found, moment = [], at
    while per_second > 0 and (moment := moment + random.expovariate(per_second)) < at + _STEP:
        found.append(moment)
    return found
