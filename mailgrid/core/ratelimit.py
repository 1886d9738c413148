"""How fast: token buckets, the slots of a queue that waits for them, and windows (`mailgrid.core.windows`).

The setting `RATE_LIMITER` names the class: in-process here, or shared by a fleet (`mailgrid.core.ratelimit_redis`).
"""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final, Protocol

from django.conf import settings
from django.utils.module_loading import import_string

from mailgrid.core.windows import LocalWindows, Windows

# Buckets; a full one carries no information and may be forgotten.
_PRUNE_ABOVE: Final = 10_000
_LEAST_RATE: Final = 1e-6  # tokens per second; less is no number to divide by
SHORTEST_WAIT: Final = 0.01  # seconds; so that a slot lies ahead


@dataclass(frozen=True, slots=True)
class Bucket:
    """`rate` is in tokens per second, `burst` the bucket's size, `kept` what this taker must leave in it."""

    name: str
    rate: float
    burst: float
    kept: float = 0.0

    def part_of(self, processes: int) -> "Bucket":
        """What one of so many processes may use as if it were alone."""
        if processes == 1:
            return self
        burst = max(1.0, self.burst / processes)
        kept = min(self.kept / processes, burst - 1)
        return replace(self, rate=max(self.rate / processes, _LEAST_RATE), burst=burst, kept=kept)


@dataclass(frozen=True, slots=True)
class Grant:
    """What a bucket gave: `granted` of the tokens asked for, and how it stands now (times in seconds)."""

    granted: float
    limit: float
    remaining: float
    full_in: float
    retry_after: float

    @classmethod
    def of(cls, bucket: Bucket, *, granted: float, wanted: float, level: float) -> "Grant":
        """The grant that left the bucket at this level; `retry_after` until `wanted` could be had."""
        return cls(
            granted=granted,
            limit=bucket.burst,
            remaining=max(0.0, level),
            full_in=(bucket.burst - level) / bucket.rate,
            retry_after=max(0.0, wanted - level) / bucket.rate,
        )


class Limiter(Protocol):
    """Buckets by name, which start full; and windows."""

    @property
    def windows(self) -> Windows:
        """The windows beside the buckets."""
        ...

    def take(self, name: str, *, tokens: float, rate: float, burst: float) -> Grant:
        """At a door: all the tokens asked for, or none."""
        ...

    def take_up_to(self, buckets: Sequence[Bucket], *, tokens: int) -> int:
        """For our own pace: as many whole tokens as each of the buckets can give, taken from all of them."""
        ...

    def take_slots(self, bucket: Bucket, *, count: int, farthest: float) -> list[float]:
        """For our own pace: seconds until each of `count` may go. 0 took a token; who waits has a slot of its own.

        Slots lie one behind the other over calls and processes, so that a backlog comes back row by row; none of them
        lies more than `farthest` seconds ahead. Whoever comes back takes a token like everybody.
        """
        ...

    def give_back(self, buckets: Sequence[Bucket], *, tokens: float) -> None:
        """Tokens that were taken and not used."""
        ...


class LocalBuckets:
    """Buckets of this process.

    Of a pace it uses the part of one of `processes`; at the doors, where it is about protection and not about a
    provider's limit, each process counts for itself. A pace starts full, so a restart can allow one burst more, or
    empty: for a process that takes over what it does not know the state of.
    """

    def __init__(self, *, processes: int | None = None, full: bool = True) -> None:
        self.windows = LocalWindows(processes=processes)
        self._processes = processes or settings.SENDING_PROCESSES
        self._full = full
        self._lock = threading.Lock()
        # name -> (tokens, monotonic time of that count, monotonic time when it is full again)
        self._levels: dict[str, tuple[float, float, float]] = {}
        self._last_slots: dict[str, float] = {}  # name -> monotonic time of the last slot given

    def take(self, name: str, *, tokens: float, rate: float, burst: float) -> Grant:
        """All the tokens asked for, or none."""
        bucket = Bucket(name, rate, burst)
        with self._lock:
            level = self._level(bucket, full=True)
            granted = tokens if level >= tokens else 0.0
            self._put(bucket, level - granted)
            return Grant.of(bucket, granted=granted, wanted=tokens, level=level - granted)

    def take_up_to(self, buckets: Sequence[Bucket], *, tokens: int) -> int:
        """As many whole tokens as each can give."""
        own = [bucket.part_of(self._processes) for bucket in buckets]
        with self._lock:
            levels = [self._level(bucket, full=self._full) for bucket in own]
            free = [int(level - bucket.kept) for bucket, level in zip(own, levels, strict=True)]
            granted = max(0, min(tokens, *free))
            for bucket, level in zip(own, levels, strict=True):
                self._put(bucket, level - granted)
            return granted

    def take_slots(self, bucket: Bucket, *, count: int, farthest: float) -> list[float]:
        """Seconds until each of `count` may go."""
        own = bucket.part_of(self._processes)
        with self._lock:
            now, level = time.monotonic(), self._level(own, full=self._full)
            granted = max(0, min(count, int(level)))
            level -= granted
            self._put(own, level)
            waits = [0.0] * granted
            for _ in range(count - granted):
                free = now + max((1 - level) / own.rate, SHORTEST_WAIT)
                behind = self._last_slots.get(own.name, 0.0) + 1 / own.rate
                self._last_slots[own.name] = slot = min(max(free, behind), now + farthest)
                waits.append(slot - now)
            return waits

    def give_back(self, buckets: Sequence[Bucket], *, tokens: float) -> None:
        """Tokens that were taken and not used."""
        with self._lock:
            for bucket in buckets:
                if bucket.name in self._levels:
                    level, at, full_at = self._levels[bucket.name]
                    self._levels[bucket.name] = (min(bucket.burst, level + tokens), at, full_at)

    def _level(self, bucket: Bucket, *, full: bool) -> float:
        now = time.monotonic()
        if (kept := self._levels.get(bucket.name)) is None:
            return self._put(bucket, bucket.burst if full else 0.0)
        tokens, at, _ = kept
        return min(bucket.burst, tokens + (now - at) * bucket.rate)

    def _put(self, bucket: Bucket, level: float) -> float:
        now = time.monotonic()
        if len(self._levels) > _PRUNE_ABOVE:
            self._levels = {name: kept for name, kept in self._levels.items() if kept[2] > now}
            self._last_slots = {name: slot for name, slot in self._last_slots.items() if slot > now}
        self._levels[bucket.name] = (level, now, now + (bucket.burst - level) / bucket.rate)
        return level


def limiter() -> Limiter:
    """The limiter this installation uses, one per process."""
    return _limiter(settings.RATE_LIMITER)


@lru_cache(maxsize=4)
def _limiter(path: str) -> Limiter:
    return import_string(path)()  # type: ignore[no-any-return]
