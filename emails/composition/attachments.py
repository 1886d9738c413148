"""Attachments as senders give them: names, types and contents that are safe to pass on. Pure.

Rules of api.md 3.3. A file's content is never looked into: what it claims to be is for scanners to judge.
"""

import binascii
import mimetypes
import re
from collections.abc import Sequence
from urllib.parse import unquote_to_bytes

from emails.composition.envelope import Attachment
from mailgrid.core.encoded_words import is_one_line

MAX_FILENAME = 255
MAX_CONTENT_TYPE = 255
MAX_BYTES = 25 * 1024 * 1024

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


class AttachmentRefused(ValueError):
    """An attachment we do not send; the message is for people."""


def read_attachment(
    *,
    filename: str,
    content: str | Sequence[int],
    content_type: str | None = None,
    content_id: str | None = None,
) -> Attachment:
    """An attachment from what a sender wrote. Raises AttachmentRefused."""
    return Attachment(
        filename=check_filename(filename),
        content_type=check_content_type(content_type, filename=filename),
        content=decode_content(content),
        content_id=None if content_id is None else check_content_id(content_id),
    )


def check_filename(name: str) -> str:
    """A name that every system stores as a file of just this name and kind. Raises AttachmentRefused."""
    if not 1 <= len(name) <= MAX_FILENAME:
        raise AttachmentRefused(f"A file name has 1 to {MAX_FILENAME} characters.")
    if not is_one_line(name) or _DIRECTION.search(name):
        raise AttachmentRefused("A file name must not contain control or direction characters.")
    if _PATH.search(name):
        raise AttachmentRefused("A file name must not contain a path.")
    if name != name.rstrip(". ") or name != name.lstrip(" "):
        raise AttachmentRefused("A file name must not start with a space or end with a space or dot.")
    if _DEVICE.fullmatch(name.partition(".")[0].strip(" ")):
        raise AttachmentRefused(f"{name} is the name of a device.")
    if _extension(name) in BLOCKED_EXTENSIONS:
        raise AttachmentRefused(f"Files ending in .{_extension(name)} are blocked by mail providers.")
    return name


def check_content_type(content_type: str | None, *, filename: str) -> str:
    """The media type (RFC 2045 5.1), by the file's name where none is given. Raises AttachmentRefused.

    A composite type becomes application/octet-stream: it must not travel in base64 (RFC 2045 6.4).
    """
    if content_type is None:
        return _type_of(filename)
    content_type = content_type.strip(" ")
    if len(content_type) > MAX_CONTENT_TYPE or not CONTENT_TYPE.fullmatch(content_type):
        raise AttachmentRefused("content_type must be a media type such as text/csv; charset=utf-8.")
    if not is_one_line(content_type):
        raise AttachmentRefused("content_type contains an encoded word that is not allowed.")
    return _leaf(content_type)


def check_content_id(content_id: str) -> str:
    """What `cid:` links name (RFC 2392), without angle brackets. Raises AttachmentRefused."""
    if not CONTENT_ID.fullmatch(content_id):
        raise AttachmentRefused("content_id has 1 to 128 ASCII letters, digits and . _ - + @ = and the like.")
    return content_id


def decode_content(content: str | Sequence[int]) -> bytes:
    """The file's bytes from base64 (white space allowed), a data URI or a list of integers 0 to 255.

    Raises AttachmentRefused, also for more than MAX_BYTES.
    """
    data = _decode_text(content) if isinstance(content, str) else _decode_integers(content)
    if len(data) > MAX_BYTES:
        raise AttachmentRefused("An attachment has at most 25 MB.")
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
        raise AttachmentRefused("content is not valid base64.") from error


def _decode_integers(content: Sequence[int]) -> bytes:
    try:
        if set(map(type, content)) <= {int}:  # bool is an int to bytes(), but not to us
            return bytes(content)
    except ValueError:
        pass
    raise AttachmentRefused("content must be base64, a data URI or a list of integers from 0 to 255.")


def _extension(name: str) -> str:
    return name.rpartition(".")[2].lower() if "." in name else ""


def _type_of(filename: str) -> str:
    if newer := _NEWER_TYPES.get(_extension(filename)):
        return newer
    guessed, encoding = _TYPES.guess_type(f"file:///{filename}")
    return _DEFAULT_TYPE if guessed is None or encoding else _leaf(guessed)


def _leaf(content_type: str) -> str:
    return _DEFAULT_TYPE if content_type.lower().startswith(("multipart/", "message/")) else content_type
