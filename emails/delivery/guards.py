"""Reasons not to send, in the order in which they are asked. Each is a function of the facts read with the claim. Pure.

What a guard stops is settled in the claim's transaction and gets no attempt.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from emails.messages.lifecycle import Input
from emails.messages.moves import Move
from emails.messages.queue.claiming import PendingRecipient, Picked
from mailgrid.core.vocabulary import HoldReason, Status


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the claim knows beside the row itself.

    `recipients` are those still pending, `suppressed` maps some of their ids to the reason. `take_slot` takes a slot of
    the stream's pace: None when there was one, else when the next one is free.
    """

    now: datetime
    recipients: Sequence[PendingRecipient]
    suppressed: Mapping[UUID, str]
    take_slot: Callable[[], datetime | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """What to do instead of sending."""

    input: Input
    reason: str = ""
    due_at: datetime | None = None


def cancel_requested(row: Picked, _facts: Facts) -> Stop | None:
    """The tenant cancelled it while it was claimed or in doubt."""
    return Stop(input=Input.CANCELED) if row.cancel_requested else None


def too_late(row: Picked, facts: Facts) -> Stop | None:
    """A late one-time code is noise: it expires and says so."""
    return Stop(input=Input.EXPIRED) if row.expires_at <= facts.now else None


def tenant_paused(row: Picked, _facts: Facts) -> Stop | None:
    """Paused by itself, or suspended by the operator."""
    return Stop(input=Input.HELD, reason=HoldReason.TENANT_PAUSED) if row.tenant_paused else None


def stream_paused(row: Picked, _facts: Facts) -> Stop | None:
    """The stream accepts and holds."""
    return Stop(input=Input.HELD, reason=HoldReason.STREAM_PAUSED) if row.stream_paused else None


def everybody_suppressed(_row: Picked, facts: Facts) -> Stop | None:
    """Nobody is left to send to."""
    if any(recipient.id not in facts.suppressed for recipient in facts.recipients):
        return None
    reason = next(iter(facts.suppressed.values()), "")
    return Stop(input=Input.SUPPRESSED, reason=reason)


def stream_past_its_pace(_row: Picked, facts: Facts) -> Stop | None:
    """Asked last: what another guard stops must not use up a slot."""
    free_at = facts.take_slot()
    return Stop(input=Input.DEFERRED, due_at=free_at) if free_at else None


GUARDS: Final[tuple[Callable[[Picked, Facts], Stop | None], ...]] = (
    cancel_requested,
    too_late,
    tenant_paused,
    stream_paused,
    everybody_suppressed,
    stream_past_its_pace,
)


def first_stop(row: Picked, facts: Facts) -> Stop | None:
    """The first guard's word against sending, or None."""
    for guard in GUARDS:
        if stop := guard(row, facts):
            return stop
    return None


def as_move(row: Picked, stop: Stop) -> Move:
    """The stop as a move of the still queued row."""
    return Move(
        delivery_id=row.delivery_id,
        message_id=row.message_id,
        tenant_id=row.tenant_id,
        test=row.test,
        fence=row.fence,
        source=Status.QUEUED,
        input=stop.input,
        due_at=stop.due_at,
        reason=stop.reason,
        suspect=row.suspect,
        crashes=row.crashes,
    )
