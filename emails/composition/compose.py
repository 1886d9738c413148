"""The finished mail, written directly and then read back. Pure.

RFC 5322 (fields), 2045 to 2047 (MIME), 2183 and 2231 (file names), 2387 (related), 2392 (content ids). The
standard library takes a hundred times as long and, up to CPython 3.11.9, let values add fields
(CVE-2024-6923): here every field goes through one gate, and `verify` looks at the bytes that leave.
"""

import re
from binascii import b2a_base64, b2a_qp
from collections.abc import Iterable, Iterator
from email import message_from_bytes
from itertools import count
from urllib.parse import quote

from emails.composition.envelope import Attachment, Envelope
from emails.composition.headers import MAX_LINE, HeaderRefused, encode_value, fold, is_reserved, sendable
from mailgrid.core.addresses import InvalidAddress, Mailbox
from mailgrid.core.encoded_words import is_one_line
from mailgrid.core.files import CONTENT_ID, CONTENT_TYPE

# "=_" stands in no quoted-printable line and "-" in no base64 (RFC 2045 6.7): only 7bit text can hold it.
_BOUNDARY = "=_mg_"
_BOUNDARY_LINE = re.compile(rb"\r\n--%s([0-9a-f]{32})_(\d+)(--)?(?=\r\n)" % _BOUNDARY.encode())
_SAME_ID = b"0" * 32
_LINE_OCTETS = 57  # 76 columns of base64
_BLOCK_OCTETS = 57 * 1_024
# Up to 60 characters on a line (RFC 2231 3); readers decode each line by itself.
_NAME_PIECE = re.compile(r"(?:%[0-9A-F]{2}|[^%]){1,20}")
_QUOTABLE = re.compile(r"[ -~]{1,255}")

_BASE64_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=\r\n"
_BASE64_FIELD = b"\r\nContent-Transfer-Encoding: base64\r\n"
_FIELD_LINE = re.compile(r"([A-Za-z0-9-]+): [ -~]*")
_FOLDED_LINE = re.compile(r" +[!-~][ -~]*")

_Chunks = list[bytes]
_Blocks = list[tuple[int, int, int]]
_Outline = list[list[str]]  # the names of the fields of each part, in the order in which parts begin


class UnsafeMessage(ValueError):
    """The mail has, or would have, other fields than its envelope says. It must not leave."""


def compose(envelope: Envelope, *, date: str | None = None) -> bytes:
    """The whole mail with CRLF line ends; equal envelopes give equal bytes.

    Bcc is left out, and so is Date unless given (RFC 5322 3.3): SES adds it. Raises UnsafeMessage for values
    that the check functions of this slice would have refused.
    """
    try:
        fields = "".join(_fields(envelope, date)).encode("ascii")
        return b"".join([fields, *_content(envelope)])
    except (InvalidAddress, HeaderRefused, UnicodeError) as error:
        raise UnsafeMessage(str(error)) from error


def verify(raw: bytes, envelope: Envelope, *, date: str | None = None) -> None:
    """Read the mail back, by our own reader and by the standard library's, and compare its fields.

    Raises UnsafeMessage unless both find exactly the fields that the envelope calls for, in every part.
    """
    expected = _expected(envelope, date)
    blocks = list(_blocks(raw, envelope))
    if _read_strictly(raw, blocks) != expected:
        raise UnsafeMessage("The composed mail has other fields than its envelope.")
    if _read_by_library(raw, blocks, envelope) != expected:
        raise UnsafeMessage("The composed mail is read differently by the standard library.")


def is_seven_bit(text: str) -> bool:
    """Whether text with line ends `\\n` can go out as it is (RFC 2045 2.7) and not look like a boundary."""
    return (
        text.isascii()
        and "\0" not in text
        and "--" + _BOUNDARY not in text
        and (len(text) <= MAX_LINE or max(map(len, text.split("\n"))) <= MAX_LINE)
    )


def with_newlines(text: str) -> str:
    """The text with every line end a `\\n`."""
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def base64_size(octets: int) -> int:
    """How many bytes that many octets are in base64 at 76 columns, with all line ends."""
    return 4 * -(-octets // 3) + 2 * -(-octets // _LINE_OCTETS)


def _fields(envelope: Envelope, date: str | None) -> Iterator[str]:
    yield fold("From", str(envelope.sender))
    for name, mailboxes in _mailbox_fields(envelope):
        yield fold(name, ", ".join(map(str, mailboxes)))
    yield fold("Subject", _safe_value(envelope.subject))
    if date is not None:
        yield fold("Date", _safe_value(date))
    # Never folded: readers that compare ids do not unfold them all alike.
    yield f"Message-ID: {envelope.message_id}\r\n"
    for name, value in sendable(envelope.headers):
        if is_reserved(name):
            raise UnsafeMessage(f"The header {name} is reserved.")
        yield fold(name, _safe_value(value))
    yield "MIME-Version: 1.0\r\n"


def _mailbox_fields(envelope: Envelope) -> Iterator[tuple[str, tuple[Mailbox, ...]]]:
    everything = (("To", envelope.to_field), ("Cc", envelope.cc_field), ("Reply-To", envelope.reply_to))
    return ((name, mailboxes) for name, mailboxes in everything if mailboxes)


def _safe_value(text: str) -> str:
    if not is_one_line(text):
        raise UnsafeMessage("A value contains a control character or an encoded word that is not allowed.")
    return encode_value(text)


def _content(envelope: Envelope) -> _Chunks:
    """The mail's content: mixed(related(alternative(text, html), inline files), files), where needed."""
    boundaries = (f"{_BOUNDARY}{envelope.delivery_id.hex}_{number}" for number in count(1))
    inline, files = _split(envelope)
    kind, content = _body(envelope, boundaries)
    if inline:
        content = _multipart(f'related; type="{kind}"', [content, *map(_file, inline)], next(boundaries))
    if files:
        content = _multipart("mixed", [content, *map(_file, files)], next(boundaries))
    return content


def _split(envelope: Envelope) -> tuple[list[Attachment], list[Attachment]]:
    """Files that the HTML refers to, and the others."""
    if envelope.html is None:
        return [], list(envelope.attachments)
    inline = [attachment for attachment in envelope.attachments if attachment.content_id is not None]
    return inline, [attachment for attachment in envelope.attachments if attachment.content_id is None]


def _body(envelope: Envelope, boundaries: Iterator[str]) -> tuple[str, _Chunks]:
    if envelope.html is None:
        return "text/plain", _text("plain", envelope.text or "")
    if envelope.text is None:
        return "text/html", _text("html", envelope.html)
    both = [_text("plain", envelope.text), _text("html", envelope.html)]
    return "multipart/alternative", _multipart("alternative", both, next(boundaries))


def _multipart(kind: str, parts: Iterable[_Chunks], boundary: str) -> _Chunks:
    chunks = [f'Content-Type: multipart/{kind};\r\n boundary="{boundary}"\r\n'.encode()]
    for part in parts:
        chunks += (f"\r\n--{boundary}\r\n".encode(), *part)
    chunks.append(f"\r\n--{boundary}--\r\n".encode())
    return chunks


def _text(subtype: str, text: str) -> _Chunks:
    encoding, octets = _transfer(with_newlines(text))
    fields = f"Content-Type: text/{subtype}; charset=utf-8\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n"
    return [fields.encode(), octets, b"" if octets.endswith(b"\r\n") else b"\r\n"]


def _transfer(text: str) -> tuple[str, bytes]:
    """The shortest of the encodings that carry the text (RFC 2045 6)."""
    if is_seven_bit(text):
        return "7bit", text.replace("\n", "\r\n").encode()
    octets = text.encode()
    wire = octets.replace(b"\n", b"\r\n")
    # A cheap first look: where a sixth is beyond ASCII, quoted-printable is longer.
    if 6 * (len(octets) - len(text)) <= len(octets):
        quoted = b2a_qp(octets).replace(b"\n", b"\r\n")
        if len(quoted) <= base64_size(len(wire)):
            return "quoted-printable", quoted
    return "base64", b"\r\n".join(_base64_lines(wire))


def _file(attachment: Attachment) -> _Chunks:
    fields = "".join(_file_fields(attachment)).encode("ascii")
    lines = b"\r\n".join(_base64_lines(attachment.content))
    return [fields, _BASE64_FIELD[2:], b"\r\n", lines, b"\r\n"]


def _file_fields(attachment: Attachment) -> Iterator[str]:
    kind, content_id = attachment.content_type, attachment.content_id
    if not CONTENT_TYPE.fullmatch(kind) or not is_one_line(kind) or not is_one_line(attachment.filename):
        raise UnsafeMessage("An attachment's type or name cannot be written.")
    yield f"Content-Type: {kind}\r\n"
    yield f"Content-Disposition: {'attachment' if content_id is None else 'inline'}"
    yield from _file_name(attachment.filename)
    if content_id is not None:
        if not CONTENT_ID.fullmatch(content_id):
            raise UnsafeMessage("An attachment's content id cannot be written.")
        yield f"Content-ID: <{content_id}>\r\n"


def _file_name(name: str) -> Iterator[str]:
    """The parameter `filename` (RFC 2183 2.3), in pieces on lines of their own beyond ASCII (RFC 2231 3)."""
    if _QUOTABLE.fullmatch(name) and "=?" not in name:
        escaped = name.replace("\\", r"\\").replace('"', r"\"")
        yield f';\r\n filename="{escaped}"\r\n'
        return
    first, *others = _NAME_PIECE.findall(quote(name, safe="")) or [""]
    yield f";\r\n filename*{'0*' if others else ''}=utf-8''{first}"
    yield from (f";\r\n filename*{number}*={piece}" for number, piece in enumerate(others, 1))
    yield "\r\n"


def _base64_lines(octets: bytes) -> Iterator[bytes]:
    """Blocks of lines of 76 columns: a line at a time costs five times as much memory for a large file."""
    for start in range(0, len(octets), _BLOCK_OCTETS):
        encoded = b2a_base64(octets[start : start + _BLOCK_OCTETS], newline=False)
        yield b"\r\n".join([encoded[column : column + 76] for column in range(0, len(encoded), 76)])


def _expected(envelope: Envelope, date: str | None) -> _Outline:
    """What a reader must find; made from the envelope alone, not from what was written."""
    text, multipart = ["Content-Type", "Content-Transfer-Encoding"], ["Content-Type"]
    inline, files = _split(envelope)
    parts = [text]
    if envelope.html is not None and envelope.text is not None:
        parts = [multipart, text, text]
    for some in (inline, files):
        if some:
            parts = [multipart, *parts, *map(_expected_of_file, some)]
    return [[*_expected_of_mail(envelope, date), *parts[0]], *parts[1:]]


def _expected_of_mail(envelope: Envelope, date: str | None) -> list[str]:
    names = ["From", *(name for name, _ in _mailbox_fields(envelope)), "Subject"]
    names += ["Message-ID"] if date is None else ["Date", "Message-ID"]
    return [*names, *(name for name, _ in sendable(envelope.headers)), "MIME-Version"]


def _expected_of_file(attachment: Attachment) -> list[str]:
    content_id = [] if attachment.content_id is None else ["Content-ID"]
    return ["Content-Type", "Content-Disposition", *content_id, "Content-Transfer-Encoding"]


def _read_strictly(raw: bytes, blocks: _Blocks) -> _Outline:
    return [_names(raw[start:end]) for start, end, _ in blocks]


def _names(block: bytes) -> list[str]:
    """The names of a block of fields, each of whose lines must be one that we write."""
    names: list[str] = []
    for line in block.decode("ascii", "replace").split("\r\n"):
        field = _FIELD_LINE.fullmatch(line)
        if len(line) > MAX_LINE or not (field or (names and _FOLDED_LINE.fullmatch(line))):
            raise UnsafeMessage("The composed mail has a malformed header line.")
        if field:
            names.append(field[1])
    if b"=?" in block and not is_one_line(block.decode("ascii", "replace").replace("\r\n", "")):
        raise UnsafeMessage("The composed mail hides a control character in an encoded word.")
    return names


def _read_by_library(raw: bytes, blocks: _Blocks, envelope: Envelope) -> _Outline:
    """What the standard library finds, once base64 that cannot be anything else is taken out.

    Without that, reading 40 MB would need several times as much memory. Boundaries have the same id in all mails: the
    library compiles an expression for each that it has not met, which is half of its work.
    """
    pieces, done = [], 0
    for start, end, following in blocks:
        pieces.append(raw[done : end + 4])
        done = end + 4
        if _BASE64_FIELD in raw[start : end + 2] and _is_base64(raw, done, following):
            done = following
    own = envelope.delivery_id.hex.encode()
    message = message_from_bytes(b"".join([*pieces, raw[done:]]).replace(own, _SAME_ID))
    parts = list(message.walk())
    if any(part.defects for part in parts):
        raise UnsafeMessage("The composed mail has defects.")
    return [part.keys() for part in parts]


def _is_base64(raw: bytes, start: int, end: int) -> bool:
    blocks = (raw[at : min(at + _BLOCK_OCTETS, end)] for at in range(start, end, _BLOCK_OCTETS))
    return not any(block.translate(None, _BASE64_ALPHABET) for block in blocks)


def _blocks(raw: bytes, envelope: Envelope) -> Iterator[tuple[int, int, int]]:
    """Start and end of each part's fields, without the empty line, and where the next boundary stands."""
    own = envelope.delivery_id.hex.encode()
    marks = [mark for mark in _BOUNDARY_LINE.finditer(raw) if mark[1] == own]
    if sum(mark[3] is not None for mark in marks) != len({mark[2] for mark in marks}):
        raise UnsafeMessage("The composed mail has a boundary too many.")
    starts = [0, *(mark.end() + 2 for mark in marks)]
    ends = [*(mark.start() for mark in marks), len(raw)]
    closing = [False, *(mark[3] is not None for mark in marks)]
    for start, following, is_close in zip(starts, ends, closing, strict=True):
        if is_close:
            continue
        end = raw.find(b"\r\n\r\n", start)
        if end < 0:
            raise UnsafeMessage("The composed mail has a part without a body.")
        yield start, end, following
