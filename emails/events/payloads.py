"""The wire form of an event: what webhooks post and `GET /events` lists (docs/api.md 2.3). Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from mailgrid.core.addresses import parse_mailbox

Header = tuple[str, str]

MAX_HEADER_BYTES: Final = 8 * 1024  # of all custom headers in one body, names and values


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldEvent:
    """An event with everything that is told about its message and its recipient.

    `data` is the event's own part. `sender` and `to` are RFC 5322 text. `headers` are all the message was
    given; the wire shows the custom ones.
    """

    event_id: UUID
    seq: int
    type: str
    status: str
    occurred_at: datetime
    test: bool
    data: Mapping[str, Any]
    email_id: UUID
    provider_message_id: str | None
    email_created_at: datetime
    sender: str
    to: Sequence[str]
    subject: str
    stream: str
    tags: Mapping[str, Any]
    metadata: Mapping[str, Any]
    recipient: str
    recipient_type: str
    headers: Sequence[Header] = field(default=(), repr=False)


def body(event: ToldEvent) -> dict[str, Any]:
    """The body of a webhook call. `created_at` and `timestamp` are both the time at which it happened."""
    return {
        "type": event.type,
        "created_at": event.occurred_at,
        "timestamp": event.occurred_at,
        "data": {
            **event.data,
            "email_id": event.email_id,
            "message_id": event.provider_message_id,
            "created_at": event.email_created_at,
            "from": event.sender,
            "to": affected_first(event.recipient, event.to),
            "subject": event.subject,
            "tags": dict(event.tags),
            "headers": [{"name": name, "value": value} for name, value in custom(event.headers)],
            "event_id": event.event_id,
            "seq": event.seq,
            "recipient": event.recipient,
            "recipient_type": event.recipient_type,
            "status": event.status,
            "stream": event.stream,
            "metadata": dict(event.metadata),
            "test": event.test,
        },
    }


def item(event: ToldEvent) -> dict[str, Any]:
    """The same as an item of a list."""
    return {"object": "event", "id": event.event_id, **body(event)}


def affected_first(recipient: str, to: Iterable[str]) -> list[str]:
    """Bare addresses: the one the event is about, then the other To addresses."""
    others = (parse_mailbox(text).address for text in to)
    return [recipient, *(address for address in others if address != recipient)]


def custom(headers: Iterable[Header]) -> list[Header]:
    """The `X-*` headers in their order, as many as fit into `MAX_HEADER_BYTES`."""
    kept, left = [], MAX_HEADER_BYTES
    for name, value in headers:
        if not name.lower().startswith("x-"):
            continue
        left -= len(name.encode()) + len(value.encode())
        if left < 0:
            break
        kept.append((name, value))
    return kept
