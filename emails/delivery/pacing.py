"""Our speed towards a provider: the account's bucket before the claim, the stream's inside it.

Tokens are taken before anything is claimed: waiting inside a lease would manufacture doubts.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from math import ceil
from typing import Final
from uuid import UUID

from emails.transports.models import Transport
from mailgrid.core.cache import KEPT_SECONDS, BriefCache
from mailgrid.core.ratelimit import limiter

# (column, seconds): the limits an account may have. A bucket holds at most a tenth of a minute's worth, so that
# a restart, which fills it, does not send a whole period's allowance at once.
_PERIODS: Final = (("per_minute", 60), ("per_hour", 3600), ("per_day", 86_400))
_BURST_SHARE: Final = 10

# So that a rate that was raised, or a backlog that was cancelled, is soon noticed.
_MOST_AHEAD: Final = timedelta(minutes=10)
_last_slot: dict[UUID, datetime] = {}  # the last slot given to a waiting row of each stream, per process

Bucket = tuple[str, float, float]
_known: BriefCache[UUID, tuple[Bucket, ...]] = BriefCache(seconds=KEPT_SECONDS, size=10_000)


def grant(transport_ids: Sequence[UUID], *, wanted: int) -> dict[UUID, int]:
    """How many deliveries may be claimed from each lane now, `wanted` in all. A lane without tokens gets none."""
    granted: dict[UUID, int] = {}
    for place, transport_id in enumerate(transport_ids):
        left = wanted - sum(granted.values())
        share = ceil(
            left / (len(transport_ids) - place)
        )  # else the first account without a limit takes all, always
        if share > 0 and (count := _take(transport_id, share)) > 0:
            granted[transport_id] = count
    return granted


def give_back(transport_id: UUID, *, unused: int) -> None:
    """Tokens that no delivery used."""
    if unused > 0:
        for name, _, burst in _buckets(transport_id):
            limiter().give_back(name, tokens=unused, burst=burst)


def _take(transport_id: UUID, wanted: int) -> int:
    """What every bucket of the account can give; what an earlier one gave too much goes back."""
    count = wanted
    taken: list[tuple[str, float]] = []
    for name, rate, burst in _buckets(transport_id):
        granted = int(limiter().take_up_to(name, tokens=count, rate=rate, burst=burst).granted)
        for earlier, size in taken:
            limiter().give_back(earlier, tokens=count - granted, burst=size)
        taken.append((name, burst))
        count = granted
    return count


def _buckets(transport_id: UUID) -> tuple[Bucket, ...]:
    """Name, rate and size of each bucket of an account, as of at most five seconds ago."""
    if (kept := _known.get(transport_id)) is not None:
        return kept
    row = Transport.across_tenants.get(pk=transport_id)
    buckets = tuple(
        (f"account:{transport_id}:{column}", limit / seconds, max(1.0, limit / _BURST_SHARE))
        for column, seconds in _PERIODS
        if (limit := getattr(row, column))
    )
    _known.put(transport_id, buckets)
    return buckets


def take_slot(stream_id: UUID, rate: float | None, *, now: datetime) -> datetime | None:
    """The last step of the pace, a stream's `rate_per_second`: None when the row may go now, else when it may.

    Every row that waits gets a slot of its own, so that a backlog comes back row by row and not all at once.
    """
    if not rate:
        return None
    grant = limiter().take(f"stream:{stream_id}", tokens=1, rate=rate, burst=max(1.0, rate))
    if grant.granted:
        return None
    free = now + timedelta(seconds=max(grant.retry_after, 0.01))
    last = _last_slot.get(stream_id)
    slot = min(max(free, last + timedelta(seconds=1 / rate)) if last else free, now + _MOST_AHEAD)
    _last_slot[stream_id] = slot
    return slot
