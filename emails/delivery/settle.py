"""Settle: write what became of a batch's calls, whatever the database does meanwhile.

An answer that was read must not be lost: it is the only proof there is, but for an event that may never come.
"""

import random
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import DatabaseError, InterfaceError, InternalError, OperationalError

from emails.delivery import breaking, outcome, pacing, spool
from emails.delivery.ports import Answer, ErrorClass, Receipt, TransportError
from emails.events import transitions
from emails.messages.content import ContentGone
from emails.messages.moves import Move
from emails.messages.queue.claiming import Picked, cancel_requested
from mailgrid.core import failpoints, metrics
from mailgrid.core.clock import now
from mailgrid.core.database import renew_connection
from mailgrid.core.logging import get_logger

log = get_logger(__name__)

Summary = Counter[str]
Settled = tuple[Picked, Answer | ContentGone]

# The database is away, restarts, or is a standby: it will be back.
_PASSING: Final = (OperationalError, InterfaceError, InternalError)

_BEARABLE: Final = 0.1  # of an account's answers: "too fast", and yet no reason to go slower


def settle(settled: Sequence[Settled], deadline: float) -> Summary:
    """Write the answers in one commit; while the database is away, again until the lease ends (monotonic seconds).

    What cannot be written by then goes to the spool. An answer that no database takes is kept from taking the others
    along.
    """
    if not settled:
        return Counter()
    try:
        moves = _write(settled, deadline)
    except _PASSING:
        spool.keep(settled)
        raise
    except Exception:
        if len(settled) > 1:
            return sum((settle([one], deadline) for one in settled), Summary())
        log.exception("emails.delivery.unsettled", delivery=str(settled[0][0].delivery_id))
        return Counter()
    _tell(settled, moves)
    return Counter(move.to.value for move in moves)


def _write(settled: Sequence[Settled], deadline: float) -> list[Move]:
    wait = 0.05
    while True:
        try:
            at = now()
            moves = [_move(row, answer, at) for row, answer in _with_cancels(settled)]
            failpoints.reach("settle.before_commit")
            transitions.move(moves, now=at)
            failpoints.reach("settle.after_commit")
        except _PASSING:
            if time.monotonic() > deadline:
                raise
            log.warning("emails.delivery.not_settled", deliveries=len(settled), exc_info=True)
            time.sleep(wait)
            wait = min(2.0, wait * 2)
            renew_connection()
        else:
            return moves


def _tell(settled: Sequence[Settled], moves: Sequence[Move]) -> None:
    """What the answers say about their accounts, and the counters."""
    with suppress(DatabaseError, InterfaceError):  # the next answer will say the same
        breaking.note(settled, now=now())
        pacing.slow_down(_past_their_rate(settled), now=now())
    told = Counter((row.transport_id, move.to) for (row, _), move in zip(settled, moves, strict=True))
    for (transport_id, outcome_), count in told.items():
        metrics.outcomes.labels(transport=str(transport_id), outcome=outcome_.value).inc(count)
    pacing.give_back_unsent(row.transport_id for row, answer in settled if _is_unsent(answer))


def _past_their_rate(settled: Sequence[Settled]) -> list[UUID]:
    """The accounts that refused more than a few of these as too fast.

    Fewer say that an account is at its limit, where it is used best: what it refused goes a moment later.
    """
    asked = Counter(row.transport_id for row, _ in settled)
    refused = Counter(row.transport_id for row, answer in settled if _is_too_fast(answer))
    return [account for account, count in refused.items() if count > _BEARABLE * asked[account]]


def _is_too_fast(answer: Answer | ContentGone) -> bool:
    """The provider's rate limit, not our own deadline."""
    return isinstance(answer, TransportError) and answer.kind == ErrorClass.THROTTLED and not answer.ours


def _is_unsent(answer: Answer | ContentGone) -> bool:
    """Provably; a doubt is not."""
    return not isinstance(answer, Receipt) and not (
        isinstance(answer, TransportError) and answer.kind == ErrorClass.DOUBT
    )


def _with_cancels(settled: Sequence[Settled]) -> list[Settled]:
    """The same, knowing who was cancelled while its call was open. Asked only where something was not sent."""
    unsent = [row.delivery_id for row, answer in settled if not isinstance(answer, Receipt) or answer.refused]
    canceled = cancel_requested(unsent) if unsent else set()
    return [
        (replace(row, cancel_requested=True) if row.delivery_id in canceled else row, answer)
        for row, answer in settled
    ]


def _move(row: Picked, answer: Answer | ContentGone, at: datetime) -> Move:
    if isinstance(answer, ContentGone):
        return outcome.content_gone(row, str(answer))
    return outcome.next_move(row, answer, now=at, random=random.random)
