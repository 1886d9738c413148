"""Identifiers: UUID version 7 for rows, base62 for secrets people copy."""

import os
import secrets
import string
import threading
import time
from typing import Final
from uuid import UUID

_BASE62: Final = string.digits + string.ascii_letters

_VERSION_AND_VARIANT: Final = 7 << 76 | 0b10 << 62
_last_tick = 0
_ticking = threading.Lock()


def uuid7() -> UUID:
    """A new time-ordered UUID (RFC 9562 5.7), so that neighbours in time are neighbours in the index.

    In one process each is greater than the one before, also when the clock is set back: 60 of its bits count ticks of
    1/4096 ms (6.2, method 3), and no two share one. The other 62 are random, so that processes never meet.
    """
    global _last_tick
    tick = time.time_ns() * 4096 // 1_000_000
    with _ticking:
        _last_tick = tick = max(tick, _last_tick + 1)
    milliseconds, fraction = tick >> 12, tick & 0xFFF
    chance = int.from_bytes(os.urandom(8), "big") >> 2
    return UUID(int=milliseconds << 80 | fraction << 64 | _VERSION_AND_VARIANT | chance)


def base62(length: int) -> str:
    """Random text of digits and letters; 43 characters carry 256 bits."""
    return "".join(secrets.choice(_BASE62) for _ in range(length))


def parse_uuid(text: object) -> UUID | None:
    """The UUID that `text` spells in its usual form, or None."""
    if isinstance(text, UUID):
        return text
    if not isinstance(text, str) or len(text) not in {32, 36}:
        return None
    try:
        return UUID(text)
    except ValueError:
        return None
