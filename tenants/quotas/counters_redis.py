"""Quota counters that a fleet shares: a number in Redis for each tenant and period.

A number lives ten minutes and is counted from the rows again, so that nothing a crash, an old snapshot or a lost answer
left behind lasts. What other processes are about to store at that moment is missing until the next count: a quota may
be passed by what is being accepted just then, and is never reset.

While Redis is away each process has counts of its own, good for five seconds, and counts the rows again: a quota may be
passed by what the other processes accept in that time. When Redis returns, numbers that missed something are dropped.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from mailgrid.core.shared import Away, shared
from tenants.quotas.counters import QuotaCounters, Used, count_accepted
from tenants.quotas.periods import DAY, MONTH, Period

GOOD_SECONDS: Final = 600
GOOD_SECONDS_ALONE: Final = 5
_TRIES: Final = 3  # a number that is gone again each time means that somebody empties Redis

_USED: Final = "return redis.call('MGET', unpack(KEYS))"
_DROP: Final = "for _, key in ipairs(KEYS) do redis.call('DEL', key) end"

# In: the number counted, and how long it is good. Out: the number there is, which may be somebody else's.
_SET: Final = """
redis.call('SET', KEYS[1], ARGV[1], 'NX', 'EX', ARGV[2])
return redis.call('GET', KEYS[1])
"""

# In: how many; for each key its quota, -1 for none: a number that stood still meanwhile would be wrong later.
# Out: 0 when they were added; i for key i, over its quota; -i for key i, which is not there.
_ADD: Final = """
local count, over = tonumber(ARGV[1]), 0
for i, key in ipairs(KEYS) do
  local quota = tonumber(ARGV[i + 1])
  if quota < 0 then
    redis.call('DEL', key)
  else
    local used = redis.call('GET', key)
    if not used then return -i end
    if over == 0 and used + count > quota then over = i end
  end
end
if over > 0 then return over end
for i, key in ipairs(KEYS) do
  if tonumber(ARGV[i + 1]) >= 0 then redis.call('INCRBY', key, count) end
end
return 0
"""

_TAKE_BACK: Final = """
for _, key in ipairs(KEYS) do
  local used = redis.call('GET', key)
  if used then redis.call('DECRBY', key, math.min(tonumber(used), tonumber(ARGV[1]))) end
end
"""


class RedisQuotaCounters:
    """Counts of the fleet."""

    def __init__(self) -> None:
        self._alone: QuotaCounters | None = None  # only while Redis is away
        self._unknown: set[UUID] = set()  # tenants of whom Redis has missed something

    def used(self, tenant_id: UUID, periods: Iterable[Period], now: datetime) -> Used:
        """What the tenant has used of the running periods."""
        wanted = tuple(periods)
        if not wanted:
            return {}
        try:
            numbers = self._run(_USED, tenant_id, wanted, now)
            return {
                period: self._rebuilt(tenant_id, period, now) if number is None else int(number)
                for period, number in zip(wanted, numbers, strict=True)
            }
        except Away:
            return self._without(tenant_id).used(tenant_id, wanted, now)

    def add(self, tenant_id: UUID, quotas: Mapping[Period, int], count: int, now: datetime) -> Period | None:
        """Add to every period, unless one of them would be over its quota: that one is returned."""
        try:
            return self._add(tenant_id, quotas, count, now)
        except Away:
            return self._without(tenant_id).add(tenant_id, quotas, count, now)

    def take_back(self, tenant_id: UUID, periods: Iterable[Period], count: int, now: datetime) -> None:
        """Subtract what was added at `now`."""
        wanted = tuple(periods)
        if not wanted:
            return
        try:
            self._run(_TAKE_BACK, tenant_id, wanted, now, count)
        except Away:
            self._without(tenant_id).take_back(tenant_id, wanted, count, now)

    def _add(self, tenant_id: UUID, quotas: Mapping[Period, int], count: int, now: datetime) -> Period | None:
        both = (DAY, MONTH)
        for _ in range(_TRIES):
            limits = [quotas.get(period, -1) for period in both]
            answer = int(self._run(_ADD, tenant_id, both, now, count, *limits))
            if answer >= 0:
                return both[answer - 1] if answer else None
            self.used(tenant_id, quotas, now)
        raise Away

    def _rebuilt(self, tenant_id: UUID, period: Period, now: datetime) -> int:
        counted = count_accepted(tenant_id, period.start(now))
        return int(self._run(_SET, tenant_id, [period], now, counted, GOOD_SECONDS) or counted)

    def _run(self, script: str, tenant_id: UUID, periods: Sequence[Period], now: datetime, *args: int) -> Any:
        self._catch_up(now)
        return shared().run(script, keys=[_key(tenant_id, period, now) for period in periods], args=args)

    def _catch_up(self, now: datetime) -> None:
        """Drop what Redis kept through its absence, of the tenants who were served meanwhile."""
        if self._unknown:
            tenants = tuple(self._unknown)
            shared().run(
                _DROP, keys=[_key(tenant, period, now) for tenant in tenants for period in (DAY, MONTH)]
            )
            self._unknown.difference_update(tenants)
            self._alone = None

    def _without(self, tenant_id: UUID) -> QuotaCounters:
        self._unknown.add(tenant_id)
        if self._alone is None:
            self._alone = QuotaCounters(seconds=GOOD_SECONDS_ALONE)
        return self._alone


def _key(tenant_id: UUID, period: Period, now: datetime) -> str:
    return f"quota:{tenant_id}:{period.name}:{period.start(now):%Y-%m-%d}"
