"""Content-addressed bytes: attachments, files and large bodies, stored once per tenant under their SHA-256.

A blob is durable before the row that names it commits. Nothing is ever overwritten: equal name means equal bytes. Where
they lie is Django's storage `blobs`: a folder (`blobs_on_disk`) or S3 (`blobs_in_s3`).

Bytes that no row names any more go in two steps (`orphans`): they are moved aside, where readers still find them, and
deleted a day later if still no row names them. So a row that commits while its bytes are swept loses nothing, and the
stores need no locks.
"""

import hashlib
from datetime import datetime
from io import BytesIO
from typing import BinaryIO, Final, NamedTuple, Protocol, cast
from uuid import UUID

from django.core.files.storage import storages

from mailgrid.core.errors import Unavailable
from mailgrid.core.logging import get_logger

ASIDE: Final = "discarded/"  # before the reference of what was moved aside

log = get_logger(__name__)


class BlobMissing(Exception):
    """A row names bytes that the store does not have."""


class Stored(NamedTuple):
    """A name in the store, and when its bytes came there or were wanted last."""

    name: str
    at: datetime


class BlobStorage(Protocol):
    """What a storage of blobs can do beyond Django's own. Failures of the store are OSErrors."""

    def keep(self, name: str, content: BinaryIO) -> None:
        """Make bytes durable under `name`, unless they are there already."""
        ...

    def open(self, name: str) -> BinaryIO:
        """A reader of the bytes; raises FileNotFoundError."""
        ...

    def listed(self, *, after: str, limit: int) -> list[Stored]:
        """The next `limit` names in their alphabetical order."""
        ...

    def move(self, name: str, to: str) -> None:
        """Give bytes another name, and the present as their time; nothing where they are gone already."""
        ...

    def delete(self, name: str) -> None:
        """Delete bytes, if they are there."""
        ...


def store() -> BlobStorage:
    """The storage that is configured."""
    return cast(BlobStorage, storages["blobs"])


def put(tenant_id: UUID, content: bytes) -> str:
    """Store bytes of a tenant and return their reference. Equal bytes of one tenant are stored once.

    Raises `Unavailable` when they cannot be made durable.
    """
    return put_file(tenant_id, BytesIO(content), digest=hashlib.sha256(content).hexdigest())


def put_file(tenant_id: UUID, content: BinaryIO, *, digest: str) -> str:
    """The same for a file that is read piece by piece from its beginning; `digest` is its SHA-256, in hexadecimal."""
    reference = f"{tenant_id.hex}/{digest[:2]}/{digest}"
    try:
        store().keep(reference, content)
    except OSError as error:
        log.error("core.blobs.not_kept", error=str(error))
        raise Unavailable("Files, attachments and large bodies cannot be kept right now.") from error
    return reference


def get(reference: str) -> bytes:
    """The bytes; raises `BlobMissing`."""
    with reader(reference) as file:
        return file.read()


def reader(reference: str) -> BinaryIO:
    """A file of the bytes, to be closed; raises `BlobMissing`."""
    for name in (reference, ASIDE + reference, reference):  # it may be put back at this moment
        try:
            return store().open(name)
        except FileNotFoundError:
            continue
    raise BlobMissing(reference)


def delete(reference: str) -> None:
    """Delete at once what one row alone could name, such as bytes that were encrypted for it."""
    for name in (reference, ASIDE + reference):
        store().delete(name)
