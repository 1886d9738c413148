"""Which of SES's kinds of content an envelope goes as (delivery.md 8.7). Pure."""

import re
from enum import StrEnum
from typing import Final

import orjson

from emails.composition.envelope import Attachment, Envelope
from emails.composition.headers import is_reserved, sendable
from mailgrid.core.encoded_words import CONTROL

_MAX_HEADERS = 15
_HEADER_NAME = re.compile(r"[A-Za-z0-9-]{1,126}")
_HEADER_VALUE = re.compile(r"[ -~]{1,995}")
_MAX_HEADER = 996  # name and value together (SES API v2 Reference, MessageHeader)

# SES API v2 Reference, Attachment: FileName 255, ContentType 78, ContentId 78 characters. It does not say
# what becomes of names beyond ASCII and of types with parameters, so those we write ourselves.
_FILE_NAME = re.compile(r"[ -~]{1,255}")
_CONTENT_TYPE = re.compile(r"(?=.{1,78}\Z)[A-Za-z0-9.+_-]+/[A-Za-z0-9.+_-]+")
_CONTENT_ID = re.compile(r"[!-~]{1,78}")

MAX_TEMPLATE_DATA: Final = 262_144  # characters (SES API v2 Reference, EmailTemplateData)


class Shape(StrEnum):
    """What a transport is handed."""

    SIMPLE = "simple"  # fields, bodies and attachments: SES writes the mail
    BULK = "bulk"  # the same without attachments: it may go in one request with others like it
    RAW = "raw"  # the finished bytes: we write it


def shape_of(envelope: Envelope) -> Shape:
    """Simple or Bulk, when SES can write this mail exactly as we would; else Raw."""
    if not _is_simple(envelope):
        return Shape.RAW
    return Shape.SIMPLE if bulk_data(envelope) is None else Shape.BULK


def template_data(envelope: Envelope) -> bytes:
    """What a Bulk entry says: a JSON object of `subject`, `html` and `text`, without the part that is missing.

    Raises TypeError for text that is no UTF-8.
    """
    parts = {"subject": envelope.subject, "html": envelope.html, "text": envelope.text}
    return orjson.dumps({name: part for name, part in parts.items() if part is not None})


def bulk_data(envelope: Envelope) -> bytes | None:
    """The template data with which the envelope can be an entry of a Bulk request; None when it cannot."""
    if not envelope.may_share or envelope.attachments or not _is_simple(envelope):
        return None
    bodies = [body for body in (envelope.html, envelope.text) if body is not None]
    # SES fills each value in for a variable. Nobody says that it looks for no variables in the values.
    if (
        not bodies
        or CONTROL.search(envelope.subject)
        or any("{{" in it for it in (envelope.subject, *bodies))
    ):
        return None
    if len({name.lower() for name, _ in envelope.headers}) < len(envelope.headers):
        return None  # of an entry's headers with one name only the last is sent
    try:
        data = template_data(envelope)
    except TypeError:  # alone it is answered with its own error
        return None
    fits = len(data) <= MAX_TEMPLATE_DATA or len(data.decode()) <= MAX_TEMPLATE_DATA
    return data if fits else None


def _is_simple(envelope: Envelope) -> bool:
    headers = sendable(envelope.headers)
    return (
        (envelope.shown_to, envelope.shown_cc) == (None, None)  # SES shows whom it sends to
        and len(headers) <= _MAX_HEADERS
        and all(_is_simple_header(name, value) for name, value in headers)
        and all(map(_is_simple_file, envelope.attachments))
    )


def _is_simple_header(name: str, value: str) -> bool:
    # A reserved name cannot come from a checked submission; as Raw it meets compose, which refuses it.
    return (
        len(name) + len(value) <= _MAX_HEADER
        and bool(_HEADER_NAME.fullmatch(name) and _HEADER_VALUE.fullmatch(value))
        and not is_reserved(name)
    )


def _is_simple_file(file: Attachment) -> bool:
    return bool(
        _FILE_NAME.fullmatch(file.filename)
        and _CONTENT_TYPE.fullmatch(file.content_type)
        and (file.content_id is None or _CONTENT_ID.fullmatch(file.content_id))
    )
