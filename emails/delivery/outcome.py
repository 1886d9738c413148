"""From a transport's answer to a delivery's next move. Pure."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from emails.delivery import retry
from emails.delivery.ports import Answer, ErrorClass, Receipt, TransportError
from emails.messages.lifecycle import TERMINAL, Input
from emails.messages.moves import AttemptOutcome, AttemptResult, Move, SettledBy, Split
from emails.messages.queue.claiming import Picked
from mailgrid.core.bells import Priority
from mailgrid.core.durations import scaled
from mailgrid.core.vocabulary import FailReason, HoldReason, Status

# How long a doubt of each priority waits for its proof, where the transport cannot be asked (docs/delivery.md).
GRACE_MAX: Final = {
    Priority.IMMEDIATE: timedelta(seconds=scaled(300)),
    Priority.HIGH: timedelta(seconds=scaled(24 * 3600)),
    Priority.MEDIUM: timedelta(seconds=scaled(24 * 3600)),
    Priority.LOW: timedelta(seconds=scaled(24 * 3600)),
}


# Refused with everything else of its account: released when the account's breaker closes.
_HELD: Final = {
    ErrorClass.QUOTA: HoldReason.ACCOUNT_QUOTA,
    ErrorClass.PAUSED: HoldReason.ACCOUNT_PAUSED,
}


def next_move(claimed: Picked, answer: Answer, *, now: datetime, random: Callable[[], float]) -> Move:
    """What the answer means for the delivery that was claimed."""
    if isinstance(answer, Receipt):
        return _parted(claimed, answer, now=now, random=random) if answer.refused else _sent(claimed, answer)
    match answer.kind:
        case ErrorClass.DOUBT:
            return _move(
                claimed,
                Input.LOST,
                due_at=now,
                attempt=_result(AttemptOutcome.IN_DOUBT, answer, settled=False),
            )
        case ErrorClass.CONTENT:
            return _failed(claimed, FailReason.REJECTED, answer)
    if claimed.cancel_requested:
        return _move(claimed, Input.CANCELED, attempt=_result(AttemptOutcome.FAILED, answer))
    if (reason := _HELD.get(answer.kind)) is not None:
        result = _result(AttemptOutcome.HELD, answer)
        return _move(claimed, Input.HELD, reason=reason, uncounted=True, attempt=result)
    counts = retry.SCHEDULES[answer.kind].counts
    # A try that does not count leaves its mark in the fence alone; waits must grow all the same.
    tries = (claimed.attempts if counts else claimed.fence) + 1
    wait = retry.delay(answer.kind, tries, random=random)
    if wait is None:
        return _exhausted(claimed, answer)
    return _move(
        claimed,
        Input.DEFERRED,
        due_at=now + timedelta(seconds=scaled(wait.total_seconds())),
        uncounted=not counts,
        detail=answer.message,
        attempt=_result(AttemptOutcome.DEFERRED, answer),
    )


def content_gone(claimed: Picked, message: str) -> Move:
    """A stored body or attachment is missing: the tenant is told, nothing is tried again."""
    error = TransportError(kind=ErrorClass.BUG, code="content_missing", message=message)
    return _failed(claimed, FailReason.CONTENT_MISSING, error)


def _sent(claimed: Picked, receipt: Receipt) -> Move:
    result = AttemptResult(
        outcome=AttemptOutcome.SENT,
        settled_by=SettledBy.ANSWER,
        provider_message_id=receipt.provider_message_id,
    )
    return _move(claimed, Input.SENT, attempt=result)


def _parted(claimed: Picked, receipt: Receipt, *, now: datetime, random: Callable[[], float]) -> Move:
    """Taken for some: the delivery goes on for those who may still get it, else it is sent."""
    sent = _sent(claimed, receipt)
    named = {
        address: next_move(claimed, error, now=now, random=random)
        for address, error in receipt.refused.items()
    }
    waiting = [move for move in named.values() if move.to not in TERMINAL]
    first = next(iter(receipt.refused.values()))
    result = AttemptResult(
        outcome=AttemptOutcome.SENT,
        settled_by=SettledBy.ANSWER,
        provider_message_id=receipt.provider_message_id,
        error_class=first.kind,
        error_code=first.code,
        error_message="; ".join(f"{address}: {error.message}" for address, error in receipt.refused.items()),
    )
    return replace(waiting[0] if waiting else sent, attempt=result, split=Split(named=named, others=sent))


def _exhausted(claimed: Picked, answer: TransportError) -> Move:
    if answer.kind == ErrorClass.BUG:  # our fault: kept for an operator, the tenant's other mail goes on
        return _move(
            claimed, Input.HELD, reason=HoldReason.QUARANTINED, attempt=_result(AttemptOutcome.HELD, answer)
        )
    reason = FailReason.IDENTITY if answer.kind == ErrorClass.IDENTITY else FailReason.RETRIES_EXHAUSTED
    return _failed(claimed, reason, answer)


def _failed(claimed: Picked, reason: FailReason, answer: TransportError) -> Move:
    return _move(
        claimed,
        Input.FAILED,
        reason=reason,
        detail=answer.message,
        attempt=_result(AttemptOutcome.FAILED, answer),
    )


def _result(outcome: AttemptOutcome, answer: TransportError, *, settled: bool = True) -> AttemptResult:
    return AttemptResult(
        outcome=outcome,
        settled_by=SettledBy.ANSWER if settled else None,
        error_class=answer.kind,
        error_code=answer.code,
        error_message=answer.message,
    )


def _move(
    claimed: Picked,
    step: Input,
    *,
    attempt: AttemptResult,
    due_at: datetime | None = None,
    reason: str = "",
    detail: str = "",
    uncounted: bool = False,
) -> Move:
    return Move(
        delivery_id=claimed.delivery_id,
        message_id=claimed.message_id,
        tenant_id=claimed.tenant_id,
        test=claimed.test,
        fence=claimed.fence + 1,
        source=Status.SENDING,
        input=step,
        due_at=due_at,
        reason=reason,
        detail=detail,
        uncounted=uncounted,
        attempt=attempt,
    )
