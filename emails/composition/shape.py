"""Which of SES's kinds of content an envelope goes as (delivery.md 8.7). Pure."""

import re
from enum import StrEnum

from emails.composition.envelope import Attachment, Envelope
from emails.composition.headers import is_reserved, sendable

_MAX_HEADERS = 15
_HEADER_NAME = re.compile(r"[A-Za-z0-9-]{1,126}")
_HEADER_VALUE = re.compile(r"[ -~]{1,995}")

# SES API v2 Reference, Attachment: FileName 255, ContentType 78, ContentId 78 characters. It does not say
# what becomes of names beyond ASCII and of types with parameters, so those we write ourselves.
_FILE_NAME = re.compile(r"[ -~]{1,255}")
_CONTENT_TYPE = re.compile(r"(?=.{1,78}\Z)[A-Za-z0-9.+_-]+/[A-Za-z0-9.+_-]+")
_CONTENT_ID = re.compile(r"[!-~]{1,78}")


class Shape(StrEnum):
    """What a transport is handed."""

    SIMPLE = "simple"  # fields, bodies and attachments: SES writes the mail
    RAW = "raw"  # the finished bytes: we write it


def shape_of(envelope: Envelope) -> Shape:
    """Simple, when SES can write this mail exactly as we would; else Raw.

    An envelope shows its own recipients in To and Cc and nobody else, so they need no look here.
    """
    headers = sendable(envelope.headers)
    fits = (
        len(headers) <= _MAX_HEADERS
        and all(_is_simple_header(name, value) for name, value in headers)
        and all(map(_is_simple_file, envelope.attachments))
    )
    return Shape.SIMPLE if fits else Shape.RAW


def _is_simple_header(name: str, value: str) -> bool:
    # A reserved name cannot come from a checked submission; as Raw it meets compose, which refuses it.
    return bool(_HEADER_NAME.fullmatch(name) and _HEADER_VALUE.fullmatch(value)) and not is_reserved(name)


def _is_simple_file(file: Attachment) -> bool:
    return bool(
        _FILE_NAME.fullmatch(file.filename)
        and _CONTENT_TYPE.fullmatch(file.content_type)
        and (file.content_id is None or _CONTENT_ID.fullmatch(file.content_id))
    )
