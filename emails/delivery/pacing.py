"""Our speed towards a provider, step by step: the account's limits, the tenant's share of them, the stream's pace.

What an account's limits mean, by its `over_limit`:

- `defer`: mail waits, unclaimed, until there is room. A limit per minute is a pace: a bucket that fills at this rate
  and holds a tenth of a minute's worth, so that a restart, which fills it, does not send a whole minute's allowance at
  once. The last fifth of the bucket is for immediate mail. Limits per hour and per day are windows: no more than that
  in any hour, in any day, as fast as you like. Tokens and places are taken before anything is claimed: waiting inside a
  lease would manufacture doubts.
- `reject`: mail that finds a limit reached ends `failed: over_limit`. All limits are windows, that of a minute too, so
  that no mail fails for coming together with other mail. Places are taken in the claim, for exactly the rows that
  nothing else stops. While Redis is away nothing fails that way unless the rows alone say that the limit is reached;
  what this process's part does not cover waits a moment.

A place is used by an attempt that may have been sent. What was provably not sent gives it back when it is settled; what
a doubt or a crash leaves is judged by the rows (`mailgrid.core.windows`).

A tenant's share is what a claim takes of it where others wait (`emails.messages.queue.claiming`): plans name no rate of
sending, so there is no bucket for it.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from math import ceil
from typing import Final
from uuid import UUID

from django.db import DatabaseError

from emails.messages.queue import counting
from emails.transports.models import Transport
from mailgrid.core import clock
from mailgrid.core.bells import Priority
from mailgrid.core.cache import KEPT_SECONDS, BriefCache
from mailgrid.core.durations import scaled
from mailgrid.core.logging import get_logger
from mailgrid.core.ratelimit import Bucket, limiter
from mailgrid.core.windows import DAY, HOUR, MINUTE, Recount, Taken, Window

log = get_logger(__name__)

_COLUMNS: Final = {"per_minute": MINUTE, "per_hour": HOUR, "per_day": DAY}
_BURST_SHARE: Final = 10  # a bucket holds this part of its limit
_RESERVED: Final = 0.2  # of a bucket, for immediate mail

# After "too fast", as delivery.md 9 has it: additive increase, multiplicative decrease.
_SLOWER: Final = 0.7
_SLOWEST: Final = 1.0  # mails a second
_FASTER: Final = 1.05
_STEP: Final = timedelta(seconds=scaled(10))
_SLOW_AGAIN: Final = timedelta(seconds=scaled(1))  # the answers of one moment are one "too fast"
_FORGOTTEN: Final = timedelta(seconds=scaled(600))
_OBSERVED_SECONDS: Final = 5

# So that a rate that was raised, or a backlog that was cancelled, is soon noticed.
_MOST_AHEAD: Final = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Account:
    """A transport's limits."""

    key: str
    bucket: Bucket | None
    windows: Mapping[Window, int]
    rejects: bool
    recount: Recount

    def take(self, wanted: int, priority: Priority) -> int:
        """What both the pace and the windows can give; what the pace gave too much goes back."""
        count, buckets = wanted, self._buckets(priority)
        if buckets:
            count = limiter().take_up_to(buckets, tokens=wanted)
        if not count:
            return 0
        places = self.take_places(count).granted
        if buckets and places < count:
            limiter().give_back(buckets, tokens=count - places)
        return places

    def take_places(self, wanted: int) -> Taken:
        """Room in all windows."""
        if not self.windows:
            return Taken(wanted, exhausted=False)
        return limiter().windows.take_up_to(self.key, self.windows, places=wanted, recount=self.recount)

    def look(self, wanted: int) -> None:
        """Have the rows counted, if need be, before a claim that takes places."""
        if self.windows:
            limiter().windows.look(self.key, self.windows, places=wanted, recount=self.recount)

    def give_back(self, count: int) -> None:
        """Tokens and places that were not used."""
        if self.bucket is not None:
            limiter().give_back([self.bucket], tokens=count)
        self.give_back_places(count)

    def give_back_places(self, count: int) -> None:
        """Places alone: the provider was asked, and did not take the mail."""
        if self.windows:
            limiter().windows.give_back(self.key, self.windows, places=count)

    def _buckets(self, priority: Priority) -> list[Bucket]:
        if self.bucket is None:
            return []
        if priority == Priority.IMMEDIATE:
            return [self.bucket]
        return [replace(self.bucket, kept=min(_RESERVED * self.bucket.burst, self.bucket.burst - 1))]


_known: BriefCache[UUID, Account] = BriefCache(seconds=KEPT_SECONDS, size=10_000)


class Allowance:
    """What one claim takes of the accounts' limits. What no claimed delivery uses goes back."""

    def __init__(self) -> None:
        self._accounts: dict[UUID, Account] = {}
        self._unused: Counter[UUID] = Counter()

    def grant(self, transport_ids: Sequence[UUID], *, wanted: int, priority: Priority) -> dict[UUID, int]:
        """How many deliveries may be claimed of each lane, `wanted` in all.

        A lane without tokens gets none and keeps no other waiting.
        """
        granted: dict[UUID, int] = {}
        for place, transport_id in enumerate(transport_ids):
            left = wanted - sum(granted.values())
            # Else the first account without a limit takes all, always.
            share = ceil(left / (len(transport_ids) - place))
            if share > 0 and (count := self._take(transport_id, share, priority)) > 0:
                granted[transport_id] = count
        return granted

    def places(self, transport_id: UUID, wanted: int) -> Taken:
        """The places that an account which rejects has for this many deliveries; any other has given them already."""
        account = self._accounts[transport_id]
        if not account.rejects:
            return Taken(wanted, exhausted=False)
        taken = account.take_places(wanted)
        self._unused[transport_id] += taken.granted
        return taken

    def use(self, transport_ids: Iterable[UUID]) -> None:
        """Deliveries were claimed; the transport of each of them."""
        self._unused.subtract(transport_ids)

    def return_unused(self) -> None:
        """Give back. Asks no database: what was claimed must be sent."""
        for transport_id, count in self._unused.items():
            if count > 0:
                self._accounts[transport_id].give_back(count)

    def _take(self, transport_id: UUID, wanted: int, priority: Priority) -> int:
        self._accounts[transport_id] = account = _account(transport_id)
        if account.rejects:
            account.look(wanted)
            return wanted
        self._unused[transport_id] = count = account.take(wanted, priority)
        return count


@contextmanager
def allowance() -> Iterator[Allowance]:
    """For one claim; however it ends, nothing is kept that it did not use."""
    own = Allowance()
    try:
        yield own
    finally:
        own.return_unused()


def give_back_unsent(transport_ids: Iterable[UUID]) -> None:
    """The places of attempts that were provably not sent; an id for each of them. Never fails: they are settled."""
    for transport_id, count in Counter(transport_ids).items():
        with suppress(DatabaseError):
            _account(transport_id).give_back_places(count)


def take_slots(stream_id: UUID, rate: float | None, *, count: int, now: datetime) -> list[datetime | None]:
    """The last step, a stream's `rate_per_second`, for `count` rows: None when a row may go now, else when it may.

    Every row that waits gets a slot of its own, over all processes, so that a backlog comes back row by row.
    """
    if not rate:
        return [None] * count
    bucket = Bucket(f"stream:{stream_id}", rate=rate, burst=max(1.0, rate))
    waits = limiter().take_slots(bucket, count=count, farthest=_MOST_AHEAD.total_seconds())
    return [now + timedelta(seconds=wait) if wait else None for wait in waits]


def _account(transport_id: UUID) -> Account:
    """A transport's limits as of at most five seconds ago."""
    if (kept := _known.get(transport_id)) is not None:
        return kept
    row = Transport.across_tenants.get(pk=transport_id)
    limits = {window: limit for column, window in _COLUMNS.items() if (limit := getattr(row, column))}
    rejects = row.over_limit == Transport.OverLimit.REJECT
    pace = None if rejects else limits.pop(MINUTE, None)
    account = Account(
        key=f"account:{transport_id}",
        bucket=_bucket(row, pace, now=clock.now()),
        windows=limits,
        rejects=rejects,
        recount=partial(_attempted, transport_id),
    )
    _known.put(transport_id, account)
    return account


def _bucket(row: Transport, per_minute: int | None, *, now: datetime) -> Bucket | None:
    """The slowest of what the operator allows, what the provider allows, and what it bore lately."""
    paces = [(rate, rate) for rate in (row.max_send_rate, _recovering(row, now)) if rate]
    if per_minute:
        paces.append((per_minute / MINUTE.seconds, per_minute / _BURST_SHARE))
    if not paces:
        return None
    rate = min(rate for rate, _ in paces)
    burst = max(1.0, min(burst for _, burst in paces))
    return Bucket(f"account:{row.pk}", rate=rate, burst=burst)


def slow_down(transport_ids: Iterable[UUID], *, now: datetime) -> None:
    """These accounts' provider said "too fast": go on at seven tenths, and faster again step by step."""
    for transport_id in set(transport_ids):
        account = _account(transport_id)
        rate = account.bucket.rate if account.bucket else _observed(account, now=now)
        calm = Transport.across_tenants.filter(pk=transport_id).exclude(slowed_at__gt=now - _SLOW_AGAIN)
        if calm.update(slowed_to=max(rate * _SLOWER, _SLOWEST), slowed_at=now):
            _known.forget(transport_id)
            log.warning("emails.pace.slowed", transport=str(transport_id), rate=rate * _SLOWER)


def _recovering(row: Transport, now: datetime) -> float | None:
    """The pace after a "too fast", which grows by a twentieth every ten seconds; None when that is long ago."""
    if row.slowed_to is None or row.slowed_at is None or now - row.slowed_at > _FORGOTTEN:
        return None
    steps = (now - row.slowed_at) / _STEP
    return float(row.slowed_to * _FASTER**steps)


def _observed(account: Account, *, now: datetime) -> float:
    """Mails a second of the last seconds, where no limit is known."""
    began = account.recount(now.timestamp() - _OBSERVED_SECONDS, 1)
    return sum(began.values()) / _OBSERVED_SECONDS


def _attempted(transport_id: UUID, since: float, slot_seconds: int) -> Mapping[int, int]:
    return counting.attempted(transport_id, since=since, slot_seconds=slot_seconds)
