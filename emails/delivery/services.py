"""Deliver: the life of a batch. Safe to run twice, late, or at the same time elsewhere."""

import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from typing import Final
from uuid import UUID

from emails.composition.envelope import Envelope
from emails.delivery.claim import BATCH, claim_batch
from emails.delivery.composing import Claimed, compose_batch
from emails.delivery.ports import (
    ErrorClass,
    Misconfigured,
    Transport,
    TransportError,
    Transports,
)
from emails.delivery.sending import hand_over
from emails.delivery.settle import Settled, Summary, settle
from emails.messages.content import ContentGone
from emails.messages.queue.claiming import LEASE_SECONDS
from mailgrid.core import metrics
from mailgrid.core.bells import Priority, ring
from mailgrid.core.database import renew_connection
from mailgrid.core.durations import scaled
from mailgrid.core.locks import until_done
from mailgrid.core.logging import get_logger

log = get_logger(__name__)

DRAIN_SECONDS: Final = 2.0  # then the other queues of the same worker get their turn
DEADLINE_SECONDS: Final = LEASE_SECONDS - scaled(15)  # no call begins or goes on after this part of the lease


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
    summary, claimed = until_done(lambda: claim_batch(priority))
    if not claimed:
        return summary
    if invite and len(claimed) == BATCH:
        ring(priority.queue)
    with metrics.batch_seconds.time():
        for settled in _answers(claimed, transports, pool, deadline):
            summary += settle(settled, deadline)
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
        renew_connection()  # else the settling would go over the connection that just failed
        yield [(one.row, _not_loaded(error)) for one in claimed]
        return
    for one, made in zip(claimed, composed, strict=True):
        match made:
            case Envelope():
                by_transport[one.row.transport_id].append(made)
            case ContentGone():
                unmade.append((one.row, made))
            case OSError():  # the store of attachments and large bodies is away, and will be back
                log.warning("emails.delivery.not_read", delivery=str(one.row.delivery_id), error=str(made))
                unmade.append((one.row, _not_loaded(made)))
            case _:
                log.error("emails.delivery.not_composed", delivery=str(one.row.delivery_id), exc_info=made)
                unmade.append((one.row, _our_fault(made)))
    yield unmade
    batches: list[tuple[Transport, list[Envelope]]] = []
    for transport_id, envelopes in by_transport.items():
        transport = _transport(transports, transport_id)
        if isinstance(transport, TransportError):
            yield [(rows[envelope.delivery_id], transport) for envelope in envelopes]
        else:
            batches.append((transport, envelopes))
    for group in hand_over(batches, pool=pool, deadline=deadline):
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
        kind=ErrorClass.NETWORK,
        code=type(error).__name__,
        message="The mail could not be loaded.",
        ours=True,
    )


def _our_fault(error: Exception) -> TransportError:
    return TransportError(
        kind=ErrorClass.BUG,
        code=type(error).__name__,
        message="The mail could not be composed.",
        ours=True,
    )
