"""Capture mail instead of sending it, and have the simulator tell what became of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import orjson
from django.db import transaction

from emails.composition.envelope import Envelope
from emails.events.services import NewNotification, store_notifications
from emails.sandbox import simulator
from emails.sandbox.models import CapturedMail
from mailgrid.core.ids import uuid7
from mailgrid.core.sql import insert_rows


@dataclass(frozen=True, slots=True)
class Captured:
    """What the sandbox answers: the id it gave the mail, or None where the simulator refuses it."""

    provider_message_id: str | None


_COLUMNS = (
    "id",
    "tenant_id",
    "test",
    "message_id",
    "delivery_id",
    "fence",
    "provider_message_id",
    "sender",
    "recipients",
    "subject",
    "html",
    "text",
    "headers",
    "attachments",
    "at",
)


def capture(envelopes: Sequence[Envelope], *, transport_id: UUID, now: datetime) -> list[Captured]:
    """Take a batch, journal it and store the simulator's notifications, in one commit. Answers in order.

    Taking the same attempt twice changes nothing: the journal holds one row per (delivery, fence).
    """
    answers = [_answer(envelope) for envelope in envelopes]
    taken = [
        (envelope, answer.provider_message_id)
        for envelope, answer in zip(envelopes, answers, strict=True)
        if answer.provider_message_id
    ]
    notices = [
        NewNotification(transport_id=transport_id, external_id=None, body=orjson.dumps(event).decode())
        for envelope, name in taken
        for event in simulator.events(envelope, name, now=now)
    ]
    with transaction.atomic():
        rows = [_row(envelope, name, now) for envelope, name in taken]
        insert_rows(CapturedMail, _COLUMNS, rows, ignore_conflicts=True)
        store_notifications(notices, now=now)
    return answers


def accepted(attempts: Sequence[tuple[UUID, int]]) -> Mapping[tuple[UUID, int], str]:
    """Which of these attempts (delivery, fence) the sandbox took, with the ids it gave."""
    rows = CapturedMail.across_tenants.filter(delivery_id__in=[delivery for delivery, _ in attempts])
    found = {
        (delivery, fence): name
        for delivery, fence, name in rows.values_list("delivery_id", "fence", "provider_message_id")
    }
    return {attempt: found[attempt] for attempt in attempts if attempt in found}


def _answer(envelope: Envelope) -> Captured:
    if any(simulator.outcome_of(mailbox.address) == "fail" for mailbox in envelope.recipients):
        return Captured(None)
    return Captured(f"sandbox-{envelope.delivery_id}-{envelope.fence}")


def _row(envelope: Envelope, name: str, now: datetime) -> tuple[object, ...]:
    shown = not envelope.sensitive
    return (
        uuid7(),
        envelope.tenant_id,
        envelope.test,
        envelope.message_ref,
        envelope.delivery_id,
        envelope.fence,
        name,
        envelope.sender.readable(),
        [mailbox.readable() for mailbox in envelope.recipients],
        envelope.subject if shown else "",
        envelope.html if shown else None,
        envelope.text if shown else None,
        [list(header) for header in envelope.headers] if shown else [],
        [
            {"filename": part.filename, "content_type": part.content_type, "size": len(part.content)}
            for part in envelope.attachments
        ]
        if shown
        else [],
        now,
    )
