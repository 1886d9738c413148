"""Token buckets. In-process here; a fleet shares them through the class named by the setting `RATE_LIMITER`."""

import threading
import time
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

from django.conf import settings
from django.utils.module_loading import import_string

_PRUNE_ABOVE = 10_000  # buckets; a full bucket carries no information and may be forgotten


@dataclass(frozen=True, slots=True)
class Grant:
    """What a bucket gave: `granted` of the tokens asked for, and how it stands now (times in seconds)."""

    granted: float
    limit: float
    remaining: float
    full_in: float
    retry_after: float


class Limiter(Protocol):
    """Buckets by name. `rate` is tokens per second, `burst` the bucket's size."""

    def take(self, name: str, *, tokens: float, rate: float, burst: float) -> Grant:
        """All the tokens asked for, or none."""
        ...

    def take_up_to(self, name: str, *, tokens: int, rate: float, burst: float) -> Grant:
        """As many whole tokens as there are."""
        ...

    def give_back(self, name: str, *, tokens: float, burst: float) -> None: ...


class LocalBuckets:
    """Buckets of this process. They start full, so a restart can allow one burst more."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # name -> (tokens, monotonic time of that count, monotonic time when it is full again)
        self._buckets: dict[str, tuple[float, float, float]] = {}

    def take(self, name: str, *, tokens: float, rate: float, burst: float) -> Grant:
        with self._lock:
            level = self._level(name, rate, burst)
            granted = tokens if level >= tokens else 0.0
            return self._settle(name, level - granted, granted, tokens, rate, burst)

    def take_up_to(self, name: str, *, tokens: int, rate: float, burst: float) -> Grant:
        with self._lock:
            level = self._level(name, rate, burst)
            granted = min(tokens, int(level))
            return self._settle(name, level - granted, granted, 1, rate, burst)

    def give_back(self, name: str, *, tokens: float, burst: float) -> None:
        with self._lock:
            if name in self._buckets:
                level, at, full_at = self._buckets[name]
                self._buckets[name] = (min(burst, level + tokens), at, full_at)

    def _level(self, name: str, rate: float, burst: float) -> float:
        if (bucket := self._buckets.get(name)) is None:
            return burst
        tokens, at, _ = bucket
        return min(burst, tokens + (time.monotonic() - at) * rate)

    def _settle(
        self, name: str, level: float, granted: float, wanted: float, rate: float, burst: float
    ) -> Grant:
        now = time.monotonic()
        if len(self._buckets) > _PRUNE_ABOVE:
            self._buckets = {key: bucket for key, bucket in self._buckets.items() if bucket[2] > now}
        self._buckets[name] = (level, now, now + (burst - level) / rate)
        missing = max(0.0, wanted - level)
        return Grant(
            granted=granted,
            limit=burst,
            remaining=max(0.0, level),
            full_in=(burst - level) / rate,
            retry_after=missing / rate,
        )


def limiter() -> Limiter:
    """The limiter this installation uses, one per process."""
    return _limiter(settings.RATE_LIMITER)


@lru_cache(maxsize=4)
def _limiter(path: str) -> Limiter:
    return import_string(path)()  # type: ignore[no-any-return]
