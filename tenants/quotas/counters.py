"""How much of its quotas each tenant has used.

A count that is missing, after a restart or at the turn of a day, is rebuilt from the rows by the function that the
setting `QUOTA_COUNTER` names, so no failure ever resets a quota. The setting `QUOTA_STORE` names the class that keeps
the counts: in-process here, or shared by a fleet (`tenants.quotas.counters_redis`).
"""

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple, Protocol, TypeAlias, cast
from uuid import UUID

from django.conf import settings
from django.utils.module_loading import import_string

from tenants.quotas.periods import DAY, MONTH, Period

Used: TypeAlias = dict[Period, int]
CountAccepted: TypeAlias = Callable[[UUID, datetime], int]  # recipients accepted in live mode since then


class Counters(Protocol):
    """Recipients used per tenant and period. Safe for threads."""

    def used(self, tenant_id: UUID, periods: Iterable[Period], now: datetime) -> Used:
        """What the tenant has used of the running periods."""
        ...

    def add(self, tenant_id: UUID, quotas: Mapping[Period, int], count: int, now: datetime) -> Period | None:
        """Add to every period, unless one of them would be over its quota: that one is returned."""
        ...

    def take_back(self, tenant_id: UUID, periods: Iterable[Period], count: int, now: datetime) -> None:
        """Subtract what was added at `now`; a period that has ended since is left alone."""
        ...


class _Count(NamedTuple):
    start: datetime  # of the period
    used: int
    counted_at: float  # monotonic: when the rows were asked


class QuotaCounters:
    """Counts of this process. The database is read outside of the lock.

    `seconds` is how long a count is good: None where no other process accepts mail.
    """

    def __init__(self, *, seconds: float | None = None) -> None:
        self._seconds = seconds
        self._lock = threading.Lock()
        self._counts: dict[tuple[UUID, Period], _Count] = {}

    def used(self, tenant_id: UUID, periods: Iterable[Period], now: datetime) -> Used:
        """What the tenant has used of the running periods."""
        return {period: self._ensure(tenant_id, period, now) for period in periods}

    def add(self, tenant_id: UUID, quotas: Mapping[Period, int], count: int, now: datetime) -> Period | None:
        """Add to every period, unless one of them would be over its quota: that one is returned."""
        self._drop_unlimited(tenant_id, quotas)
        self.used(tenant_id, quotas, now)
        with self._lock:
            for period, quota in quotas.items():
                kept = self._counts.get((tenant_id, period))
                if kept is not None and kept.used + count > quota:
                    return period
            self._change(tenant_id, quotas, count, now)
        return None

    def take_back(self, tenant_id: UUID, periods: Iterable[Period], count: int, now: datetime) -> None:
        """Subtract what was added at `now`."""
        with self._lock:
            self._change(tenant_id, periods, -count, now)

    def _ensure(self, tenant_id: UUID, period: Period, now: datetime) -> int:
        start = period.start(now)
        if (kept := self._good(tenant_id, period, start)) is not None:
            return kept.used
        counted = count_accepted(tenant_id, start)
        with self._lock:
            kept = self._good(tenant_id, period, start)
            if kept is None:  # else another thread was first, and may have added since
                kept = self._counts[tenant_id, period] = _Count(start, counted, time.monotonic())
            return kept.used

    def _good(self, tenant_id: UUID, period: Period, start: datetime) -> _Count | None:
        kept = self._counts.get((tenant_id, period))
        if kept is None or kept.start < start:
            return None
        old = self._seconds is not None and time.monotonic() - kept.counted_at >= self._seconds
        return None if old else kept

    def _change(self, tenant_id: UUID, periods: Iterable[Period], count: int, now: datetime) -> None:
        for period in periods:
            kept = self._counts.get((tenant_id, period))
            if kept is not None and kept.start == period.start(now):
                self._counts[tenant_id, period] = kept._replace(used=max(0, kept.used + count))

    def _drop_unlimited(self, tenant_id: UUID, quotas: Mapping[Period, int]) -> None:
        """A count that stood still while there was no quota would be wrong later."""
        with self._lock:
            for period in {DAY, MONTH} - quotas.keys():
                self._counts.pop((tenant_id, period), None)


@lru_cache(maxsize=1)
def counters() -> Counters:
    """The counters this installation uses, one for each process."""
    return import_string(settings.QUOTA_STORE)()  # type: ignore[no-any-return]


def count_accepted(tenant_id: UUID, since: datetime) -> int:
    """What the rows say."""
    return cast(CountAccepted, import_string(settings.QUOTA_COUNTER))(tenant_id, since)
