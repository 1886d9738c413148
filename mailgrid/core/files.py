"""Files as people hand them over: names, types and contents that are safe to pass on. Pure.

The rules are the same for attachments of mail and for uploaded files (docs/api.md). What a file claims to be is not
compared with what it is: that is for scanners to judge.
"""

import binascii
import hashlib
import mimetypes
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from io import BytesIO
from typing import BinaryIO
from urllib.parse import unquote_to_bytes

import filetype

from mailgrid.core.encoded_words import is_one_line

MAX_FILENAME = 255
MAX_CONTENT_TYPE = 255
MAX_BYTES = 25 * 1024 * 1024
TOO_LARGE = "A file has at most 25 MB."
SNIFFED_BYTES = 8 * 1024  # from the beginning: where a format says what it is

# "Amazon SES unsupported attachment types", https://docs.aws.amazon.com/ses/latest/dg/mime-types.html
BLOCKED_EXTENSIONS = frozenset(
    """
    ade adp app asp bas bat cer chm cmd com cpl crt csh der exe fxp gadget hlp hta inf ins isp its
    js jse ksh lib lnk mad maf mag mam maq mar mas mat mau mav maw mda mdb mde mdt mdw mdz msc msh
    msh1 msh2 mshxml msh1xml msh2xml msi msp mst ops pcd pif plg prf prg reg scf scr sct shb shs sys
    ps1 ps1xml ps2 ps2xml psc1 psc2 tmp url vb vbe vbs vps vsmacros vss vst vsw vxd ws wsc wsf wsh
    xnk
    """.split()  # noqa: SIM905 - a list of ninety quoted words is harder to read
)

CONTENT_ID = re.compile(r"[A-Za-z0-9!#$%&'*+/=^_{|}~.@-]{1,128}")
_WORD = r"[A-Za-z0-9!#$%&'*+.^_`{|}~-]+"
CONTENT_TYPE = re.compile(rf'{_WORD}/{_WORD}(?: ?; ?{_WORD}=(?:{_WORD}|"[ !#-\[\]-~]*"))*')

# "Naming Files, Paths, and Namespaces", Microsoft Learn: a device whatever extension follows.
_DEVICE = re.compile(r"(?:con|prn|aux|nul|conin\$|conout\$|clock\$|com[0-9¹²³]|lpt[0-9¹²³])", re.IGNORECASE)
_PATH = re.compile(r"[/\\]|^[A-Za-z]:|^\.{1,2}$")
_DIRECTION = re.compile("[\u202a-\u202e\u2066-\u2069]")  # shows "gpj.exe" as "exe.jpg"
_DATA_URI = re.compile(r"data:[^,]{0,255},", re.IGNORECASE)
_SPACE = str.maketrans("", "", " \t\r\n")

_DEFAULT_TYPE = "application/octet-stream"
# A table of our own, so that the machine's /etc/mime.types cannot change what is sent.
_TYPES = mimetypes.MimeTypes()
_NEWER_TYPES = {
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "gz": "application/gzip",
    "ics": "text/calendar",
    "md": "text/markdown",
    "pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "webp": "image/webp",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


class FileRefused(ValueError):
    """A file we do not take; the message is for people."""


def check_filename(name: str) -> str:
    """A name that every system stores as a file of just this name and kind. Raises FileRefused."""
    if not 1 <= len(name) <= MAX_FILENAME:
        raise FileRefused(f"A file name has 1 to {MAX_FILENAME} characters.")
    if not is_one_line(name) or _DIRECTION.search(name):
        raise FileRefused("A file name must not contain control or direction characters.")
    if _PATH.search(name):
        raise FileRefused("A file name must not contain a path.")
    if name != name.rstrip(". ") or name != name.lstrip(" "):
        raise FileRefused("A file name must not start with a space or end with a space or dot.")
    if _DEVICE.fullmatch(name.partition(".")[0].strip(" ")):
        raise FileRefused(f"{name} is the name of a device.")
    if _extension(name) in BLOCKED_EXTENSIONS:
        raise FileRefused(f"Files ending in .{_extension(name)} are blocked by mail providers.")
    return name


def check_content_type(content_type: str | None, *, filename: str) -> str:
    """The media type (RFC 2045 5.1), by the file's name where none is given. Raises FileRefused.

    A composite type becomes application/octet-stream: it must not travel in base64 (RFC 2045 6.4).
    """
    if content_type is None:
        return _type_of(filename)
    content_type = content_type.strip(" ")
    if len(content_type) > MAX_CONTENT_TYPE or not CONTENT_TYPE.fullmatch(content_type):
        raise FileRefused("content_type must be a media type such as text/csv; charset=utf-8.")
    if not is_one_line(content_type):
        raise FileRefused("content_type contains an encoded word that is not allowed.")
    return _leaf(content_type)


def type_of(content_type: str | None, *, filename: str, beginning: bytes) -> str:
    """The media type that was given, else that of the name, else that of the first `SNIFFED_BYTES`.

    Raises FileRefused.
    """
    found = check_content_type(content_type, filename=filename)
    if content_type is not None or found != _DEFAULT_TYPE:
        return found
    return filetype.guess_mime(beginning) or _DEFAULT_TYPE


def check_content_id(content_id: str) -> str:
    """What `cid:` links name (RFC 2392), without angle brackets. Raises FileRefused."""
    if not CONTENT_ID.fullmatch(content_id):
        raise FileRefused("content_id has 1 to 128 ASCII letters, digits and . _ - + @ = and the like.")
    return content_id


def decode_content(content: str | Sequence[int]) -> bytes:
    """The file's bytes from base64 (white space allowed), a data URI or a list of integers 0 to 255.

    Raises FileRefused, also for more than MAX_BYTES.
    """
    data = _decode_text(content) if isinstance(content, str) else _decode_integers(content)
    if len(data) > MAX_BYTES:
        raise FileRefused(TOO_LARGE)
    return data


def _decode_text(content: str) -> bytes:
    if found := _DATA_URI.match(content):
        payload = content[found.end() :]
        if not found[0].lower().endswith(";base64,"):
            return unquote_to_bytes(payload)
        content = payload
    try:
        return binascii.a2b_base64(content.translate(_SPACE), strict_mode=True)
    except ValueError as error:
        raise FileRefused("content is not valid base64.") from error


def _decode_integers(content: Sequence[int]) -> bytes:
    try:
        if set(map(type, content)) <= {int}:  # bool is an int to bytes(), but not to us
            return bytes(content)
    except ValueError:
        pass
    raise FileRefused("content must be base64, a data URI or a list of integers from 0 to 255.")


def _extension(name: str) -> str:
    return name.rpartition(".")[2].lower() if "." in name else ""


def _type_of(filename: str) -> str:
    if newer := _NEWER_TYPES.get(_extension(filename)):
        return newer
    guessed, encoding = _TYPES.guess_type(f"file:///{filename}")
    return _DEFAULT_TYPE if guessed is None or encoding else _leaf(guessed)


def _leaf(content_type: str) -> str:
    return _DEFAULT_TYPE if content_type.lower().startswith(("multipart/", "message/")) else content_type


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A file as it came in: open at its beginning, with its size in bytes and its SHA-256 in hexadecimal.

    `beginning` is what its type is told from.
    """

    content: BinaryIO = field(repr=False)
    size: int
    digest: str
    beginning: bytes = field(repr=False)

    @classmethod
    def of(cls, content: bytes) -> "Received":
        """Bytes that are in memory anyway."""
        digest = hashlib.sha256(content).hexdigest()
        return cls(
            content=BytesIO(content), size=len(content), digest=digest, beginning=content[:SNIFFED_BYTES]
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A file as it lies in the blob store: what whoever downloads it gets. `size` is in bytes."""

    filename: str
    content_type: str
    size: int
    blob: str
