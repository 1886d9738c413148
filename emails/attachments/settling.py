"""What becomes of a fetch: the row's next state and, when it was the last one its message waited for, the message's."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from emails.attachments import retry
from emails.attachments.models import PendingAttachment
from emails.attachments.ports import NotFetched
from emails.composition.size import MAX_MESSAGE_BYTES, estimate
from emails.events import transitions
from emails.messages import content as contents
from emails.messages.content import StoredAttachment
from emails.messages.lifecycle import Input
from emails.messages.models import Delivery, Message
from emails.messages.queue import passes
from mailgrid.core.bells import Priority, ring
from mailgrid.core.errors import Unavailable
from mailgrid.core.files import SNIFFED_BYTES, FileRefused, type_of
from mailgrid.core.sql import storable
from mailgrid.core.vocabulary import FailReason, HoldReason, Status

Outcome = bytes | NotFetched
State = PendingAttachment.State
_DELIVERIES = 100  # of one message, more than there are


def settle(row: PendingAttachment, outcome: Outcome, *, now: datetime, random: Callable[[], float]) -> str:
    """Keep the bytes, or plan another try, or give up; what it came to, in a word.

    The row and its siblings are locked: of two workers that bring the last two attachments, the second one finds all of
    them. A row that somebody else has claimed since is left alone.
    """
    kept = _kept(row, outcome)
    with transaction.atomic():
        siblings = list(
            PendingAttachment.across_tenants.select_for_update()
            .filter(message=row.message_id)
            .order_by("position")
        )
        current = next((one for one in siblings if one.pk == row.pk and one.fence == row.fence), None)
        if current is None:
            return "late"
        if isinstance(kept, NotFetched):
            return _not_fetched(current, siblings, kept, now=now, random=random)
        current.state, current.lease_until = State.STORED, None
        current.size, current.blob, current.blob_key_id = kept.size, kept.blob, kept.key_id
        current.content_type = kept.content_type
        current.save(update_fields=["state", "lease_until", "size", "blob", "blob_key_id", "content_type"])
        if all(one.state == State.STORED for one in siblings):
            _complete(row.message, siblings, now=now)
        return "fetched"


def _kept(row: PendingAttachment, outcome: Outcome) -> StoredAttachment | NotFetched:
    """The bytes, durable before the row says so; outside of the transaction."""
    if isinstance(outcome, NotFetched):
        return outcome
    try:
        return contents.store_attachment(
            tenant_id=row.tenant_id,
            filename=row.filename,
            content_type=type_of(
                row.content_type or None, filename=row.filename, beginning=outcome[:SNIFFED_BYTES]
            ),
            content_id=None,
            content=outcome,
            sensitive=contents.is_sealed(row.message_id),
        )
    except Unavailable as error:
        return NotFetched("not_kept", str(error), for_good=False)
    except FileRefused as error:
        return NotFetched("refused", str(error), for_good=True)


def _not_fetched(
    row: PendingAttachment,
    siblings: Sequence[PendingAttachment],
    error: NotFetched,
    *,
    now: datetime,
    random: Callable[[], float],
) -> str:
    wait = None if error.for_good else retry.wait(row.attempts, random=random)
    told = storable(f"{row.filename} from {row.origin}: {error}")[:500]
    if wait is None:
        _give_up(row.message_id, told, FailReason.ATTACHMENT_UNAVAILABLE, now=now)
        return "given_up"
    row.state, row.lease_until, row.due_at, row.error = State.PENDING, None, now + wait, told
    row.save(update_fields=["state", "lease_until", "due_at", "error"])
    return "put_off"


def _give_up(message_id: UUID, told: str, reason: FailReason, *, now: datetime) -> None:
    """Everything of the message ends; its rows stay for a retry of it."""
    PendingAttachment.across_tenants.filter(message=message_id).update(
        state=State.FAILED, lease_until=None, error=told
    )
    failed = passes.moves(_held(message_id), Input.FAILED, limit=_DELIVERIES, reason=reason, detail=told)
    transitions.move(failed, now=now)


def _complete(message: Message, rows: Sequence[PendingAttachment], *, now: datetime) -> None:
    fetched = estimate(
        mailboxes=(), subject="", bodies=(), headers=(), files=[(row.filename, row.size) for row in rows]
    )
    if message.size + fetched > MAX_MESSAGE_BYTES:
        told = "The finished mail would have more than 40 MB."
        return _give_up(message.pk, told, FailReason.TOO_LARGE, now=now)
    contents.put_in(
        message.pk, tenant_id=message.tenant_id, fetched={row.position: _part(row) for row in rows}
    )
    Message.across_tenants.filter(pk=message.pk).update(size=message.size + fetched)
    held, then_held = _held(message.pk), rows[0].then_held
    PendingAttachment.across_tenants.filter(message=message).delete()
    released = passes.released(held, now=now, limit=_DELIVERIES)
    transitions.move(released, now=now)
    if then_held:
        on = Delivery.across_tenants.filter(pk__in=[move.delivery_id for move in released])
        moves = passes.moves(on, Input.HELD, limit=_DELIVERIES, reason=then_held)
        transitions.move(moves, now=now)
    ring(Priority(message.priority).queue)
    return None


def _part(row: PendingAttachment) -> dict[str, Any]:
    """What the place in the content still lacks."""
    return {
        "content_type": row.content_type,
        "size": row.size,
        "blob": row.blob,
        "key_id": row.blob_key_id,
    }


def _held(message_id: UUID) -> "QuerySet[Delivery]":
    return Delivery.across_tenants.filter(
        message=message_id, state=Status.HELD, hold_reason=HoldReason.ATTACHMENTS
    )
