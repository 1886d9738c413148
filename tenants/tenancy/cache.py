"""Facts that every request needs, remembered by this process for a few seconds."""

import threading
import time
from collections.abc import Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class BriefCache(Generic[Key, Value]):
    """Values kept for at most `seconds`, at most `size` of them; the oldest go first.

    Only what was found is kept, so something new is seen at once. Safe for threads.
    """

    def __init__(self, *, seconds: float, size: int) -> None:
        self._seconds = seconds
        self._size = size
        self._lock = threading.Lock()
        self._kept: dict[Key, tuple[Value, float]] = {}

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
