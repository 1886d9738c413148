"""Header fields: which a sender may set, and how a value is written. Pure.

Limits are those of api.md 3.3; syntax of RFC 5322 2.2 and 3.6.8; values beyond ASCII of RFC 2047.
"""

import re
from collections.abc import Iterable, Mapping

from mailgrid.core.encoded_words import encode_words, is_one_line

MAX_HEADERS = 50
MAX_NAME = 64
MAX_VALUE = 2_000
MAX_TEXT = 998
MAX_LINE = 998  # RFC 5322 2.1.1: octets without the line end
_SOFT_LINE = 76  # RFC 2047 2, for lines with encoded words; RFC 5322 asks for 78
_MAX_WORD = 900  # a stretch that cannot be folded, beside the longest name

_RESERVED = frozenset(
    {"from", "to", "cc", "bcc", "sender", "reply-to", "subject", "return-path", "received", "mime-version"}
    | {"dkim-signature", "authentication-results"}
)
_RESERVED_PREFIXES = ("content-", "arc-", "x-ses-", "x-mailgrid-")
# The provider writes the date; the Message-ID is ours, so that a repeat carries the same one.
_NOT_SENT = frozenset({"date", "message-id"})

_NAME = re.compile(rf"[A-Za-z0-9-]{{1,{MAX_NAME}}}")
_PLAIN = re.compile(r"(?:[!-~](?:[ -~]*[!-~])?)?")
_WORD = re.compile(r" *[^ ]+")


class HeaderRefused(ValueError):
    """A header field we do not send. `name` is the field's, `code` one of api.md 1.5."""

    def __init__(self, name: str, code: str, message: str) -> None:
        super().__init__(message)
        self.name = name
        self.code = code


def check_headers(headers: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """A sender's own fields, in their order, values without surrounding spaces. Raises HeaderRefused."""
    if len(headers) > MAX_HEADERS:
        raise HeaderRefused("headers", "too_many", f"At most {MAX_HEADERS} headers are allowed.")
    if len({str(name).lower() for name in headers}) < len(headers):
        raise HeaderRefused(
            "headers", "mutually_exclusive", "A header is given twice, in different letter case."
        )
    return tuple((_check_name(name), _check_value(name, value)) for name, value in headers.items())


def check_text(field: str, text: str, *, limit: int = MAX_TEXT) -> str:
    """Text bound for a header, such as the subject, of at most `limit` characters. Raises HeaderRefused."""
    if not isinstance(text, str):
        raise HeaderRefused(field, "invalid_type", f"{field} must be a string.")
    if len(text) > limit:
        raise HeaderRefused(field, "too_long", f"{field} has more than {limit} characters.")
    if not is_one_line(text):
        raise HeaderRefused(
            field,
            "invalid_type",
            f"{field} contains a control character or an encoded word that is not allowed.",
        )
    return text


def is_reserved(name: str) -> bool:
    """Whether a field is written by us or the provider and by nobody else."""
    name = name.lower()
    return name in _RESERVED or name.startswith(_RESERVED_PREFIXES)


def sendable(headers: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """The fields that go out: Date and Message-ID of the sender are only kept on record."""
    return tuple(header for header in headers if header[0].lower() not in _NOT_SENT)


def encode_value(text: str) -> str:
    """The text as a field holds it, in ASCII that `fold` can fold: itself, or encoded words (RFC 2047)."""
    return text if _PLAIN.fullmatch(text) and _can_fold(text) else encode_words(text)


def fold(name: str, value: str) -> str:
    """One whole field with its line ends, folded at spaces; unfolding gives the value back octet for octet.

    The value is printable ASCII already. Raises HeaderRefused when it is not, or has no place to fold.
    """
    if not _NAME.fullmatch(name) or not _PLAIN.fullmatch(value):
        raise HeaderRefused(name, "invalid_type", "The header cannot be written.")
    if len(name) + len(value) + 2 <= _SOFT_LINE:
        return f"{name}: {value}\r\n"
    if not _can_fold(value):
        raise HeaderRefused(name, "too_long", "The header cannot be folded.")
    return "\r\n".join(_lines(name, value)) + "\r\n"


def _check_name(name: str) -> str:
    if not isinstance(name, str):
        raise HeaderRefused(str(name), "invalid_type", "A header name must be a string.")
    if len(name) > MAX_NAME:
        raise HeaderRefused(name, "too_long", f"A header name has at most {MAX_NAME} characters.")
    if not _NAME.fullmatch(name):
        raise HeaderRefused(
            name, "invalid_type", "A header name consists of ASCII letters, digits and hyphens."
        )
    if is_reserved(name):
        raise HeaderRefused(name, "reserved_header", f"The header {name} is reserved.")
    return name


def _check_value(name: str, value: str) -> str:
    value = check_text(name, value, limit=MAX_VALUE).strip(" ")
    if value.isascii() and not _can_fold(value):
        raise HeaderRefused(
            name,
            "too_long",
            f"{name} has a stretch of over {_MAX_WORD} characters that no line of mail can hold.",
        )
    return value


def _can_fold(value: str) -> bool:
    return len(value) <= _MAX_WORD or max(map(len, _WORD.findall(value))) <= _MAX_WORD


def _lines(name: str, value: str) -> Iterable[str]:
    """Fold before a run of spaces only, so that no line consists of spaces (RFC 5322 3.2.2)."""
    first, *words = _WORD.findall(value)
    line = f"{name}: {first}"
    for word in words:
        if len(line) + len(word) > _SOFT_LINE:
            yield line
            line = word
        else:
            line += word
    yield line
