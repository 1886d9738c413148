"""Decide about deliveries whose outcome is unknown: ask where the transport knows, wait where only events can tell.

Sandbox and memory keep what they accepted and are asked at once. SES cannot be asked; its SEND event settles the doubt
(`emails.feedback`), and until then nothing is repeated. What nothing settled within its time ends `unknown`.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from emails.delivery.outcome import GRACE_MAX
from emails.delivery.ports import AttemptKey, Misconfigured, Receipt, Transports
from emails.messages.lifecycle import Input
from emails.messages.moves import AttemptOutcome, AttemptResult, Move, SettledBy
from emails.messages.queue.passes import Doubt
from mailgrid.core import metrics
from mailgrid.core.logging import get_logger
from mailgrid.core.vocabulary import HoldReason, Status

log = get_logger(__name__)

LONE_CRASHES: Final = 3  # then a delivery is quarantined instead of tried again


def decide(doubts: Sequence[Doubt], *, transports: Transports, now: datetime) -> list[Move]:
    """A move for every doubt that can be decided now."""
    by_transport: dict[UUID, list[Doubt]] = defaultdict(list)
    for doubt in doubts:
        by_transport[doubt.transport_id].append(doubt)
    moves: list[Move] = []
    for transport_id, own in by_transport.items():
        try:
            moves += _decide_for(own, _ask(transport_id, own, transports), now=now)
        except Exception:  # not asked is not "does not know": these wait
            log.exception("emails.doubt.not_asked", transport=str(transport_id))
    return moves


def _ask(
    transport_id: UUID, doubts: Sequence[Doubt], transports: Transports
) -> Mapping[AttemptKey, Receipt] | None:
    try:
        return transports.get(transport_id).recall([_key(doubt) for doubt in doubts])
    except Misconfigured as error:
        log.warning("emails.doubt.not_asked", transport=str(transport_id), error=str(error))
        return None


def _decide_for(
    doubts: Sequence[Doubt], known: Mapping[AttemptKey, Receipt] | None, *, now: datetime
) -> list[Move]:
    if known is None:
        return [_gave_up(doubt) for doubt in doubts if doubt.lost_at + GRACE_MAX[doubt.priority] <= now]
    return [_known(doubt, known.get(_key(doubt)), now=now) for doubt in doubts]


def _known(doubt: Doubt, receipt: Receipt | None, *, now: datetime) -> Move:
    if receipt is not None:
        result = AttemptResult(
            outcome=AttemptOutcome.SENT,
            settled_by=SettledBy.QUESTION,
            provider_message_id=receipt.provider_message_id,
        )
        return _move(doubt, Input.PROVED_SENT, "confirmed", attempt=result)
    unsent = AttemptResult(outcome=AttemptOutcome.DEFERRED, settled_by=SettledBy.QUESTION)
    if doubt.cancel_requested:
        return _move(doubt, Input.CANCELED, "canceled", attempt=unsent)
    if doubt.crashes >= LONE_CRASHES:
        return _move(doubt, Input.HELD, "quarantined", attempt=unsent, reason=HoldReason.QUARANTINED)
    return _move(
        doubt,
        Input.PROVED_UNSENT,
        "resent",
        attempt=unsent,
        due_at=now,
        suspect=doubt.suspect,
        crashes=doubt.crashes,
    )


def _gave_up(doubt: Doubt) -> Move:
    unproved = AttemptResult(outcome=AttemptOutcome.IN_DOUBT, settled_by=SettledBy.GRACE)
    return _move(doubt, Input.GAVE_UP, "unknown", attempt=unproved)


def _move(
    doubt: Doubt,
    step: Input,
    counted_as: str,
    *,
    attempt: AttemptResult,
    due_at: datetime | None = None,
    reason: str = "",
    suspect: bool = False,
    crashes: int = 0,
) -> Move:
    metrics.in_doubt.labels(transport=str(doubt.transport_id), outcome=counted_as).inc()
    return Move(
        delivery_id=doubt.delivery_id,
        message_id=doubt.message_id,
        tenant_id=doubt.tenant_id,
        test=doubt.test,
        fence=doubt.fence,
        source=Status.IN_DOUBT,
        input=step,
        due_at=due_at,
        reason=reason,
        suspect=suspect,
        crashes=crashes,
        attempt=attempt,
    )


def _key(doubt: Doubt) -> AttemptKey:
    return AttemptKey(delivery_id=doubt.delivery_id, fence=doubt.fence)
