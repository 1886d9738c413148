"""SES's event payloads, read as facts: one per recipient, whatever form they came in. Pure.

Two forms exist: event publishing (`eventType`, through a configuration set; carries our tags) and the older
identity feedback (`notificationType`; carries none). Source: Amazon SES Developer Guide, "Contents of event
data that Amazon SES publishes to Amazon SNS" and "Amazon SNS notification contents for Amazon SES".
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

from emails.feedback import reading
from emails.feedback.facts import BounceType, Fact, FactKind, suppresses
from emails.feedback.reading import UnreadablePayload
from emails.feedback.ses_words import bounce_message, delay_message

__all__ = ["BounceType", "Fact", "FactKind", "UnreadablePayload", "facts", "suppresses"]

Payload = Mapping[str, Any]


def facts(payload: dict[str, Any]) -> list[Fact]:
    """Every fact of one SES payload; none when SES speaks of a kind we do not know.

    Unknown fields are ignored: SES reserves the right to add both. Raises `UnreadablePayload`, and nothing
    else, when a known kind lacks what its documentation promises.
    """
    if not isinstance(payload, dict):
        raise UnreadablePayload("not an object")
    kind = reading.name_at(payload, "eventType" if "eventType" in payload else "notificationType")
    reader = _READERS.get(kind)
    if reader is None:
        return []
    found = reader(_mail(reading.object_at(payload, "mail")), payload)
    return list({fact.dedupe_key: fact for fact in found}.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class _Mail:
    """What every payload says about the mail it speaks of."""

    message_id: str
    sent_at: datetime
    destination: tuple[str, ...]
    delivery_id: UUID | None
    fence: int | None
    tenant_hex: str | None
    configuration_set: str

    @property
    def only_address(self) -> str | None:
        """The recipient, when there was but one: opens and clicks do not say whose they are."""
        return self.destination[0] if len(self.destination) == 1 else None

    def fact(
        self, kind: FactKind, address: str | None, at: datetime, *, mark: str | None = None, **more: Any
    ) -> Fact:
        """A fact about this mail; `mark`, the provider's feedback id, names it better than its time."""
        whom = "-" if address is None else sha256(address.encode()).hexdigest()[:24]
        return Fact(
            kind=kind,
            address=address,
            occurred_at=at,
            provider_message_id=self.message_id,
            delivery_id=self.delivery_id,
            fence=self.fence,
            tenant_hex=self.tenant_hex,
            configuration_set=self.configuration_set,
            dedupe_key=":".join((self.message_id, kind, whom, mark or at.isoformat())),
            **more,
        )


def _mail(mail: Payload) -> _Mail:
    tags = {} if mail.get("tags") is None else reading.object_at(mail, "tags")
    return _Mail(
        message_id=reading.name_at(mail, "messageId"),
        sent_at=reading.moment_at(mail, "timestamp"),
        destination=tuple(reading.addresses_at(mail, "destination")),
        delivery_id=reading.uuid_tag(tags, "mg_d"),
        fence=reading.number_tag(tags, "mg_f"),
        tenant_hex=reading.hex_tag(tags, "mg_t"),
        configuration_set=(reading.tag(tags, "ses:configuration-set") or "")[:64].replace("\0", ""),
    )


def _sent(mail: _Mail, _: Payload) -> Iterator[Fact]:
    yield mail.fact(FactKind.SENT, None, mail.sent_at)


def _delivered(mail: _Mail, payload: Payload) -> Iterator[Fact]:
    delivery = reading.object_at(payload, "delivery")
    at = reading.moment_at(delivery, "timestamp")
    for address in reading.addresses_at(delivery, "recipients"):
        yield mail.fact(FactKind.DELIVERED, address, at)


def _delayed(mail: _Mail, payload: Payload) -> Iterator[Fact]:
    delay = reading.object_at(payload, "deliveryDelay")
    at = reading.moment_at(delay, "timestamp")
    kind = reading.text_at(delay, "delayType") or "Undetermined"
    for recipient in reading.objects_at(delay, "delayedRecipients"):
        words = reading.text_at(recipient, "diagnosticCode") or delay_message(kind)
        yield mail.fact(
            FactKind.DELIVERY_DELAYED,
            reading.address_of(recipient.get("emailAddress")),
            at,
            detail={"type": kind, "message": words},
        )


def _bounced(mail: _Mail, payload: Payload) -> Iterator[Fact]:
    bounce = reading.object_at(payload, "bounce")
    at = reading.moment_at(bounce, "timestamp")
    kind = reading.text_at(bounce, "bounceType") or "Undetermined"
    subtype = reading.text_at(bounce, "bounceSubType") or "Undetermined"
    for recipient in reading.objects_at(bounce, "bouncedRecipients"):
        words = reading.text_at(recipient, "diagnosticCode")
        yield mail.fact(
            FactKind.BOUNCED,
            reading.address_of(recipient.get("emailAddress")),
            at,
            mark=_mark(bounce),
            bounce_type=_BOUNCE_TYPES.get(kind, BounceType.UNDETERMINED),
            status_code=reading.status_code_at(recipient, "status"),
            detail={
                "type": kind,
                "subType": subtype,
                "message": bounce_message(kind, subtype),
                "diagnosticCode": [] if words is None else [words],
            },
        )


def _complained(mail: _Mail, payload: Payload) -> Iterator[Fact]:
    complaint = reading.object_at(payload, "complaint")
    at = reading.moment_at(complaint, "timestamp")
    # A report without a type, or one that SES made itself, has only a sub-type; `other` is RFC 5965's word.
    kind = (
        reading.text_at(complaint, "complaintFeedbackType")
        or reading.text_at(complaint, "complaintSubType")
        or "other"
    )
    for recipient in reading.objects_at(complaint, "complainedRecipients"):
        address = reading.address_of(recipient.get("emailAddress"))
        yield mail.fact(FactKind.COMPLAINED, address, at, mark=_mark(complaint), detail={"type": kind})


def _rejected(mail: _Mail, payload: Payload) -> Iterator[Fact]:
    words = reading.text_at(reading.object_at(payload, "reject"), "reason") or ""
    # "Bad content" is the one documented reason, and means that a virus was found.
    reason = "virus" if words.casefold() == "bad content" else "other"
    yield mail.fact(FactKind.REJECTED, None, mail.sent_at, detail={"reason": reason, "message": words})


def _rendering_failed(mail: _Mail, payload: Payload) -> Iterator[Fact]:
    words = reading.text_at(reading.object_at(payload, "failure"), "errorMessage") or ""
    yield mail.fact(
        FactKind.RENDERING_FAILED, None, mail.sent_at, detail={"reason": "rendering", "message": words}
    )


def _opened(mail: _Mail, payload: Payload) -> Iterator[Fact]:
    opening = reading.object_at(payload, "open")
    at = reading.moment_at(opening, "timestamp")
    detail = {key: reading.text_at(opening, key) for key in ("ipAddress", "userAgent", "timestamp")}
    yield mail.fact(FactKind.OPENED, mail.only_address, at, detail=detail)


def _clicked(mail: _Mail, payload: Payload) -> Iterator[Fact]:
    click = reading.object_at(payload, "click")
    at = reading.moment_at(click, "timestamp")
    detail = {key: reading.text_at(click, key) for key in ("ipAddress", "link", "timestamp", "userAgent")}
    yield mail.fact(FactKind.CLICKED, mail.only_address, at, detail=detail)


def _subscribed(mail: _Mail, payload: Payload) -> Iterator[Fact]:
    change = reading.object_at(payload, "subscription")
    at = reading.moment_at(change, "timestamp")
    wishes = reading.object_at(change, "newTopicPreferences")
    topics = [
        {"topic": reading.text_at(topic, "topicName"), "status": reading.text_at(topic, "subscriptionStatus")}
        for topic in reading.objects_at(wishes, "topicSubscriptionStatus")
    ]
    detail = {
        "contactList": reading.text_at(change, "contactList"),
        "source": reading.text_at(change, "source"),
        "unsubscribeAll": wishes.get("unsubscribeAll") is True,
        "topics": topics,
    }
    yield mail.fact(FactKind.SUBSCRIBED, mail.only_address, at, detail=detail)


def _mark(feedback: Payload) -> str | None:
    return None if feedback.get("feedbackId") is None else reading.name_at(feedback, "feedbackId")


_BOUNCE_TYPES = {
    "Permanent": BounceType.PERMANENT,
    "Transient": BounceType.TRANSIENT,
    "Undetermined": BounceType.UNDETERMINED,
}

_READERS: dict[str, Callable[[_Mail, Payload], Iterator[Fact]]] = {
    "Send": _sent,
    "Delivery": _delivered,
    "DeliveryDelay": _delayed,
    "Bounce": _bounced,
    "Complaint": _complained,
    "Reject": _rejected,
    "Rendering Failure": _rendering_failed,
    "Open": _opened,
    "Click": _clicked,
    "Subscription": _subscribed,
}
