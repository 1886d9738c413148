"""Keep files, and forget them."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import transaction

from mailgrid.core import blobs, files
from mailgrid.core.errors import FieldError, Invalid, MailgridError
from mailgrid.core.files import FileRefused, Kept, Received
from tenants.audit.services import Actor, record
from tenants.files.models import File
from tenants.files.selectors import get_file


class InvalidFile(MailgridError):
    """A file that cannot be attached to any mail."""

    name = "invalid_attachment"

    @classmethod
    def field(cls, field: str, message: str) -> "InvalidFile":
        """The error that blames one field."""
        return cls(f"{field}: {message}", errors=[FieldError(field, "invalid_attachment", message)])


@dataclass(frozen=True, slots=True, kw_only=True)
class NewFile:
    """A file whose bytes are durable, and that has no row yet."""

    kept: Kept
    sha256: str
    expires_at: datetime | None


def keep(
    *,
    tenant_id: UUID,
    received: Received,
    filename: str,
    content_type: str | None,
    expires_at: datetime | None,
    now: datetime,
) -> NewFile:
    """Judge a file and make its bytes durable; needs no transaction. Bytes that get no row are swept.

    Raises `InvalidFile`, `Invalid` for a `content_type` or an `expires_at` that cannot be, and `Unavailable`.
    """
    if expires_at is not None and expires_at <= now:
        raise Invalid.field("expires_at", "out_of_range", "Must be in the future.")
    try:
        filename = files.check_filename(filename)
    except FileRefused as error:
        raise InvalidFile.field("filename", str(error)) from None
    try:
        kind = files.type_of(content_type, filename=filename, beginning=received.beginning)
    except FileRefused as error:
        raise Invalid.field("content_type", "invalid_choice", str(error)) from None
    blob = blobs.put_file(tenant_id, received.content, digest=received.digest)
    return NewFile(
        kept=Kept(filename=filename, content_type=kind, size=received.size, blob=blob),
        sha256=received.digest,
        expires_at=expires_at,
    )


def add(*, tenant_id: UUID, new: NewFile, actor: Actor, now: datetime) -> File:
    """The row of a file, in the transaction of whoever calls or in one of its own."""
    file = File(
        tenant_id=tenant_id,
        filename=new.kept.filename,
        content_type=new.kept.content_type,
        size=new.kept.size,
        blob=new.kept.blob,
        sha256=new.sha256,
        expires_at=new.expires_at,
        created_at=now,
    )
    with transaction.atomic():
        file.save(force_insert=True)
        _record("file.create", file, actor, now)
    return file


def delete(*, tenant_id: UUID, file_id: UUID | str, actor: Actor, now: datetime) -> UUID:
    """Forget a file, and answer its id. Mail that was accepted with it keeps its bytes. Raises `NotFound`."""
    with transaction.atomic():
        file = get_file(tenant_id, file_id, now=now)
        _record("file.delete", file, actor, now)
        deleted_id = file.id
        file.delete()
    return deleted_id


def _record(action: str, file: File, actor: Actor, now: datetime) -> None:
    changes = {"filename": file.filename, "size": file.size, "sha256": file.sha256}
    record(tenant_id=file.tenant_id, actor=actor, action=action, target=file, now=now, changes=changes)
