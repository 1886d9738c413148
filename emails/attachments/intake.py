"""The rows of attachments that are accepted before they are fetched, for submission to store with their message."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from emails.attachments.models import PendingAttachment
from emails.attachments.places import Place
from mailgrid.core import crypto
from mailgrid.core.ids import uuid7
from mailgrid.core.sql import Insert

_COLUMNS = (
    *(
        "id",
        "tenant_id",
        "message_id",
        "position",
        "origin",
        "sealed",
        "sealed_key_id",
        "filename",
        "content_type",
    ),
    *("then_held", "size", "blob", "blob_key_id", "error", "created_at"),
    *("state", "due_at", "lease_until", "fence", "attempts"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Awaited:
    """An attachment to be fetched for a message. `content_type` None follows from its name, else from its bytes.

    In the message's content its place is kept by a `StoredAttachment` without a blob.
    """

    tenant_id: UUID
    message_id: UUID
    position: int
    place: Place
    filename: str
    content_type: str | None
    then_held: str = ""


def inserts(awaited: Sequence[Awaited], *, now: datetime) -> list[Insert]:
    """The rows; their message must be `held: attachments`, and the bell `fetch` be rung after the commit."""
    return [Insert(PendingAttachment, _COLUMNS, [_row(one, now) for one in awaited])] if awaited else []


def place_of(row: PendingAttachment) -> str:
    """The `path` that was accepted, for whoever fetches or repeats it. Raises `CannotDecrypt`."""
    sealed = crypto.Sealed(row.sealed_key_id, bytes(row.sealed))
    return crypto.unseal(sealed, context=row.message_id.bytes).decode()


def _row(one: Awaited, now: datetime) -> tuple[object, ...]:
    sealed = crypto.seal(str(one.place).encode(), context=one.message_id.bytes)
    return (
        *(
            uuid7(),
            one.tenant_id,
            one.message_id,
            one.position,
            one.place.origin,
            sealed.ciphertext,
            sealed.key_id,
        ),
        *(one.filename, one.content_type or "", one.then_held, 0, "", "", "", now),
        *(PendingAttachment.State.PENDING.value, now, None, 0, 0),
    )
