"""Recipients that are left out of an envelope whose other recipients get it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from emails.events.services import NewEvent, record
from emails.events.transitions import suppression_data
from emails.messages.queue.claiming import Picked
from emails.messages.queue.settling import suppress_recipients
from mailgrid.core.vocabulary import EventType, Status


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """A suppressed recipient of a delivery that goes out without it."""

    row: Picked
    recipient_id: UUID
    reason: str


def leave_out(recipients: Sequence[LeftOut], *, now: datetime) -> None:
    """Mark them suppressed and tell so. Call inside the claim's transaction."""
    suppress_recipients({one.recipient_id: one.reason for one in recipients}, now=now)
    record(
        [
            NewEvent(
                tenant_id=one.row.tenant_id,
                test=one.row.test,
                message_id=one.row.message_id,
                recipient_id=one.recipient_id,
                type=EventType.SUPPRESSED,
                status=Status.SUPPRESSED,
                source="mailgrid",
                data={"suppressed": suppression_data(one.reason)},
                occurred_at=now,
                dedupe_key=None,
            )
            for one in recipients
        ],
        now=now,
    )
