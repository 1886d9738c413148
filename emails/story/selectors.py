"""The timeline of one message: accept, attempts, events, and what people did, in the order in which it happened."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from emails.events.models import Event
from emails.messages.models import Attempt, Message
from emails.messages.selectors import get_message
from mailgrid.core.vocabulary import EventType
from tenants.keys.models import ApiKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One thing that happened. `kind` is accepted, attempt or event; `what` a sentence for people."""

    at: datetime
    kind: str
    what: str
    detail: dict[str, Any]


def timeline(message_id: str) -> list[Line]:
    """Everything about a message of the tenant in scope, oldest first; raises `NotFound`."""
    message = get_message(message_id)
    lines = [_accepted(message), *_attempts(message), *_events(message)]
    return sorted(lines, key=lambda line: line.at)


def _accepted(message: Message) -> Line:
    key = ApiKey.across_tenants.filter(pk=message.key_id).first() if message.key_id else None
    by = f"with key {key.prefix}" if key else "by a key that is gone"
    detail = {"source": message.source, "request_id": message.request_id, "key": key.prefix if key else None}
    what = f"Accepted through {message.source} {by}, on stream {message.stream.name}."
    return Line(at=message.created_at, kind="accepted", what=what, detail=detail)


def _attempts(message: Message) -> Iterator[Line]:
    rows = Attempt.objects.filter(delivery__message=message).select_related("delivery__transport")
    for attempt in rows.order_by("at"):
        transport = attempt.delivery.transport
        yield Line(
            at=attempt.at,
            kind="attempt",
            what=_attempt_sentence(attempt, transport.name),
            detail={
                "transport": transport.name,
                "fence": attempt.fence,
                "outcome": attempt.outcome,
                "settled_by": attempt.settled_by or None,
                "ended_at": attempt.ended_at,
                "provider_message_id": attempt.provider_message_id or None,
                "error": {
                    "class": attempt.error_class,
                    "code": attempt.error_code,
                    "message": attempt.error_message,
                }
                if attempt.error_class
                else None,
            },
        )


def _attempt_sentence(attempt: Attempt, transport: str) -> str:
    told = {
        "started": f"Handed to {transport}; no answer yet.",
        "sent": f"{transport} accepted it.",
        "deferred": f"{transport} did not take it yet: {attempt.error_message or attempt.error_code}",
        "held": f"Held after {transport} did not take it: {attempt.error_message or attempt.error_code}",
        "failed": f"{transport} refused it for good: {attempt.error_message or attempt.error_code}",
        "in_doubt": f"The answer of {transport} was lost; it may have been sent.",
    }
    return told.get(attempt.outcome, f"{transport}: {attempt.outcome}.")


def _events(message: Message) -> Iterator[Line]:
    rows = Event.across_tenants.filter(message=message).select_related("recipient").order_by("seq")
    for event in rows:
        yield Line(
            at=event.created_at,
            kind="event",
            what=_event_sentence(event),
            detail={
                "event_id": event.event_id,
                "type": event.type,
                "recipient": event.recipient.address,
                "status": event.status,
                "occurred_at": event.occurred_at,
                **event.data,
            },
        )


def _event_sentence(event: Event) -> str:
    address = event.recipient.address
    reason = next((str(part["reason"]) for part in event.data.values() if _has_reason(part)), "")
    said = _SENTENCES.get(event.type, "{address}: " + event.type).format(address=address)
    return f"{said} ({reason})." if reason else f"{said}."


def _has_reason(part: Any) -> bool:
    return isinstance(part, dict) and bool(part.get("reason"))


_SENTENCES: Final[dict[str, str]] = {
    EventType.QUEUED: "Ready to be sent to {address}",
    EventType.SCHEDULED: "Waits for its time to be sent to {address}",
    EventType.HELD: "Held before it was sent to {address}",
    EventType.SUPPRESSED: "Not sent to {address}, which is suppressed",
    EventType.SENT: "The provider took it for {address}",
    EventType.DELIVERED: "The server of {address} took it",
    EventType.DELIVERY_DELAYED: "The server of {address} lets it wait",
    EventType.BOUNCED: "Returned by the server of {address}",
    EventType.COMPLAINED: "{address} reported it as spam",
    EventType.OPENED: "Opened by {address}",
    EventType.CLICKED: "A link was clicked by {address}",
    EventType.UNSUBSCRIBED: "{address} unsubscribed through it",
    EventType.FAILED: "Could not be sent to {address}",
    EventType.REJECTED: "The provider refused it for {address} after taking it",
    EventType.CANCELED: "Cancelled before it was sent to {address}",
    EventType.EXPIRED: "Too late to be sent to {address}",
    EventType.UNKNOWN: "Nobody can prove whether it was sent to {address}",
}
