"""What an operator does with dead letters: redrive one, or take it off the list. Each is audited."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db import models, transaction
from django.db.models import QuerySet

from emails.dead_letters.models import Disposition
from emails.dead_letters.selectors import exhausted, quarantined
from emails.events import transitions
from emails.events.models import Notification
from emails.feedback import ingest
from emails.messages.lifecycle import Input
from emails.messages.models import Delivery, Message
from emails.messages.moves import Move
from emails.messages.queue import passes
from emails.submission.planning import Plan
from emails.submission.services import store
from emails.submission.verbs import plan_again
from mailgrid.core.bells import Priority, ring
from mailgrid.core.callers import Caller
from mailgrid.core.errors import Conflict, NotFound
from mailgrid.core.ids import parse_uuid
from mailgrid.core.scoping import in_scope
from mailgrid.core.vocabulary import FailReason
from tenants.audit.services import Actor, record
from tenants.tenancy.models import Tenant

CHUNK: Final = 5_000  # deliveries of one call: a page of messages with all their copies
_NOTHING: Final = UUID(int=0)  # the id of no row and no key
_GIVEN_UP: Final = "An operator gave it up."


class DeadLetterNotFound(NotFound):
    """No delivery and no notification has this id."""


class NoDeadLetter(Conflict):
    """It is none any more: it was redriven or taken off the list, or has gone its way by itself."""


@dataclass(frozen=True, slots=True)
class Redriven:
    """A dead letter that goes on; `email_id` is the new message of an exhausted delivery."""

    id: UUID
    email_id: UUID | None


def redrive(*, letter_id: UUID | str, actor: Actor, now: datetime) -> Redriven:
    """Release what is quarantined, send what is exhausted as a new message, work a notification off again.

    Raises `DeadLetterNotFound`, `NoDeadLetter`, `Conflict` when the content is gone, and for a new message whatever
    refuses a submission.
    """
    row = _find(letter_id)
    if isinstance(row, Notification):
        with transaction.atomic():
            if not ingest.work_off_again(notification_id=row.pk, now=now):
                raise NoDeadLetter(_NONE_ANY_MORE)
            _audit("notification.redrive", row, _owner(row), actor=actor, now=now)
        return Redriven(row.pk, None)
    if exhausted().filter(pk=row.pk).exists():
        return Redriven(row.pk, _send_again(row, actor=actor, now=now))
    with transaction.atomic():
        if not release(quarantined().filter(pk=row.pk), now=now):
            raise NoDeadLetter(_NONE_ANY_MORE)
        _audit_message("message.redrive", row, actor=actor, now=now)
    return Redriven(row.pk, None)


def remove(*, letter_id: UUID | str, actor: Actor, now: datetime) -> UUID:
    """End what is quarantined as `failed: given_up`; take anything else off the list. Raises as `redrive`."""
    row = _find(letter_id)
    with transaction.atomic():
        if isinstance(row, Notification):
            if not ingest.dismiss(notification_id=row.pk):
                raise NoDeadLetter(_NONE_ANY_MORE)
            _audit("notification.dismiss", row, _owner(row), actor=actor, now=now)
        elif _lock_exhausted(row):
            _dispose(row, Disposition.Verdict.REMOVED, email_id=None, now=now)
            _audit_message("message.dismiss", row, actor=actor, now=now)
        elif give_up(quarantined().filter(pk=row.pk), now=now):
            _audit_message("message.give_up", row, actor=actor, now=now)
        else:
            raise NoDeadLetter(_NONE_ANY_MORE)
    removed: UUID = row.pk
    return removed


def release(rows: QuerySet[Delivery], *, now: datetime) -> int:
    """Queue these quarantined deliveries, and ring; how many.

    Each is claimed alone: what quarantined it may have ended its process.
    """
    moves = [
        replace(move, suspect=True) for move in passes.moves(rows, Input.RELEASED, limit=CHUNK, due_at=now)
    ]
    return _move(moves, now=now)


def give_up(rows: QuerySet[Delivery], *, now: datetime) -> int:
    """End these quarantined deliveries as `failed: given_up`; how many."""
    moves = passes.moves(rows, Input.FAILED, limit=CHUNK, reason=FailReason.GIVEN_UP, detail=_GIVEN_UP)
    return _move(moves, now=now)


def exhausted_of(message_ids: Iterable[UUID]) -> list[UUID]:
    """The exhausted deliveries of these messages."""
    rows = exhausted().filter(message__in=list(message_ids)).order_by("pk")
    return list(rows.values_list("pk", flat=True)[:CHUNK])


_NONE_ANY_MORE: Final = "This is no dead letter any more."


def _find(letter_id: UUID | str) -> Delivery | Notification:
    """The row of this id, dead or not; raises `DeadLetterNotFound`."""
    pk = parse_uuid(letter_id) or _NOTHING
    delivery: Delivery | None = Delivery.across_tenants.filter(pk=pk).select_related("message").first()
    found = delivery or Notification.objects.filter(pk=pk).select_related("transport").defer("body").first()
    if found is None:
        raise DeadLetterNotFound("There is no such dead letter.")
    return found


def _send_again(row: Delivery, *, actor: Actor, now: datetime) -> UUID:
    """A new message to whom this delivery did not reach; the planning is done before anything is locked."""
    message: Message = row.message
    with in_scope(row.tenant_id, test=row.test):
        planned = plan_again(
            message_id=message.pk,
            delivery_id=row.pk,
            caller=_on_behalf_of(message, actor),
            now=now,
        )
        with transaction.atomic():
            return _store_again(row, planned, actor=actor, now=now)


def _store_again(row: Delivery, planned: Plan, *, actor: Actor, now: datetime) -> UUID:
    if not _lock_exhausted(row):
        raise NoDeadLetter(_NONE_ANY_MORE)
    (accepted,) = store(planned, now=now).accepted
    _dispose(row, Disposition.Verdict.REDRIVEN, email_id=accepted.id, now=now)
    _audit_message("message.redrive", row, actor=actor, now=now, email_id=str(accepted.id))
    return accepted.id


def _on_behalf_of(message: Message, actor: Actor) -> Caller:
    """Whoever sent the message sends it again; what their key may do by now is for the operator to judge."""
    return Caller(
        tenant_id=message.tenant_id,
        test=message.test,
        key_id=message.key_id or _NOTHING,
        scopes=frozenset(),
        ip=actor.ip,
        request_id=actor.request_id,
    )


def _lock_exhausted(row: Delivery) -> bool:
    """Whether this delivery is exhausted still; nobody else decides about it until the end of the transaction."""
    Delivery.across_tenants.select_for_update().only("pk").get(pk=row.pk)
    return exhausted().filter(pk=row.pk).exists()


def _dispose(row: Delivery, verdict: Disposition.Verdict, *, email_id: UUID | None, now: datetime) -> None:
    Disposition.objects.create(delivery=row, verdict=verdict, email_id=email_id, at=now)


def _move(moves: list[Move], *, now: datetime) -> int:
    moved = transitions.move(moves, now=now)
    for priority in Priority:
        ring(priority.queue)
    return moved


def _owner(row: Notification) -> UUID:
    """The tenant in whose audit trail it stands: the operator's for shared transports."""
    if row.transport.tenant_id:
        return row.transport.tenant_id
    operator_id: UUID | None = Tenant.objects.filter(operator=True).values_list("pk", flat=True).first()
    if operator_id is None:
        raise Conflict("There is no operator tenant yet, in whose audit trail this would stand.")
    return operator_id


def _audit_message(action: str, row: Delivery, *, actor: Actor, now: datetime, **changes: Any) -> None:
    _audit(action, Message(pk=row.message_id), row.tenant_id, actor=actor, now=now, **changes)


def _audit(
    action: str, target: models.Model, tenant_id: UUID, *, actor: Actor, now: datetime, **changes: Any
) -> None:
    record(tenant_id=tenant_id, actor=actor, action=action, target=target, now=now, changes=changes)
