"""Reasons not to send, in the order in which they are asked. Each is a function of the facts read with the claim. Pure.

What a guard stops is settled in the claim's transaction and gets no attempt. The last two, `past_limit` and
`past_pace`, are about what runs out: they are asked for the rows that no other guard stops, so that nothing is used up
in vain.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from emails.messages.lifecycle import Input
from emails.messages.moves import Move
from emails.messages.queue.claiming import PendingRecipient, Picked
from mailgrid.core.vocabulary import FailReason, HoldReason, Status


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the claim knows beside the row itself.

    `recipients` are those still pending, `suppressed` maps some of their ids to the reason.
    """

    now: datetime
    recipients: Sequence[PendingRecipient]
    suppressed: Mapping[UUID, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """What to do instead of sending."""

    input: Input
    reason: str = ""
    detail: str = ""
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


GUARDS: Final[tuple[Callable[[Picked, Facts], Stop | None], ...]] = (
    cancel_requested,
    too_late,
    tenant_paused,
    stream_paused,
    everybody_suppressed,
)


def first_stop(row: Picked, facts: Facts) -> Stop | None:
    """The first guard's word against sending, or None."""
    for guard in GUARDS:
        if stop := guard(row, facts):
            return stop
    return None


COME_AGAIN: Final = timedelta(seconds=5)  # for a place that may be there in a moment


def past_limit(*, exhausted: bool, now: datetime) -> Stop:
    """An account with `over_limit: reject` has no place for it. Fails only when the limit is known to be reached."""
    if not exhausted:
        return Stop(input=Input.DEFERRED, due_at=now + COME_AGAIN)
    return Stop(
        input=Input.FAILED, reason=FailReason.OVER_LIMIT, detail="The limit of its transport is used up."
    )


def past_pace(free_at: datetime | None) -> Stop | None:
    """Its stream is past its `rate_per_second`: it waits for the slot that it was given."""
    return Stop(input=Input.DEFERRED, due_at=free_at) if free_at else None


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
        detail=stop.detail,
        suspect=row.suspect,
        crashes=row.crashes,
    )
