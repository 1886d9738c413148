"""Move deliveries and tell what happened: one event for each recipient they changed, in one transaction."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import transaction

from emails.events.services import NewEvent, record
from emails.messages.lifecycle import EVENT_OF
from emails.messages.moves import Move
from emails.messages.queue import settling
from emails.messages.queue.settling import Changed
from mailgrid.core.sql import storable
from mailgrid.core.vocabulary import Status

_SUPPRESSION_WORDS = "Mailgrid left this recipient out: the address is on a suppression list."


def move(moves: Sequence[Move], *, now: datetime) -> int:
    """Apply the moves and record their events; how many deliveries moved."""
    if not moves:
        return 0
    with transaction.atomic():
        applied = settling.apply(moves, now=now)
        record([_event(change, now) for change in applied.changed], now=now)
    return applied.deliveries


def _event(change: Changed, now: datetime) -> NewEvent:
    step = change.move
    return NewEvent(
        tenant_id=step.tenant_id,
        test=step.test,
        message_id=step.message_id,
        recipient_id=change.recipient_id,
        type=EVENT_OF[step.to],
        status=step.to,
        source="mailgrid",
        data=_own_data(step),
        occurred_at=now,
        dedupe_key=sent_key(change.recipient_id, step.attempt.provider_message_id)
        if step.to == Status.SENT and step.attempt
        else None,
    )


def sent_key(recipient_id: object, provider_message_id: str) -> str:
    """The dedupe key of `email.sent`: our settled answer and the provider's own event are one fact."""
    return f"sent:{recipient_id}:{provider_message_id}"[:200]


def _own_data(step: Move) -> dict[str, Any]:
    match step.to:
        case Status.FAILED:
            return {"failed": {"reason": step.reason, "message": storable(step.detail)}}
        case Status.HELD:
            return {"held": {"reason": step.reason}}
        case Status.SUPPRESSED:
            return {"suppressed": suppression_data(step.reason)}
    return {}


def suppression_data(reason: str) -> dict[str, Any]:
    """The `suppressed` object of docs/api.md."""
    return {"message": _SUPPRESSION_WORDS, "type": "Suppressed", "reason": reason, "diagnosticCode": []}
