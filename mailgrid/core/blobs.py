"""Content-addressed bytes: attachments and large bodies, stored once under their SHA-256.

A blob is on disk, fsynced together with its directory, before the row that names it commits. Nothing is ever
overwritten: equal name means equal bytes.
"""

import hashlib
import os
from datetime import datetime
from pathlib import Path
from typing import Any, cast
from uuid import UUID

from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, storages

from mailgrid.core.errors import Unavailable
from mailgrid.core.logging import get_logger

log = get_logger(__name__)


class BlobMissing(Exception):
    """A row names bytes that the store does not have."""


class DurableFileStorage(FileSystemStorage):
    """Django's file storage, with an fsync of the file and of its directory."""

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

    def touch(self, name: str) -> None:
        """Say that the bytes are wanted; raises FileNotFoundError when they are gone."""
        path = Path(self.path(name))
        os.utime(path)
        _fsync_folders(path)  # whoever stored it a moment ago may not have come so far

    def discard_untouched(self, name: str, *, since: float) -> bool:
        """Delete bytes nobody wanted since then (seconds of the epoch), even while somebody is about to want them.

        The file is moved aside before its age is read: who comes later does not find it and stores it anew.
        """
        path = Path(self.path(name))
        aside = path.with_name(f".{path.name}.discarded")
        try:
            if path.stat().st_mtime >= since:  # wanted: it stays where readers look
                return False
            path.rename(aside)
        except FileNotFoundError:
            return False
        if aside.stat().st_mtime >= since:
            aside.rename(path)
            return False
        aside.unlink()
        return True


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


def _store() -> DurableFileStorage:
    return cast(DurableFileStorage, storages["blobs"])


def put(tenant_id: UUID, content: bytes) -> str:
    """Store bytes of a tenant and return their reference. Equal bytes of one tenant are stored once.

    Raises `Unavailable` when they cannot be made durable.
    """
    digest = hashlib.sha256(content).hexdigest()
    reference = f"{tenant_id.hex}/{digest[:2]}/{digest}"
    try:
        _touch_or_save(reference, content)
    except OSError as error:
        log.error("core.blobs.not_kept", error=str(error))
        raise Unavailable("Attachments and large bodies cannot be kept right now.") from error
    return reference


def _touch_or_save(reference: str, content: bytes) -> None:
    try:
        _store().touch(reference)
    except FileNotFoundError:
        # Equal name, equal bytes: no other name is looked for.
        _store()._save(reference, ContentFile(content))


def get(reference: str) -> bytes:
    """The bytes; raises `BlobMissing`."""
    try:
        with _store().open(reference) as file:
            return bytes(file.read())
    except FileNotFoundError:
        raise BlobMissing(reference) from None


def discard(reference: str, *, untouched_since: datetime) -> bool:
    """Delete bytes that no row names and nobody has stored again since then; whether it did."""
    return _store().discard_untouched(reference, since=untouched_since.timestamp())
