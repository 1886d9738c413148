"""Unsubscribing through a mail, and subscribing again: a choice of the recipient, in force at once.

It concerns what the mail was about (`subject_of`). Only an unsubscribe is ever lifted here: who bounced, complained or
was listed by hand stays listed.
"""

from dataclasses import dataclass
from datetime import datetime
from functools import partial
from uuid import UUID

from django.db import transaction

from emails.events.services import NewEvent, record
from emails.messages.lifecycle import RANKS
from emails.messages.models import Delivery, Message, Recipient
from emails.messages.queue import feedback, settling
from emails.suppressions import selectors as suppressions
from emails.suppressions.models import Suppression
from emails.suppressions.services import NewSuppression, lift_unsubscribe, suppress
from emails.tracking.links import Addressee
from mailgrid.core.errors import NotFound
from mailgrid.core.locks import until_done
from mailgrid.core.vocabulary import EventType, Status
from tenants.audit.services import Actor


class MailGone(NotFound):
    """The mail was erased with its tenant: nobody sends there any more."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What a recipient unsubscribes from: the scope of the suppression, and its name for people."""

    scope: str
    scope_id: UUID
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Where a recipient stands, for the page. The address is masked: whoever has the link may not be its owner."""

    tenant: str
    address: str
    subject: str
    unsubscribed: bool
    test: bool


def subject_of(message: Message) -> Subject:
    """What a message was about: its stream. A message with a topic will be about that (contacts)."""
    return Subject(Suppression.Scope.STREAM.value, message.stream_id, message.stream.name)


def choice(whose: Addressee, *, now: datetime) -> Choice:
    """Where the recipient stands now; raises `MailGone`."""
    recipient = _recipient(whose)
    return _choice(recipient, unsubscribed=_suppression_id(recipient, now=now) is not None)


def unsubscribe(whose: Addressee, *, now: datetime) -> Choice:
    """Suppress the address for the subject of this mail; once or many times is the same. Raises `MailGone`.

    Test mail suppresses nobody; what became of it is told all the same.
    """
    recipient = until_done(partial(_unsubscribe, whose, now=now))
    return _choice(recipient, unsubscribed=True)


def subscribe_again(whose: Addressee, *, actor: Actor, now: datetime) -> Choice:
    """Lift the unsubscribe, and nothing else; nothing happens where there is none. Raises `MailGone`."""
    recipient = _recipient(whose)
    subject = subject_of(recipient.message)
    lift_unsubscribe(
        tenant_id=recipient.tenant_id,
        address=recipient.address,
        scope=subject.scope,
        scope_id=subject.scope_id,
        actor=actor,
        now=now,
    )
    return _choice(recipient, unsubscribed=False)


def _recipient(whose: Addressee) -> Recipient:
    rows = Recipient.across_tenants.filter(pk=whose.recipient_id, tenant_id=whose.tenant_id)
    found = rows.select_related("message__stream", "message__tenant").first()
    if found is None:
        raise MailGone("This mail does not exist any more.")
    return found


def _unsubscribe(whose: Addressee, *, now: datetime) -> Recipient:
    with transaction.atomic():
        recipient = _recipient(whose)
        # In the order of everybody who settles: delivery, recipients, message.
        Delivery.across_tenants.select_for_update(no_key=True).get(pk=recipient.delivery_id)
        if not recipient.message.test:
            suppress([_suppression(recipient)], now=now)
        record([_event(recipient, now=now)], now=now)
        feedback.raise_recipients([_raised(recipient, now=now)])
        settling.project_messages({recipient.message_id: ""})
    return recipient


def _suppression(recipient: Recipient) -> NewSuppression:
    subject = subject_of(recipient.message)
    return NewSuppression(
        tenant_id=recipient.tenant_id,
        address=recipient.address,
        origin=Suppression.Origin.UNSUBSCRIBE.value,
        scope=subject.scope,
        scope_id=subject.scope_id,
        source_id=recipient.message_id,
        evidence="The recipient unsubscribed.",
    )


def _suppression_id(recipient: Recipient, *, now: datetime) -> UUID | None:
    subject = subject_of(recipient.message)
    return suppressions.unsubscribed(
        tenant_id=recipient.tenant_id,
        address=recipient.address,
        scope=subject.scope,
        scope_id=subject.scope_id,
        now=now,
    )


def _event(recipient: Recipient, *, now: datetime) -> NewEvent:
    """One for each time the recipient unsubscribed: the suppression is a new row after it was lifted."""
    return NewEvent(
        tenant_id=recipient.tenant_id,
        test=recipient.message.test,
        message_id=recipient.message_id,
        recipient_id=recipient.pk,
        type=EventType.UNSUBSCRIBED,
        status=Status.UNSUBSCRIBED if recipient.rank < RANKS[Status.UNSUBSCRIBED] else recipient.status,
        source="mailgrid",
        data={"topic_id": None},
        occurred_at=now,
        dedupe_key=f"unsubscribed:{recipient.pk}:{_suppression_id(recipient, now=now)}",
    )


def _raised(recipient: Recipient, *, now: datetime) -> feedback.Raised:
    return feedback.Raised(
        recipient_id=recipient.pk,
        status=Status.UNSUBSCRIBED,
        rank=RANKS[Status.UNSUBSCRIBED],
        reason="",
        bounce_type="",
        at=now,
    )


def _choice(recipient: Recipient, *, unsubscribed: bool) -> Choice:
    message = recipient.message
    return Choice(
        tenant=message.tenant.name,
        address=masked(recipient.address),
        subject=subject_of(message).name,
        unsubscribed=unsubscribed,
        test=message.test,
    )


def masked(address: str) -> str:
    """Enough for its owner to know the address: `a•••@example.com`."""
    local, _, domain = address.rpartition("@")
    return f"{local[:1]}•••@{domain}"
