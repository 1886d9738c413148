"""One uploaded file and the fields beside it (RFC 7578), read piece by piece: no upload is in memory as a whole."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from tempfile import SpooledTemporaryFile
from typing import Any, BinaryIO, Final, cast

from django.core.exceptions import SuspiciousOperation
from django.core.files.uploadhandler import FileUploadHandler
from django.http.multipartparser import MultiPartParser, MultiPartParserError

from mailgrid.core.errors import Invalid, MailgridError
from mailgrid.core.files import SNIFFED_BYTES, Received
from mailgrid.http.errors import TooLarge, Unreadable, UnsupportedMediaType

FIELD: Final = "file"
_IN_MEMORY: Final = 1024 * 1024  # bytes; what is larger waits on disk


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """The text fields, each given once, and the file with the name it was sent under; None where there was none."""

    fields: dict[str, str]
    filename: str
    file: Received | None


def is_multipart(request: Any) -> bool:
    """Whether the body says that it is a form with files."""
    media_type: str = request.META.get("CONTENT_TYPE") or ""
    return media_type.partition(";")[0].strip().lower() == "multipart/form-data"


@contextmanager
def read_multipart(
    request: Any, *, limit: int, file_limit: int, too_large: MailgridError
) -> Iterator[Upload]:
    """The form, of at most `limit` bytes in all; its file is closed afterwards.

    Raises `too_large` for a file over `file_limit`, `TooLarge`, `UnsupportedMediaType`, `Unreadable`, or `Invalid` for
    a file under another name than `file`.
    """
    if request.META.get("HTTP_CONTENT_ENCODING", "identity").lower() not in {"", "identity"}:
        raise UnsupportedMediaType("Compressed request bodies are not accepted.")
    if int(request.META.get("CONTENT_LENGTH") or 0) > limit:
        raise TooLarge(f"The body may have at most {limit:,} bytes here.")
    receiver = _Receiver(file_limit, too_large)
    try:
        fields = _parsed(request, receiver)
        yield Upload(fields=fields, filename=receiver.filename, file=receiver.received)
    finally:
        receiver.close()


def _parsed(request: Any, receiver: "_Receiver") -> dict[str, str]:
    try:
        fields, _ = MultiPartParser(request.META, request, [receiver], "utf-8").parse()
    except (MultiPartParserError, SuspiciousOperation):
        raise Unreadable("The body is not a form that can be read.") from None
    if twice := [name for name, values in fields.lists() if len(values) > 1]:
        raise Unreadable(f"The form has the field {twice[0]} twice.")
    return cast(dict[str, str], fields.dict())


class _Receiver(FileUploadHandler):
    """Takes one file, hashed as it comes."""

    def __init__(self, limit: int, too_large: MailgridError) -> None:
        super().__init__()
        self.filename = ""
        self.received: Received | None = None
        self._limit = limit
        self._too_large = too_large
        self._file: Any = None
        self._digest = hashlib.sha256()
        self._size = 0
        self._beginning = b""

    def new_file(self, field_name: str, file_name: str, *args: Any, **kwargs: Any) -> None:
        if field_name != FIELD:
            raise Invalid.field(field_name, "unknown_field", f"Send the file in the field {FIELD}.")
        if self._file is not None:
            raise Unreadable("The form has more than one file.")
        self.filename = file_name
        self._file = SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 - closed by `close`

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        self._size += len(raw_data)
        if self._size > self._limit:
            raise self._too_large
        if len(self._beginning) < SNIFFED_BYTES:
            self._beginning += raw_data[: SNIFFED_BYTES - len(self._beginning)]
        self._digest.update(raw_data)
        self._file.write(raw_data)

    def file_complete(self, file_size: int) -> None:
        self._file.seek(0)
        self.received = Received(
            content=cast(BinaryIO, self._file),
            size=self._size,
            digest=self._digest.hexdigest(),
            beginning=self._beginning,
        )

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()
