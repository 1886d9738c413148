"""Values out of a payload that others wrote: the right type, clean text, or `UnreadablePayload`. Pure."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

# Starting values: what a diagnostic of a foreign server may take up in a row, and what an id may.
TEXT_LIMIT = 2_000
NAME_LIMIT = 320

_NUMBER = re.compile(r"[0-9]{1,18}")
_LARGEST = 2**31 - 1  # fence that a database holds
_HEX = re.compile(r"[0-9a-f]{1,32}")
_STATUS_CODE = re.compile(r"[245]\.[0-9]{1,3}\.[0-9]{1,3}")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class UnreadablePayload(ValueError):
    """The payload is not what its provider documents; the message says where."""


def object_at(parent: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """The JSON object under `key`."""
    value = parent.get(key)
    if not isinstance(value, dict):
        raise UnreadablePayload(f"{key}: an object is missing")
    return value


def objects_at(parent: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    """The list of JSON objects under `key`; empty when absent or null."""
    value = parent.get(key)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise UnreadablePayload(f"{key}: not a list of objects")
    return value


def name_at(parent: Mapping[str, Any], key: str) -> str:
    """A required word, id or address: text without control characters, at most `NAME_LIMIT` long."""
    value = parent.get(key)
    if not isinstance(value, str) or not 0 < len(value) <= NAME_LIMIT or not value.isprintable():
        raise UnreadablePayload(f"{key}: not a name")
    return value


def text_at(parent: Mapping[str, Any], key: str) -> str | None:
    """Free text any database stores: no NUL, no lone surrogate, cut to `TEXT_LIMIT`; None when absent."""
    value = parent.get(key)
    if value is None:
        return None
    if not isinstance(value, str):
        raise UnreadablePayload(f"{key}: not text")
    return value[:TEXT_LIMIT].replace("\0", "").encode("utf-8", "replace").decode()


def status_code_at(parent: Mapping[str, Any], key: str) -> str | None:
    """An enhanced status code (RFC 3463); None when it is absent or no such code."""
    words = text_at(parent, key) or ""
    return words if _STATUS_CODE.fullmatch(words) else None


def moment_at(parent: Mapping[str, Any], key: str) -> datetime:
    """An ISO 8601 time with its offset, in UTC."""
    value = parent.get(key)
    try:
        moment = datetime.fromisoformat(value)  # type: ignore[arg-type]  # TypeError is an answer too
        if moment.tzinfo is None:
            raise UnreadablePayload(f"{key}: a time without offset")
        return moment.astimezone(UTC)
    except (TypeError, ValueError, OverflowError) as error:
        raise UnreadablePayload(f"{key}: not a time") from error


def address_of(value: object) -> str:
    """A bare address with its domain in lower case; a display name around it is dropped."""
    if not isinstance(value, str) or not 0 < len(value) <= 2 * NAME_LIMIT:
        raise UnreadablePayload("an address is missing")
    bare = value.rpartition("<")[2].rstrip().removesuffix(">").strip()
    if not 0 < len(bare) <= NAME_LIMIT or not bare.isprintable():
        raise UnreadablePayload("an address cannot be read")
    local, at, domain = bare.rpartition("@")
    return f"{local}{at}{domain.lower()}"


def addresses_at(parent: Mapping[str, Any], key: str) -> list[str]:
    """The list of addresses under `key`; empty when absent or null."""
    value = parent.get(key)
    if value is None:
        return []
    if not isinstance(value, list):
        raise UnreadablePayload(f"{key}: not a list of addresses")
    return [address_of(item) for item in value]


def tag(tags: Mapping[str, Any], key: str) -> str | None:
    """The one value of a tag, which SES returns as a list; None when the mail did not carry it."""
    values = tags.get(key)
    if values is None or values == []:
        return None
    if not isinstance(values, list) or not isinstance(values[0], str):
        raise UnreadablePayload(f"tag {key}: not a list of words")
    return values[0]


def uuid_tag(tags: Mapping[str, Any], key: str) -> UUID | None:
    """A tag that holds a UUID in its usual form."""
    word = tag(tags, key)
    return None if word is None else UUID(_matched(_UUID, key, word))


def number_tag(tags: Mapping[str, Any], key: str) -> int | None:
    """A tag that holds a natural number; None for one that is too large to be of ours."""
    word = tag(tags, key)
    number = None if word is None else int(_matched(_NUMBER, key, word))
    return None if number is None or number > _LARGEST else number


def hex_tag(tags: Mapping[str, Any], key: str) -> str | None:
    """A tag that holds up to 32 hexadecimal digits in lower case."""
    word = tag(tags, key)
    return None if word is None else _matched(_HEX, key, word)


def _matched(shape: re.Pattern[str], key: str, word: str) -> str:
    if not shape.fullmatch(word):
        raise UnreadablePayload(f"tag {key}: not one of ours")
    return word
