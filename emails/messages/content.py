"""What a message says, as it is kept: small ones in the row, large ones in the blob store, sensitive ones encrypted."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import orjson

from emails.messages.models import MessageContent
from mailgrid.core import blobs, crypto

INLINE_BYTES = 256 * 1024  # larger payloads go to the blob store


class ContentGone(Exception):
    """The content was erased after its retention, or a blob behind it is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredAttachment:
    """An attachment whose bytes lie in the blob store, encrypted if `key_id` says so. `size` is in bytes, plain."""

    filename: str
    content_type: str
    content_id: str | None
    size: int
    blob: str
    key_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """Subject, bodies and headers as accepted. `sensitive` content is encrypted wherever it rests."""

    subject: str
    html: str | None = field(default=None, repr=False)
    text: str | None = field(default=None, repr=False)
    headers: tuple[tuple[str, str], ...] = ()
    attachments: tuple[StoredAttachment, ...] = ()


COLUMNS = ("message_id", "payload", "sealed", "key_id", "blob", "attachments", "erased_at")


def as_row(*, tenant_id: UUID, message_id: UUID, content: Content, sensitive: bool) -> tuple[Any, ...]:
    """The row of `content`, in the order of `COLUMNS`. Blobs are durable when this returns."""
    payload = orjson.dumps(
        {
            "subject": content.subject,
            "html": content.html,
            "text": content.text,
            "headers": content.headers,
            "attachments": content.attachments,
        }
    )
    blob_names = [part.blob for part in content.attachments]
    sealed = crypto.seal(payload, context=message_id.bytes) if sensitive else None
    stored = sealed.ciphertext if sealed else payload
    key_id = sealed.key_id if sealed else ""
    if len(stored) > INLINE_BYTES:
        return (message_id, None, None, key_id, blobs.put(tenant_id, stored), blob_names, None)
    if sealed:
        return (message_id, None, stored, key_id, "", blob_names, None)
    return (message_id, payload.decode(), None, "", "", blob_names, None)


def store_attachment(
    *,
    tenant_id: UUID,
    filename: str,
    content_type: str,
    content_id: str | None,
    content: bytes,
    sensitive: bool,
) -> StoredAttachment:
    """Put an attachment's bytes into the blob store; they are durable when this returns."""
    sealed = crypto.seal(content, context=tenant_id.bytes) if sensitive else None
    return StoredAttachment(
        filename=filename,
        content_type=content_type,
        content_id=content_id,
        size=len(content),
        blob=blobs.put(tenant_id, sealed.ciphertext if sealed else content),
        key_id=sealed.key_id if sealed else "",
    )


def read_attachment(part: StoredAttachment, *, tenant_id: UUID) -> bytes:
    """The bytes of an attachment; raises `ContentGone`."""
    try:
        stored = blobs.get(part.blob)
        if not part.key_id:
            return stored
        return crypto.unseal(crypto.Sealed(part.key_id, stored), context=tenant_id.bytes)
    except (blobs.BlobMissing, crypto.CannotDecrypt) as error:
        raise ContentGone(f"attachment {part.filename}: {error}") from error


def read(row: MessageContent) -> Content:
    """The content of a row; raises `ContentGone`."""
    if row.erased_at is not None:
        raise ContentGone("the content was erased")
    payload = orjson.loads(_payload(row))
    return Content(
        subject=payload["subject"],
        html=payload["html"],
        text=payload["text"],
        headers=tuple((name, value) for name, value in payload["headers"]),
        attachments=tuple(StoredAttachment(**part) for part in payload["attachments"]),
    )


def _payload(row: MessageContent) -> bytes | str:
    if row.payload is not None:
        return row.payload
    try:
        stored = blobs.get(row.blob) if row.blob else bytes(row.sealed or b"")
        if not row.key_id:
            return stored
        return crypto.unseal(crypto.Sealed(row.key_id, stored), context=row.message_id.bytes)
    except (blobs.BlobMissing, crypto.CannotDecrypt) as error:
        raise ContentGone(str(error)) from error


def load(message_ids: Iterable[UUID]) -> Mapping[UUID, Content | Exception]:
    """The contents of many messages in one query; what cannot be read stands there as its error."""
    found: dict[UUID, Content | Exception] = {}
    for row in MessageContent.objects.filter(pk__in=message_ids):
        try:
            found[row.message_id] = read(row)
        except Exception as error:  # noqa: BLE001 - one row must not take its neighbours along
            found[row.message_id] = error
    return found


def load_one(message_id: UUID) -> Content | None:
    """The content of one message, or None when it is gone."""
    found = load([message_id]).get(message_id)
    return found if isinstance(found, Content) else None
