"""The ground truth: one line for every mail this SES took, written before it answers."""

import os
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path

import orjson

from tests.fakes.ses.mail import Mail


@dataclass(frozen=True, slots=True, kw_only=True)
class Accept:
    """One accepted mail: which attempt it was (tags `mg_d`, `mg_f`; None without them) and how SES answered.

    `time` is in seconds since 1970; `answer` is the fault that struck the answer, `ok` without one.
    """

    delivery: str | None
    fence: str | None
    ses_id: str
    time: float
    kind: str
    recipients: list[str]
    configuration_set: str
    access_key: str
    answer: str

    @classmethod
    def of(cls, mail: Mail, *, answer: str) -> "Accept":
        return cls(
            delivery=mail.tags.get("mg_d"),
            fence=mail.tags.get("mg_f"),
            ses_id=mail.ses_id,
            time=mail.accepted_at.timestamp(),
            kind=mail.kind,
            recipients=mail.destination,
            configuration_set=mail.configuration_set,
            access_key=mail.access_key,
            answer=answer,
        )


class Journal:
    """JSON lines in a file; appended to where it exists, so it outlives a killed process."""

    def __init__(self, path: Path | None = None, *, fsync: bool = False) -> None:
        self._fsync = fsync
        self._lock = threading.Lock()
        self._file = _open(path) if path is not None else _open_nameless()

    def append(self, accepts: list[Accept]) -> None:
        """Write the accepts of one request in one go, durably where asked for."""
        lines = b"".join(orjson.dumps(accept, option=orjson.OPT_APPEND_NEWLINE) for accept in accepts)
        with self._lock:
            os.write(self._file, lines)
            if self._fsync:
                os.fsync(self._file)

    def read(self) -> bytes:
        """All lines so far."""
        return os.pread(self._file, os.fstat(self._file).st_size, 0)

    def clear(self) -> None:
        os.ftruncate(self._file, 0)

    def close(self) -> None:
        os.close(self._file)


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)


def _open_nameless() -> int:
    """A file that goes away with its descriptor."""
    with tempfile.TemporaryDirectory(prefix="fake-ses-") as directory:
        return _open(Path(directory) / "journal")
