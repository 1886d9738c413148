"""Facts that every request needs, remembered by this process for a few seconds.

What is known of a tenant lives in `TenantCache`s: whoever records a change in the audit trail makes this process forget
all of them; other processes see the change when the few seconds are over.
"""

import threading
import time
from collections.abc import Hashable
from typing import Any, Final, Generic, TypeVar
from uuid import UUID

KEPT_SECONDS: Final = 5.0

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


_caches: list["BriefCache[Any, Any]"] = []
_tenant_caches: list["TenantCache[Any]"] = []


class BriefCache(Generic[Key, Value]):
    """Values kept for at most `seconds`, at most `size` of them; the oldest go first.

    Only what was found is kept, so something new is seen at once. Safe for threads.
    """

    def __init__(self, *, seconds: float, size: int) -> None:
        self._seconds = seconds
        self._size = size
        self._lock = threading.Lock()
        self._kept: dict[Key, tuple[Value, float]] = {}
        _caches.append(self)

    def get(self, key: Key) -> Value | None:
        """The value under `key`, unless it is too old."""
        entry = self._kept.get(key)
        if entry is None:
            return None
        value, kept_at = entry
        # A clock set back must not make a value live longer.
        return value if 0 <= time.time() - kept_at < self._seconds else None

    def put(self, key: Key, value: Value) -> None:
        """Keep `value` from now on."""
        with self._lock:
            self._kept.pop(key, None)  # so that the order of the keys is their age
            while len(self._kept) >= self._size:
                del self._kept[next(iter(self._kept))]
            self._kept[key] = (value, time.time())

    def forget(self, key: Key) -> None:
        """The next `get` finds nothing."""
        with self._lock:
            self._kept.pop(key, None)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._kept.clear()


class TenantCache(BriefCache[UUID, Value]):
    """What is known of a tenant, by its id, for at most five seconds."""

    def __init__(self) -> None:
        super().__init__(seconds=KEPT_SECONDS, size=10_000)
        _tenant_caches.append(self)


def forget_tenant(tenant_id: UUID) -> None:
    """Let this process read everything about the tenant afresh."""
    for cache in _tenant_caches:
        cache.forget(tenant_id)


def forget_everything() -> None:
    """Let this process read all facts afresh."""
    for cache in _caches:
        cache.clear()
