"""Windows that a fleet shares: a hash in Redis for each, of places by slot and of the time when the rows were asked.

Redis's clock decides about slots, so that a wrong clock of a machine moves nothing. Counts that are not there, after a
FLUSHALL or a restart, are made from the rows before anything is taken: never from zero. What was taken at that moment
and is not committed yet is missing in them, one batch of each process at most.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from mailgrid.core.shared import Away, shared
from mailgrid.core.windows import (
    TRUSTED_SECONDS,
    TRUSTED_SECONDS_WHEN_FULL,
    UNSETTLED_SECONDS,
    Limits,
    LocalWindows,
    Recount,
    Taken,
    Window,
)

_NOW: Final = "local clock = redis.call('TIME')\nlocal now = clock[1] + clock[2] / 1000000\n"

# In: places wanted, how long a count is trusted; for each key limit, seconds, seconds of a slot. Out: places taken, the
# time, and for each key what was used before and when the rows were asked ('' when there is no count). Nothing is taken
# while one of the counts is missing or not to be trusted.
_TAKE: Final = (
    _NOW
    + """
local granted, trusted, answer = tonumber(ARGV[1]), true, {}
for i, key in ipairs(KEYS) do
  local limit, seconds, slot_seconds = tonumber(ARGV[3 * i]), tonumber(ARGV[3 * i + 1]), tonumber(ARGV[3 * i + 2])
  local first = math.floor(now / slot_seconds) - math.floor(seconds / slot_seconds)
  local used, checked, fields = 0, '', redis.call('HGETALL', key)
  for f = 1, #fields, 2 do
    if fields[f] == 'checked' then
      checked = fields[f + 1]
    elseif tonumber(fields[f]) < first then
      redis.call('HDEL', key, fields[f])
    else
      used = used + fields[f + 1]
    end
  end
  trusted = trusted and checked ~= '' and now - checked < tonumber(ARGV[2])
  granted = math.min(granted, limit - used)
  answer[#answer + 1] = tostring(used)
  answer[#answer + 1] = checked
end
granted = trusted and math.max(0, granted) or 0
if granted > 0 then
  for i, key in ipairs(KEYS) do
    local seconds, slot_seconds = tonumber(ARGV[3 * i + 1]), tonumber(ARGV[3 * i + 2])
    redis.call('HINCRBY', key, string.format('%d', math.floor(now / slot_seconds)), granted)
    redis.call('EXPIRE', key, seconds + slot_seconds)
  end
end
return {granted, string.format('%.6f', now), unpack(answer)}
"""
)

# In: seconds, seconds of a slot, how long a slot is unsettled, whether rows may know more than young slots do; then
# slot and places in turn. A count that is there keeps its young slots, whose rows may not be committed yet.
_FILL: Final = (
    _NOW
    + """
local seconds, slot_seconds, news = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[4] == '1'
local settled = math.floor((now - tonumber(ARGV[3])) / slot_seconds)
local there = redis.call('HEXISTS', KEYS[1], 'checked') == 1
for _, field in ipairs(redis.call('HKEYS', KEYS[1])) do
  if field ~= 'checked' and tonumber(field) < settled then redis.call('HDEL', KEYS[1], field) end
end
for i = 5, #ARGV, 2 do
  local slot, places = ARGV[i], tonumber(ARGV[i + 1])
  local young = there and tonumber(slot) >= settled
  if young and news then places = math.max(places, tonumber(redis.call('HGET', KEYS[1], slot) or 0)) end
  if not young or news then redis.call('HSET', KEYS[1], slot, places) end
end
redis.call('HSET', KEYS[1], 'checked', string.format('%.6f', now))
redis.call('EXPIRE', KEYS[1], seconds + slot_seconds)
"""
)

# From the newest slots: what is given back was taken a moment ago.
_GIVE_BACK: Final = """
for _, key in ipairs(KEYS) do
  local left, slots = tonumber(ARGV[1]), {}
  for _, field in ipairs(redis.call('HKEYS', key)) do
    if field ~= 'checked' then slots[#slots + 1] = tonumber(field) end
  end
  table.sort(slots, function(a, b) return a > b end)
  for _, number in ipairs(slots) do
    local slot = string.format('%d', number)
    local part = math.min(left, tonumber(redis.call('HGET', key, slot)))
    if part > 0 then redis.call('HINCRBY', key, slot, -part) end
    left = left - math.max(0, part)
  end
end
"""


@dataclass(frozen=True, slots=True)
class _Answer:
    granted: int
    now: float
    used: dict[Window, int]
    checked: dict[Window, float | None]  # None: there is no count


class RedisWindows:
    """Windows of the fleet; while Redis is away, this process's part of what the rows leave free."""

    def __init__(self) -> None:
        self._alone: LocalWindows | None = None
        self._unknown: set[str] = set()  # names that Redis does not know all places of

    def look(self, name: str, limits: Limits, *, places: int, recount: Recount) -> None:
        """Make the counts that are missing, and those that are old enough to be doubted."""
        try:
            answer = self._ask(name, limits, 0)
            self._recount(name, self._doubtful(name, limits, answer, places), recount, now=answer.now)
        except Away:
            self._without(name).look(name, limits, places=places, recount=recount)

    def take_up_to(self, name: str, limits: Limits, *, places: int, recount: Recount) -> Taken:
        """Take as many places as there are. Places whose answer is lost with Redis stay taken."""
        try:
            return self._take(name, limits, places, recount)
        except Away:
            return self._without(name).take_up_to(name, limits, places=places, recount=recount)

    def give_back(self, name: str, windows: Iterable[Window], *, places: int) -> None:
        """Places that were not used."""
        keys = [_key(name, window) for window in windows]
        try:
            shared().run(_GIVE_BACK, keys=keys, args=[places])
        except Away:
            self._without(name).give_back(name, windows, places=places)

    def _take(self, name: str, limits: Limits, places: int, recount: Recount) -> Taken:
        answer = self._ask(name, limits, 0 if name in self._unknown else places)
        granted = answer.granted
        if doubtful := self._doubtful(name, limits, answer, places):
            self._recount(name, doubtful, recount, now=answer.now)
            answer = self._ask(name, limits, places - granted)
            granted += answer.granted
        return Taken(granted, exhausted=granted < places and None not in answer.checked.values())

    def _ask(self, name: str, limits: Limits, places: int) -> _Answer:
        args: list[int] = [places, TRUSTED_SECONDS]
        for window, limit in limits.items():
            args += [limit, window.seconds, window.slot_seconds]
        granted, now, *counts = shared().run(_TAKE, keys=[_key(name, window) for window in limits], args=args)
        self._alone = None
        return _Answer(
            granted=granted,
            now=float(now),
            used={window: int(used) for window, used in zip(limits, counts[::2], strict=True)},
            checked={
                window: float(at) if at else None for window, at in zip(limits, counts[1::2], strict=True)
            },
        )

    def _doubtful(self, name: str, limits: Limits, answer: _Answer, places: int) -> list[Window]:
        def trusted(window: Window, limit: int) -> bool:
            at = answer.checked[window]
            full = limit - answer.used[window] < places
            seconds = TRUSTED_SECONDS_WHEN_FULL if full else TRUSTED_SECONDS
            return name not in self._unknown and at is not None and answer.now - at < seconds

        return [window for window, limit in limits.items() if not trusted(window, limit)]

    def _recount(self, name: str, windows: Sequence[Window], recount: Recount, *, now: float) -> None:
        for window in windows:
            rows = recount(window.first_slot(now) * window.slot_seconds, window.slot_seconds)
            news = int(name in self._unknown)
            args = [window.seconds, window.slot_seconds, UNSETTLED_SECONDS, news]
            for slot, places in rows.items():
                args += [slot, places]
            shared().run(_FILL, keys=[_key(name, window)], args=args)
        self._unknown.discard(name)

    def _without(self, name: str) -> LocalWindows:
        self._unknown.add(name)
        if self._alone is None:
            self._alone = LocalWindows()
        return self._alone


def _key(name: str, window: Window) -> str:
    return f"window:{name}:{window.name}"
