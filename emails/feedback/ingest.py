"""Work off stored notifications: read, verify, apply. Any number of workers; a notification may be worked off twice.

One that fails again and again, or ends its worker, does so a bounded number of times: then it is exhausted, and an
operator decides.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final, Protocol
from uuid import UUID

import orjson
from django.db import transaction
from django.db.models import QuerySet

from emails.events.models import SEALED, Notification
from emails.events.services import payload_of, settle_notifications
from emails.feedback import services
from emails.feedback.facts import Fact
from emails.feedback.ses import UnreadablePayload, facts
from emails.messages.queue.passes import in_states
from emails.transports.models import Transport
from mailgrid.core import failpoints, metrics, work
from mailgrid.core.bells import EVENTS, ring
from mailgrid.core.durations import scaled
from mailgrid.core.locks import until_done
from mailgrid.core.logging import get_logger

log = get_logger(__name__)

DRAIN_SECONDS: Final = 2.0  # then the other queues of the same worker get their turn
CHUNK: Final = 200
LEASE_SECONDS: Final = scaled(60)
ATTEMPTS: Final = 10  # then it is exhausted: after three hours of growing waits
RETRY: Final = timedelta(seconds=scaled(30))
RETRY_MAX: Final = timedelta(seconds=scaled(3600))
_DISMISSED: Final = "An operator took it off the list."

State = Notification.State
_OPEN: Final = in_states(State.PENDING, State.PROCESSING)
Summary = Counter[str]


class Refused(Exception):
    """The notification does not come from where it says, or is not for this account."""


class WornOut(Exception):
    """The notification was claimed more often than it may be, and never settled."""


class Envelopes(Protocol):
    """How a provider wraps its events: verifies a raw notification and unwraps the event inside."""

    def open(self, body: dict[str, Any], *, transport: Transport, now: datetime) -> dict[str, Any] | None:
        """The SES event, or None when the notification was about the subscription itself. Raises `Refused`."""
        ...


def ingest(*, envelopes: Envelopes, clock: Callable[[], datetime]) -> Summary:
    """Work off due notifications until there are none, or for two seconds; how many ended how.

    `clock` is read for each batch: a lease counts from when its batch was claimed.
    """
    total: Summary = Counter()
    until = time.monotonic() + DRAIN_SECONDS
    while time.monotonic() < until:
        done = sum((_work_off(batch, envelopes, now=now) for batch, now in _batches(clock)), Counter[str]())
        if not done:
            return total
        total += done
    ring(EVENTS)
    return total


def _batches(clock: Callable[[], datetime]) -> Iterator[tuple[list[Notification], datetime]]:
    """What is due. One whose lease ended may have ended its worker: it comes alone, and takes nobody along."""
    for state, limit in ((State.PROCESSING, 1), (State.PENDING, CHUNK)):
        rows = Notification.objects.filter(_OPEN, state=state).select_related("transport")
        now = clock()
        if batch := work.claim(rows, now=now, limit=limit, lease_seconds=LEASE_SECONDS):
            yield batch, now


def release_all(*, now: datetime) -> int:
    """At the start of a process that is known to be the only one: whoever worked on a notification is dead."""
    return Notification.objects.filter(state=State.PROCESSING).update(due_at=now, lease_until=None)


def work_off_again(*, notification_id: UUID, now: datetime) -> bool:
    """Give an exhausted notification all its attempts again; False when it is in another state."""
    changed = _exhausted(notification_id).update(state=State.PENDING, attempts=0, due_at=now)
    ring(EVENTS)
    return bool(changed)


def dismiss(*, notification_id: UUID) -> bool:
    """Leave an exhausted notification without effect, for good; False when it is in another state."""
    row = Notification.objects.filter(pk=notification_id, body__startswith=SEALED, state=State.EXHAUSTED)
    row.update(body="")
    return bool(_exhausted(notification_id).update(state=State.IGNORED, result=_DISMISSED))


def _exhausted(notification_id: UUID) -> QuerySet[Notification]:
    return Notification.objects.filter(pk=notification_id, state=State.EXHAUSTED)


def _work_off(batch: Sequence[Notification], envelopes: Envelopes, *, now: datetime) -> Summary:
    found: list[Fact] = []
    for row in batch:
        row.state, row.result = State.APPLIED, ""
        try:
            found += _facts(row, envelopes, now=now)
        except Refused as error:
            row.state, row.result = State.REFUSED, str(error)[:500]
        except UnreadablePayload as error:
            row.state, row.result = State.UNREADABLE, str(error)[:500]
        except Exception as error:
            log.warning("emails.notification.postponed", notification=str(row.pk), exc_info=True)
            _postpone(row, error, now=now)
    try:
        until_done(lambda: _apply(found, batch, now=now))
    except Exception as error:
        if len(batch) > 1:  # one of them is to blame: each for itself, so that it takes nobody along
            return sum((_work_off([row], envelopes, now=now) for row in batch), Counter())
        log.warning("emails.notification.postponed", notification=str(batch[0].pk), exc_info=True)
        _postpone(batch[0], error, now=now)
        _apply([], batch, now=now)
    summary = Counter(str(row.state) for row in batch)
    for result, count in summary.items():
        metrics.notifications.labels(result=result).inc(count)
    return summary


def _apply(found: Sequence[Fact], batch: Sequence[Notification], *, now: datetime) -> None:
    with transaction.atomic():
        services.apply(found, now=now)
        settle_notifications(batch)
        failpoints.reach("ingest.before_commit")


def _facts(row: Notification, envelopes: Envelopes, *, now: datetime) -> list[Fact]:
    if row.attempts > ATTEMPTS:
        raise WornOut("its worker died each time")
    try:
        body = orjson.loads(payload_of(row))
    except orjson.JSONDecodeError:
        raise UnreadablePayload("not JSON") from None
    if not isinstance(body, dict):
        raise UnreadablePayload("not an object")
    if row.transport.kind != Transport.Kind.SANDBOX:
        event = envelopes.open(body, transport=row.transport, now=now)
        if event is None:
            row.state = State.IGNORED
            return []
        body = event
    return [
        replace(fact, account_tenant=row.transport.tenant_id, told_by=row.transport_id)
        for fact in facts(body)
    ]


def _postpone(row: Notification, error: Exception, *, now: datetime) -> None:
    exhausted = row.attempts >= ATTEMPTS
    wait = min(RETRY_MAX, RETRY * 2 ** (row.attempts - 1))
    row.state = State.EXHAUSTED if exhausted else State.PENDING
    row.result = f"{type(error).__name__}: {error}"[:500]
    row.due_at, row.lease_until = now if exhausted else now + wait, None
