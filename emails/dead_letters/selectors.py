"""Find dead letters: across tenants and kinds, newest first, with a constant number of queries."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from django.db.models import BooleanField, Exists, F, Func, OuterRef, QuerySet

from emails.events.models import Notification
from emails.messages.lifecycle import TERMINAL
from emails.messages.models import Attempt, Delivery, Recipient
from mailgrid.core.vocabulary import FailReason, HoldReason, Status
from mailgrid.http.query import Page


class Kind(StrEnum):
    """What died."""

    DELIVERY = "delivery"
    NOTIFICATION = "notification"


class Reason(StrEnum):
    """Why it goes on no more by itself."""

    EXHAUSTED = "exhausted"  # its attempts are used up
    QUARANTINED = "quarantined"  # held, after an error of our own again and again


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A delivery or notification that waits for an operator; `id` is its own.

    `tenant_id` is None for notifications of a shared transport, `email_id` for every notification. `error` is that of
    the last attempt.
    """

    id: UUID
    kind: Kind
    reason: Reason
    tenant_id: UUID | None
    email_id: UUID | None
    attempts: int
    error: str | None
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetterFilter:
    """What a list is narrowed to; None and empty let all through. `since` is of the last attempt, inclusive."""

    kinds: Collection[str] = ()
    reasons: Collection[str] = ()
    tenant_id: UUID | None = None
    since: datetime | None = None


def listed(wanted: DeadLetterFilter, page: Page) -> tuple[list[DeadLetter], bool]:
    """A page of dead letters by their ids, newest first, and whether more follow in its direction."""
    found: list[DeadLetter] = []
    more = False
    for source in _SOURCES:
        if source.kind in (wanted.kinds or Kind) and source.reason in (wanted.reasons or Reason):
            rows, rest = page.of(source.rows(wanted))
            found += [source.show(row, source.reason) for row in rows]
            more = more or rest
    found.sort(key=lambda letter: letter.id, reverse=True)
    shown = found[-page.limit :] if page.before else found[: page.limit]
    return shown, more or len(found) > page.limit


def quarantined() -> QuerySet[Delivery]:
    """Deliveries that an error of our own has stopped again and again."""
    return Delivery.across_tenants.filter(_spelled("state", Status.HELD), hold_reason=HoldReason.QUARANTINED)


def exhausted() -> QuerySet[Delivery]:
    """Deliveries that used up their attempts for a recipient, and with which an operator has done nothing yet."""
    unreached = Recipient.across_tenants.filter(
        _spelled("reason", FailReason.RETRIES_EXHAUSTED), status=Status.FAILED
    )
    return Delivery.across_tenants.filter(
        pk__in=unreached.values("delivery_id"), state__in=TERMINAL, disposition=None
    )


def exhausted_notifications() -> QuerySet[Notification]:
    """Notifications that could not be worked off, ever."""
    return Notification.objects.filter(_spelled("state", Notification.State.EXHAUSTED))


def _spelled(column: str, word: str) -> Func:
    """A condition with its word in the statement: SQLite takes a partial index only for its own words."""
    return Func(F(column), template=f"%(expressions)s = '{word}'", output_field=BooleanField())


def _deliveries(rows: QuerySet[Delivery], wanted: DeadLetterFilter) -> QuerySet[Delivery]:
    if wanted.tenant_id:
        rows = rows.filter(tenant=wanted.tenant_id)
    if wanted.since:
        lately = Attempt.objects.filter(delivery=OuterRef("pk"), at__gte=wanted.since)
        rows = rows.filter(Exists(lately))
    return rows.prefetch_related("journal")


def _notifications(wanted: DeadLetterFilter) -> QuerySet[Notification]:
    rows = exhausted_notifications().select_related("transport").defer("body")
    if wanted.tenant_id:
        rows = rows.filter(transport__tenant=wanted.tenant_id)
    if wanted.since:
        rows = rows.filter(due_at__gte=wanted.since)
    return rows


def letter_of(row: Delivery, reason: Reason) -> DeadLetter:
    """A delivery that is dead for this reason, with its journal at hand."""
    attempts = sorted(row.journal.all(), key=lambda attempt: attempt.fence)
    return DeadLetter(
        id=row.pk,
        kind=Kind.DELIVERY,
        reason=reason,
        tenant_id=row.tenant_id,
        email_id=row.message_id,
        attempts=row.attempts,
        error=_error_of(attempts),
        first_at=attempts[0].at if attempts else row.created_at,
        last_at=attempts[-1].at if attempts else row.created_at,
    )


def _error_of(attempts: Sequence[Attempt]) -> str | None:
    """The last of these attempts that failed: what it was told, or nothing."""
    for attempt in reversed(attempts):
        told = ": ".join(part for part in (attempt.error_code, attempt.error_message) if part)
        if told:
            return told
    return None


def _of_notification(row: Notification, reason: Reason) -> DeadLetter:
    return DeadLetter(
        id=row.pk,
        kind=Kind.NOTIFICATION,
        reason=reason,
        tenant_id=row.transport.tenant_id,
        email_id=None,
        attempts=row.attempts,
        error=row.result or None,
        first_at=row.received_at,
        last_at=row.due_at,
    )


@dataclass(frozen=True, slots=True)
class _Source:
    """Rows of one table that are dead for one reason."""

    kind: Kind
    reason: Reason
    rows: Callable[[DeadLetterFilter], QuerySet[Any]]
    show: Callable[[Any, Reason], DeadLetter]


_SOURCES: Final = (
    _Source(Kind.DELIVERY, Reason.QUARANTINED, lambda wanted: _deliveries(quarantined(), wanted), letter_of),
    _Source(Kind.DELIVERY, Reason.EXHAUSTED, lambda wanted: _deliveries(exhausted(), wanted), letter_of),
    _Source(Kind.NOTIFICATION, Reason.EXHAUSTED, _notifications, _of_notification),
)
