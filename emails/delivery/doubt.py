"""Decide about deliveries whose outcome is unknown, by the rule of their transport.

Sandbox and memory keep what they accepted and are asked at once. SES cannot be asked: its SEND event settles the doubt
(`emails.feedback`), or its silence does, when the grace is over and mail sent later has been reported. While nothing is
reported nothing is repeated, and what is not settled in its time ends `unknown`. About SMTP nobody can tell: after a
grace the mail is sent again with the same Message-ID. Where the stream would rather lose one than have it twice
(`at_most_once`), a doubt without proof ends `unknown`.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from emails.delivery.outcome import GRACE_MAX
from emails.delivery.ports import AttemptKey, Misconfigured, Receipt, Transport, Transports
from emails.feedback import watermarks
from emails.messages.lifecycle import Input
from emails.messages.moves import AttemptOutcome, AttemptResult, Move, SettledBy
from emails.messages.queue.passes import Doubt
from mailgrid.core import metrics
from mailgrid.core.bells import Priority
from mailgrid.core.durations import scaled
from mailgrid.core.logging import get_logger
from mailgrid.core.vocabulary import HoldReason, Status

log = get_logger(__name__)

Reported = Callable[[UUID], Mapping[str, datetime]]  # watermarks by configuration set

LONE_CRASHES: Final = 3  # then a delivery is quarantined instead of tried again

# How long a doubt waits before its mail may be sent again: starting values of docs/delivery.md.
GRACE: Final = {
    Priority.IMMEDIATE: timedelta(seconds=scaled(120)),
    Priority.HIGH: timedelta(seconds=scaled(180)),
    Priority.MEDIUM: timedelta(seconds=scaled(180)),
    Priority.LOW: timedelta(seconds=scaled(1800)),
}
# Events must have told of mail sent so much later: clocks differ, and events overtake each other.
SLACK: Final = timedelta(seconds=scaled(60))
AT_MOST_ONCE_WAIT: Final = timedelta(seconds=scaled(24 * 3600))
# Each claim doubles it: a server that takes every mail and never answers would else get hundreds of copies in a day.
LONGEST_GRACE: Final = timedelta(seconds=scaled(3600))
_MOST_DOUBLINGS: Final = 10


def decide(
    doubts: Sequence[Doubt],
    *,
    transports: Transports,
    now: datetime,
    reported: Reported = watermarks.of,
) -> list[Move]:
    """A move for every doubt that can be decided now. `reported` tells how far an account's events have come."""
    by_transport: dict[UUID, list[Doubt]] = defaultdict(list)
    for doubt in doubts:
        by_transport[doubt.transport_id].append(doubt)
    moves: list[Move] = []
    for transport_id, own in by_transport.items():
        try:
            moves += _decide_for(own, _transport(transport_id, transports), reported, now=now)
        except Exception:  # not asked is not "does not know": these wait
            log.exception("emails.doubt.not_asked", transport=str(transport_id))
    return moves


def grace(priority: Priority, fence: int) -> timedelta:
    """How long the doubt of the `fence`-th claim waits until its mail may be sent again."""
    factor = 1 << min(max(fence - 1, 0), _MOST_DOUBLINGS)
    return min(GRACE[priority] * factor, LONGEST_GRACE, GRACE_MAX[priority])


def _transport(transport_id: UUID, transports: Transports) -> Transport | None:
    try:
        return transports.get(transport_id)
    except Misconfigured as error:
        log.warning("emails.doubt.not_asked", transport=str(transport_id), error=str(error))
        return None


def _decide_for(
    doubts: Sequence[Doubt], transport: Transport | None, reported: Reported, *, now: datetime
) -> list[Move]:
    match transport.doubt_rule if transport else "events":
        case "grace":
            return [_repeat_or_give_up(doubt, _BY_GRACE, now=now) for doubt in doubts if _over(doubt, now)]
        case "ask" if (
            transport and (known := transport.recall([_key(doubt) for doubt in doubts])) is not None
        ):
            return [_known(doubt, known.get(_key(doubt)), now=now) for doubt in doubts]
    marks = reported(doubts[0].transport_id)
    decided = [_by_events(doubt, marks.get(doubt.configuration_set), now=now) for doubt in doubts]
    return [move for move in decided if move is not None]


def _by_events(doubt: Doubt, watermark: datetime | None, *, now: datetime) -> Move | None:
    """Silence counts when later mail has been reported: this one would have been, too."""
    silent = watermark is not None and watermark > doubt.lost_at + SLACK
    if doubt.at_most_once:
        return _gave_up(doubt) if doubt.lost_at + AT_MOST_ONCE_WAIT <= now else None
    if silent and doubt.lost_at + GRACE[doubt.priority] <= now:
        return _repeat_or_give_up(doubt, _BY_SILENCE, now=now)
    if doubt.lost_at + GRACE_MAX[doubt.priority] <= now:
        log.error("emails.doubt.unknown", delivery=str(doubt.delivery_id), transport=str(doubt.transport_id))
        return _gave_up(doubt)
    return None


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


def _over(doubt: Doubt, now: datetime) -> bool:
    return doubt.lost_at + grace(doubt.priority, doubt.fence) <= now


def _repeat_or_give_up(doubt: Doubt, attempt: AttemptResult, *, now: datetime) -> Move:
    if doubt.cancel_requested and attempt is _BY_SILENCE:
        return _move(doubt, Input.CANCELED, "canceled", attempt=attempt)
    # Over SMTP a cancelled one is not sent again; that it was not sent before, nobody can say.
    if doubt.at_most_once or doubt.cancel_requested:
        return _gave_up(doubt)
    if doubt.crashes >= LONE_CRASHES:
        return _move(doubt, Input.HELD, "quarantined", attempt=attempt, reason=HoldReason.QUARANTINED)
    return _move(
        doubt,
        Input.PROVED_UNSENT,  # over SMTP not proved, but taken for it: the journal says by what
        "resent",
        attempt=attempt,
        due_at=now,
        suspect=doubt.suspect,
        crashes=doubt.crashes,
    )


def _gave_up(doubt: Doubt) -> Move:
    return _move(doubt, Input.GAVE_UP, "unknown", attempt=_BY_GRACE)


_BY_GRACE: Final = AttemptResult(outcome=AttemptOutcome.IN_DOUBT, settled_by=SettledBy.GRACE)
_BY_SILENCE: Final = AttemptResult(outcome=AttemptOutcome.DEFERRED, settled_by=SettledBy.SILENCE)


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
