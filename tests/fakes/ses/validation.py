"""SES's rules for the shape of a send request. A breach is a BadRequestException, wrong JSON types are
a SerializationException.

Source: the SES v2 API reference (SendEmail, EmailContent, MessageHeader, MessageTag, BulkEmailEntry).
"""

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import orjson

from tests.fakes.ses.mail import bare_address
from tests.fakes.ses.refusals import Refusal, bad_request

MAX_RECIPIENTS = 50
MAX_ENTRIES = 50
MAX_HEADERS = 15
MAX_HEADER = 996  # name and value together
MAX_MESSAGE_BYTES = 40 * 1024 * 1024
MAX_TEMPLATE_DATA = 262_144

Document = Mapping[str, Any]
T = TypeVar("T")

_HEADER_NAME = re.compile(r"[!-9;-~]{1,126}")
_HEADER_VALUE = re.compile(r"[ -~]{1,995}")
_TAG = re.compile(r"[A-Za-z0-9_-]{1,256}")
_ADDRESS = re.compile(r"[!-?A-~]+@[A-Za-z0-9.-]+")
_PRINTABLE = re.compile(r"[ -~]*")
_OWN_HEADERS = frozenset(
    {"bcc", "cc", "content-disposition", "content-type", "date", "from", "message-id", "mime-version"}
    | {"reply-to", "return-path", "subject", "to"}
)


def read_document(body: bytes) -> Document:
    """The request's JSON object."""
    try:
        document = orjson.loads(body)
    except ValueError as error:
        raise Refusal(400, "SerializationException", "Request body is not valid JSON.") from error
    if not isinstance(document, dict):
        raise Refusal(400, "SerializationException", "Start of structure or map expected.")
    return document


def optional(document: Document, name: str, kind: type[T]) -> T | None:
    """A member of the type it must have, None when absent or null."""
    value = document.get(name)
    if value is not None and not isinstance(value, kind):
        raise Refusal(400, "SerializationException", f"{name} must be of another type.")
    return value


def required(document: Document, name: str, kind: type[T]) -> T:
    """A member that must be there."""
    value = optional(document, name, kind)
    if value is None:
        raise bad_request(
            f"1 validation error detected: Value at '{name[0].lower()}{name[1:]}' failed to satisfy "
            "constraint: Member must not be null"
        )
    return value


def structures(document: Document, name: str) -> list[Document]:
    """A list of JSON objects, empty when absent."""
    found: list[Any] = optional(document, name, list) or []
    if not all(isinstance(item, dict) for item in found):
        raise Refusal(400, "SerializationException", f"{name} must hold structures.")
    return found


def addresses(document: Document, name: str) -> list[str]:
    """A list of mailboxes, each with an address SES takes; empty when absent."""
    return [mailbox(item) for item in optional(document, name, list) or []]


def mailbox(value: object) -> str:
    """An address, bare or with a display name: 7-bit, since SES has no SMTPUTF8."""
    if not isinstance(value, str):
        raise Refusal(400, "SerializationException", "An address must be a string.")
    if not _PRINTABLE.fullmatch(value):
        raise bad_request("Local address contains control or non-ASCII characters")
    if not _ADDRESS.fullmatch(bare_address(value)):
        raise bad_request("Missing final '@domain'")
    return value


def check_recipient_count(recipients: Sequence[str]) -> None:
    """1 to 50 in one call."""
    if not recipients:
        raise bad_request("Destination must contain at least one recipient.")
    if len(recipients) > MAX_RECIPIENTS:
        raise bad_request(f"Recipient count exceeds {MAX_RECIPIENTS}.")


def tags(document: Document, name: str) -> dict[str, str]:
    """Message tags by name: ASCII letters, digits, `_` and `-`, 256 at most."""
    found = {}
    for tag in structures(document, name):
        key, value = required(tag, "Name", str), required(tag, "Value", str)
        if not (_TAG.fullmatch(key) and _TAG.fullmatch(value)):
            raise bad_request(f"Invalid tag {key!r}: use ASCII letters, numbers, underscores and dashes.")
        if key in found:
            raise bad_request(f"Duplicate tag name: {key}")
        found[key] = value
    return found


def headers(document: Document, name: str = "Headers") -> list[tuple[str, str]]:
    """Custom headers: 15 at most, printable ASCII, none that SES writes itself."""
    found = [
        (required(item, "Name", str), required(item, "Value", str)) for item in structures(document, name)
    ]
    if len(found) > MAX_HEADERS:
        raise bad_request(f"Header count exceeds {MAX_HEADERS}.")
    for key, value in found:
        if not _HEADER_NAME.fullmatch(key) or not _HEADER_VALUE.fullmatch(value):
            raise bad_request(f"Invalid header: {key!r}")
        if len(key) + len(value) > MAX_HEADER:
            raise bad_request(f"Header {key} exceeds {MAX_HEADER} characters.")
        if key.lower() in _OWN_HEADERS:
            raise bad_request(f"Header {key} is not allowed here.")
    return found


def blob(document: Document, name: str) -> bytes:
    """Bytes in base64; 40 MB at most *with* that encoding, as SES counts."""
    encoded = required(document, name, str)
    if len(encoded) > MAX_MESSAGE_BYTES:
        raise bad_request(f"Message length is more than {MAX_MESSAGE_BYTES} bytes long: {len(encoded)}.")
    try:
        return base64.b64decode(encoded, validate=True)
    except binascii.Error as error:
        raise Refusal(400, "SerializationException", f"{name} is not base64.") from error


def check_attachments(content: Document) -> None:
    """Each has a name and bytes."""
    for attachment in structures(content, "Attachments"):
        required(attachment, "FileName", str)
        blob(attachment, "RawContent")


def template_data(document: Document, name: str) -> dict[str, Any]:
    """The JSON object in a string of at most 262,144 characters; an empty one when it is absent."""
    data = optional(document, name, str)
    if data is None:
        return {}
    if len(data) > MAX_TEMPLATE_DATA:
        raise bad_request(f"Template data exceeds {MAX_TEMPLATE_DATA} characters.")
    try:
        values = orjson.loads(data)
    except ValueError:
        values = None
    if not isinstance(values, dict):
        raise bad_request("Template data must be a JSON object.")
    return values
