"""Token buckets that a fleet shares: a hash in Redis for each, which expires when the bucket is full.

The scripts run alone and by Redis's clock. While Redis is away each process goes on by itself: with its part of a pace,
from an empty bucket (slow, neither open nor closed); at the doors with the whole limit, because nobody shall be turned
away for our trouble. After a FLUSHALL buckets are full: one burst more.
"""

from collections.abc import Sequence
from typing import Final

from mailgrid.core.ratelimit import SHORTEST_WAIT, Bucket, Grant, LocalBuckets
from mailgrid.core.shared import Away, shared
from mailgrid.core.windows import Windows
from mailgrid.core.windows_redis import RedisWindows

_BUCKETS: Final = """
local clock = redis.call('TIME')
local now = clock[1] + clock[2] / 1000000
local function level_of(key, rate, burst)
  local kept = redis.call('HMGET', key, 'level', 'at')
  if not kept[1] then return burst end
  return math.min(burst, kept[1] + math.max(0, now - kept[2]) * rate)
end
local function put(key, rate, burst, level, seconds)
  seconds = math.max(seconds or 0, (burst - level) / rate)
  if seconds <= 0 then redis.call('DEL', key) return end
  redis.call('HSET', key, 'level', string.format('%.6f', level), 'at', string.format('%.6f', now))
  redis.call('PEXPIRE', key, string.format('%d', math.ceil(seconds * 1000)))
end
"""

# In: tokens, rate, burst. Out: 1 when there were as many, and the level then.
_TAKE: Final = (
    _BUCKETS
    + """
local tokens, rate, burst = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local level = level_of(KEYS[1], rate, burst)
if level < tokens then return {0, string.format('%.6f', level)} end
put(KEYS[1], rate, burst, level - tokens)
return {1, string.format('%.6f', level - tokens)}
"""
)

# In: tokens; for each key rate, burst, what must stay in it. Out: whole tokens taken from every one.
_TAKE_UP_TO: Final = (
    _BUCKETS
    + """
local granted, levels = tonumber(ARGV[1]), {}
for i, key in ipairs(KEYS) do
  levels[i] = level_of(key, tonumber(ARGV[3 * i - 1]), tonumber(ARGV[3 * i]))
  granted = math.min(granted, math.floor(levels[i] - tonumber(ARGV[3 * i + 1])))
end
if granted <= 0 then return 0 end
for i, key in ipairs(KEYS) do
  put(key, tonumber(ARGV[3 * i - 1]), tonumber(ARGV[3 * i]), levels[i] - granted)
end
return granted
"""
)

# In: how many, rate, burst, seconds of the farthest and the shortest wait. Out: the waits.
_TAKE_SLOTS: Final = (
    _BUCKETS
    + """
local count, rate, burst = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local level = level_of(KEYS[1], rate, burst)
local granted = math.max(0, math.min(count, math.floor(level)))
level = level - granted
local free = now + math.max((1 - level) / rate, tonumber(ARGV[5]))
local last, waits = tonumber(redis.call('HGET', KEYS[1], 'last') or 0), {}
for i = 1, count do
  local wait = 0
  if i > granted then
    last = math.min(math.max(free, last + 1 / rate), now + tonumber(ARGV[4]))
    wait = last - now
  end
  waits[i] = string.format('%.6f', wait)
end
put(KEYS[1], rate, burst, level, last - now)
if last > now then redis.call('HSET', KEYS[1], 'last', string.format('%.6f', last)) end
return waits
"""
)

# In: tokens; for each key its burst. A bucket that is not there is full.
_GIVE_BACK: Final = """
for i, key in ipairs(KEYS) do
  local level = redis.call('HGET', key, 'level')
  if level then
    level = math.min(tonumber(ARGV[i + 1]), level + tonumber(ARGV[1]))
    redis.call('HSET', key, 'level', string.format('%.6f', level))
  end
end
"""


class RedisBuckets:
    """The fleet's buckets."""

    def __init__(self) -> None:
        self.windows: Windows = RedisWindows()
        self._doors = LocalBuckets()
        self._pace: LocalBuckets | None = None  # only while Redis is away

    def take(self, name: str, *, tokens: float, rate: float, burst: float) -> Grant:
        """All the tokens asked for, or none."""
        try:
            granted, level = shared().run(_TAKE, keys=[_key(name)], args=[tokens, rate, burst])
        except Away:
            return self._doors.take(name, tokens=tokens, rate=rate, burst=burst)
        bucket = Bucket(name, rate, burst)
        return Grant.of(bucket, granted=tokens if granted else 0.0, wanted=tokens, level=float(level))

    def take_up_to(self, buckets: Sequence[Bucket], *, tokens: int) -> int:
        """As many whole tokens as each can give."""
        args: list[int | float] = [tokens]
        for bucket in buckets:
            args += [bucket.rate, bucket.burst, bucket.kept]
        try:
            granted = int(
                shared().run(_TAKE_UP_TO, keys=[_key(bucket.name) for bucket in buckets], args=args)
            )
        except Away:
            return self._slowly().take_up_to(buckets, tokens=tokens)
        self._pace = None
        return granted

    def take_slots(self, bucket: Bucket, *, count: int, farthest: float) -> list[float]:
        """Seconds until each of `count` may go."""
        args = [count, bucket.rate, bucket.burst, farthest, SHORTEST_WAIT]
        try:
            waits = [float(wait) for wait in shared().run(_TAKE_SLOTS, keys=[_key(bucket.name)], args=args)]
        except Away:
            return self._slowly().take_slots(bucket, count=count, farthest=farthest)
        self._pace = None
        return waits

    def give_back(self, buckets: Sequence[Bucket], *, tokens: float) -> None:
        """Tokens that were taken and not used; those whose return is lost with Redis are made up for in a moment."""
        args = [tokens, *[bucket.burst for bucket in buckets]]
        try:
            shared().run(_GIVE_BACK, keys=[_key(bucket.name) for bucket in buckets], args=args)
        except Away:
            for own in filter(None, (self._doors, self._pace)):
                own.give_back(buckets, tokens=tokens)

    def _slowly(self) -> LocalBuckets:
        if self._pace is None:
            self._pace = LocalBuckets(full=False)
        return self._pace


def _key(name: str) -> str:
    return f"bucket:{name}"
