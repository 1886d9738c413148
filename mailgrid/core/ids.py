"""Identifiers: UUID version 7 for rows, base62 for secrets people copy. Pure."""

import secrets
import string
from uuid import UUID

import uuid6

_BASE62 = string.digits + string.ascii_letters


def uuid7() -> UUID:
    """A new time-ordered UUID (RFC 9562), so that neighbours in time are neighbours in the index."""
    return UUID(int=uuid6.uuid7().int)


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
