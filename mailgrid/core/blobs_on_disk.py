"""Blobs in a folder: `<tenant>/<two digits>/<digest>`, each fsynced with the folders that name it."""

import os
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from django.core.files import File
from django.core.files.storage import FileSystemStorage

from mailgrid.core.blobs import Stored


class DurableFileStorage(FileSystemStorage):
    """Django's file storage, with an fsync of the file and of its folders."""

    def keep(self, name: str, content: BinaryIO) -> None:
        """See `BlobStorage`. Bytes that are there become young again."""
        path = Path(self.path(name))
        try:
            os.utime(path)
        except FileNotFoundError:
            self._save(name, File(content))
        else:
            _fsync_folders(path)  # whoever stored it a moment ago may not have come so far

    def _save(self, name: str, content: Any) -> str:
        target = Path(self.path(name))
        target.parent.mkdir(parents=True, exist_ok=True)
        scratch = target.with_name(f".{target.name}.{os.getpid()}.{id(content)}")
        with scratch.open("wb") as file:
            for chunk in content.chunks():
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        scratch.replace(target)
        _fsync_folders(target)
        return name

    def listed(self, *, after: str, limit: int) -> list[Stored]:
        """See `BlobStorage`. What a crashed writer left half done is listed too."""
        return list(islice(self._found(after), limit))

    def _found(self, after: str) -> Iterator[Stored]:
        for path in _files(Path(self.location), "", after):
            with suppress(FileNotFoundError):  # moved or deleted meanwhile
                modified = datetime.fromtimestamp(path.stat().st_mtime, UTC)
                yield Stored(str(path.relative_to(self.location)), modified)

    def move(self, name: str, to: str) -> None:
        """See `BlobStorage`."""
        source, target = Path(self.path(name)), Path(self.path(to))
        target.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):
            os.utime(source)
            source.replace(target)
            _fsync_folders(target)

    def delete(self, name: str) -> None:
        """See `BlobStorage`."""
        Path(self.path(name)).unlink(missing_ok=True)


def _files(folder: Path, prefix: str, after: str) -> Iterator[Path]:
    """The files below a folder, in the alphabetical order of their whole names, from the first one behind `after`."""
    entries = sorted(
        (f"{prefix}{entry.name}{'/' if entry.is_dir() else ''}", entry.path) for entry in _scan(folder)
    )
    for name, path in entries:
        if not name.endswith("/"):
            if name > after:
                yield Path(path)
        elif name > after or after.startswith(name):
            yield from _files(Path(path), name, after)


def _scan(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except FileNotFoundError:  # nothing was ever stored
        return []


def _fsync_folders(target: Path) -> None:
    """The folder of a blob, its tenant's, and the store's own: each holds the name of the next."""
    for folder in list(target.parents)[:3]:
        _fsync_folder(folder)


def _fsync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
