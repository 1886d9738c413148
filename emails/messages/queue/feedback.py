"""What providers' facts change in recipients and messages: ranks that rise."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from emails.messages.models import Recipient
from mailgrid.core.sql import run, values_table
from mailgrid.core.vocabulary import Status


@dataclass(frozen=True, slots=True, kw_only=True)
class Raised:
    """A recipient's new status, if its rank is higher than what it has."""

    recipient_id: UUID
    status: Status
    rank: int
    reason: str
    bounce_type: str
    at: datetime


def raise_recipients(raised: Sequence[Raised]) -> None:
    """Lift recipients up the lattice, in one statement; an equal or lower rank changes nothing."""
    if not raised:
        return
    columns = {
        "id": "id",
        "status": "status",
        "rank": "rank",
        "reason": "reason",
        "bounce_type": "bounce_type",
        "at": "status_at",
    }
    rows = sorted((r.recipient_id, r.status.value, r.rank, r.reason, r.bounce_type, r.at) for r in raised)
    table, parameters = values_table("v", Recipient, columns, rows)
    run(
        f"""WITH {table} UPDATE emails_recipient SET status = v.status, rank = v.rank, reason = v.reason,
            bounce_type = v.bounce_type, status_at = v.at
            FROM v WHERE emails_recipient.id = v.id AND emails_recipient.rank < v.rank""",
        parameters,
    )
