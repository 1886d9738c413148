"""The ground truth: one line for every mail this server took, written before it answers."""

import json
import os
import tempfile
from base64 import b64decode, b64encode
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Accept:
    """One mail that was taken: its envelope, its bytes without the doubled dots, and how it was answered.

    `time` is in seconds since 1970, `connection` the number of the session, `user` who had logged in, `answer` the
    fault that struck the answer, `ok` without one.
    """

    queue_id: str
    sender: str
    recipients: list[str]
    message_id: str
    content: bytes
    size: int
    time: float
    connection: int
    encrypted: bool
    user: str
    answer: str

    def as_line(self) -> bytes:
        document = {name: getattr(self, name) for name in self.__slots__}
        document["content"] = b64encode(self.content).decode()
        return json.dumps(document).encode() + b"\n"

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> "Accept":
        return cls(**(document | {"content": b64decode(document["content"])}))


class Journal:
    """JSON lines in a file; appended to where it exists, so it outlives a killed process."""

    def __init__(self, path: Path | None = None, *, fsync: bool = False) -> None:
        self._fsync = fsync
        self._file = _open(path) if path is not None else _open_nameless()

    def append(self, accept: Accept) -> None:
        """Write one line in one go, durably where asked for."""
        os.write(self._file, accept.as_line())
        if self._fsync:
            os.fsync(self._file)

    def documents(self) -> list[dict[str, Any]]:
        """All lines so far."""
        lines = os.pread(self._file, os.fstat(self._file).st_size, 0)
        return [json.loads(line) for line in lines.splitlines()]

    def clear(self) -> None:
        os.ftruncate(self._file, 0)

    def close(self) -> None:
        os.close(self._file)


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)


def _open_nameless() -> int:
    """A file that goes away with its descriptor."""
    with tempfile.TemporaryDirectory(prefix="fake-smtp-") as directory:
        return _open(Path(directory) / "journal")
