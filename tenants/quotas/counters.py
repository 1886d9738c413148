"""How much of its quotas each tenant has used, counted in this process.

A count that is missing, after a restart or at the turn of a day, is rebuilt from the rows by the function
that the setting `QUOTA_COUNTER` names, so no failure ever resets a quota.
"""

import threading
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import lru_cache
from typing import TypeAlias, cast
from uuid import UUID

from django.conf import settings
from django.utils.module_loading import import_string

from tenants.quotas.periods import DAY, MONTH, Period

Used: TypeAlias = dict[Period, int]
CountAccepted: TypeAlias = Callable[[UUID, datetime], int]  # recipients accepted in live mode since then


class QuotaCounters:
    """Recipients used per tenant and period. Safe for threads; the database is read outside of the lock."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # (tenant, period) -> (start of the period, recipients used)
        self._counts: dict[tuple[UUID, Period], tuple[datetime, int]] = {}

    def used(self, tenant_id: UUID, periods: Iterable[Period], now: datetime) -> Used:
        """What the tenant has used of the running periods."""
        return {period: self._ensure(tenant_id, period, now) for period in periods}

    def add(self, tenant_id: UUID, quotas: Mapping[Period, int], count: int, now: datetime) -> Period | None:
        """Add to every period, unless one of them would be over its quota: that one is returned."""
        self._drop_unlimited(tenant_id, quotas)
        self.used(tenant_id, quotas, now)
        with self._lock:
            for period, quota in quotas.items():
                if self._counts.get((tenant_id, period), (now, 0))[1] + count > quota:
                    return period
            self._change(tenant_id, quotas, count, now)
        return None

    def take_back(self, tenant_id: UUID, periods: Iterable[Period], count: int, now: datetime) -> None:
        """Subtract what was added at `now`; a period that has ended since is left alone."""
        with self._lock:
            self._change(tenant_id, periods, -count, now)

    def _ensure(self, tenant_id: UUID, period: Period, now: datetime) -> int:
        start = period.start(now)
        kept = self._counts.get((tenant_id, period))
        if kept is not None and kept[0] >= start:
            return kept[1]
        counted = _count_accepted()(tenant_id, start)
        with self._lock:
            kept = self._counts.get((tenant_id, period))
            if kept is None or kept[0] < start:  # else another thread was first, and may have added since
                kept = self._counts[tenant_id, period] = (start, counted)
            return kept[1]

    def _change(self, tenant_id: UUID, periods: Iterable[Period], count: int, now: datetime) -> None:
        for period in periods:
            start, used = self._counts.get((tenant_id, period), (None, 0))
            if start == period.start(now):
                self._counts[tenant_id, period] = (start, max(0, used + count))

    def _drop_unlimited(self, tenant_id: UUID, quotas: Mapping[Period, int]) -> None:
        """A count that stood still while there was no quota would be wrong later."""
        with self._lock:
            for period in {DAY, MONTH} - quotas.keys():
                self._counts.pop((tenant_id, period), None)


@lru_cache(maxsize=1)
def counters() -> QuotaCounters:
    """The counters of this process."""
    return QuotaCounters()


def _count_accepted() -> CountAccepted:
    return cast(CountAccepted, import_string(settings.QUOTA_COUNTER))
