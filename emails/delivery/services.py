"""Deliver: the life of a batch. Safe to run twice, late, or at the same time elsewhere."""

import random
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import replace
from typing import Final
from uuid import UUID

from django.db import DatabaseError, OperationalError

from emails.composition.envelope import Envelope
from emails.delivery import breaking, outcome, pacing, spool
from emails.delivery.claim import BATCH, claim_batch
from emails.delivery.composing import Claimed, compose_batch
from emails.delivery.ports import (
    Answer,
    ErrorClass,
    Misconfigured,
    Receipt,
    Transport,
    TransportError,
    Transports,
)
from emails.delivery.sending import OVERDUE, hand_over
from emails.events import transitions
from emails.messages.content import ContentGone
from emails.messages.moves import Move
from emails.messages.queue.claiming import LEASE_SECONDS, Picked, cancel_requested
from mailgrid.core import failpoints, metrics
from mailgrid.core.bells import Priority, ring
from mailgrid.core.clock import now
from mailgrid.core.locks import until_done
from mailgrid.core.logging import get_logger

log = get_logger(__name__)

DRAIN_SECONDS: Final = 2.0  # then the other queues of the same worker get their turn
DEADLINE_SECONDS: Final = LEASE_SECONDS - 15  # no call begins or goes on after this part of the lease

Summary = Counter[str]
Settled = tuple[Picked, Answer | ContentGone]


def deliver(*, priority: Priority, transports: Transports, pool: Executor) -> Summary:
    """Send due mail of one priority until there is none, or for two seconds; what happened, counted by outcome."""
    until = time.monotonic() + DRAIN_SECONDS
    total: Summary = Counter()
    while time.monotonic() < until:
        done = deliver_batch(priority=priority, transports=transports, pool=pool, invite=not total)
        if not done:
            return total
        total += done
    ring(priority.queue)
    return total


def deliver_batch(
    *, priority: Priority, transports: Transports, pool: Executor, invite: bool = True
) -> Summary:
    """One batch: claim → compose → send → settle. Empty when nothing was due.

    With `invite` a full batch rings first, so that another process joins.
    """
    deadline = time.monotonic() + DEADLINE_SECONDS
    summary, claimed = until_done(lambda: claim_batch(priority, now=now()))
    if not claimed:
        return summary
    if invite and len(claimed) == BATCH:
        ring(priority.queue)
    with metrics.batch_seconds.time():
        for settled in _answers(claimed, transports, pool, deadline):
            summary += _settle(settled, deadline)
    return summary


def _answers(
    claimed: Sequence[Claimed], transports: Transports, pool: Executor, deadline: float
) -> Iterator[list[Settled]]:
    """Compose and hand over, transport by transport; every claimed delivery gets exactly one answer."""
    rows = {one.row.delivery_id: one.row for one in claimed}
    by_transport: dict[UUID, list[Envelope]] = defaultdict(list)
    unmade: list[Settled] = []
    try:
        composed = compose_batch(claimed)
    except Exception as error:  # nothing was sent, and nobody else could ever know that
        log.exception("emails.delivery.not_loaded")
        yield [(one.row, _not_loaded(error)) for one in claimed]
        return
    for one, made in zip(claimed, composed, strict=True):
        match made:
            case Envelope():
                by_transport[one.row.transport_id].append(made)
            case ContentGone():
                unmade.append((one.row, made))
            case _:
                log.error("emails.delivery.not_composed", delivery=str(one.row.delivery_id), exc_info=made)
                unmade.append((one.row, _our_fault(made)))
    yield unmade
    for transport_id, envelopes in by_transport.items():
        transport = _transport(transports, transport_id)
        if isinstance(transport, TransportError):
            yield [(rows[envelope.delivery_id], transport) for envelope in envelopes]
            continue
        for group in hand_over(transport, envelopes, pool=pool, deadline=deadline):
            yield [(rows[envelope.delivery_id], answer) for envelope, answer in group]


def _transport(transports: Transports, transport_id: UUID) -> Transport | TransportError:
    try:
        return transports.get(transport_id)
    except Misconfigured as error:
        return TransportError(kind=ErrorClass.AUTH, code="misconfigured", message=str(error))
    except Exception as error:
        log.exception("emails.delivery.no_transport", transport=str(transport_id))
        return _not_loaded(error)


def _not_loaded(error: Exception) -> TransportError:
    return TransportError(
        kind=ErrorClass.NETWORK, code=type(error).__name__, message="The mail could not be loaded."
    )


def _our_fault(error: Exception) -> TransportError:
    return TransportError(
        kind=ErrorClass.BUG, code=type(error).__name__, message="The mail could not be composed."
    )


def _settle(settled: Sequence[Settled], deadline: float) -> Summary:
    """Write what happened, in one commit; while the database is away, again until the lease ends."""
    if not settled:
        return Counter()
    wait = 0.05
    while True:
        try:
            moves = [_move(row, answer) for row, answer in _with_cancels(settled)]
            failpoints.reach("settle.before_commit")
            transitions.move(moves, now=now())
            failpoints.reach("settle.after_commit")
            break
        except OperationalError:
            if time.monotonic() > deadline:
                spool.keep(settled)
                raise
            log.warning("emails.delivery.not_settled", deliveries=len(settled), exc_info=True)
            time.sleep(wait)
            wait = min(2.0, wait * 2)
    with suppress(
        DatabaseError
    ):  # the next answer will say the same; what was sent meanwhile must be settled
        breaking.note(settled, now=now())
        pacing.slow_down((row.transport_id for row, answer in settled if _is_too_fast(answer)), now=now())
    for (row, _), move in zip(settled, moves, strict=True):
        metrics.outcomes.labels(transport=str(row.transport_id), outcome=move.to.value).inc()
    pacing.give_back_unsent(row.transport_id for row, answer in settled if _is_unsent(answer))
    return Counter(move.to.value for move in moves)


def _is_too_fast(answer: Answer | ContentGone) -> bool:
    """The provider's rate limit, not our own deadline."""
    return (
        isinstance(answer, TransportError) and answer.kind == ErrorClass.THROTTLED and answer.code != OVERDUE
    )


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


def _move(row: Picked, answer: Answer | ContentGone) -> Move:
    if isinstance(answer, ContentGone):
        return outcome.content_gone(row, str(answer))
    return outcome.next_move(row, answer, now=now(), random=random.random)
