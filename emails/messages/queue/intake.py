"""The rows of accepted messages, one insert per table, for accept to store together."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import cycle
from typing import Any
from uuid import UUID

from emails.messages import content as contents
from emails.messages.content import Content
from emails.messages.lifecycle import RANKS
from emails.messages.models import Delivery, Message, MessageContent, Recipient
from mailgrid.core.addresses import Mailbox
from mailgrid.core.sql import Beginnings, Insert
from mailgrid.core.vocabulary import Status


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRecipient:
    """An address a message is for; `suppressed` is the reason why it is left out, or empty."""

    id: UUID
    kind: str
    mailbox: Mailbox
    suppressed: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewMessage:
    """One message, decided and ready to be stored, with one delivery for all recipients, or one for each.

    `state` is the delivery's first state and `hold_reason` why it is held, if it is. `content` is what is kept; its
    attachments are already in the blob store.
    """

    id: UUID
    delivery_ids: tuple[UUID, ...]
    tenant_id: UUID
    test: bool
    stream_id: UUID
    transport_id: UUID
    priority: int
    at_most_once: bool
    sensitive: bool
    source: str
    state: Status
    hold_reason: str
    sender: Mailbox
    reply_to: tuple[Mailbox, ...]
    recipients: tuple[NewRecipient, ...]
    content: Content
    tags: dict[str, str | None]
    metadata: dict[str, Any]
    size: int
    key_id: UUID | None
    batch_id: UUID | None
    retry_of: UUID | None
    request_id: str
    scheduled_at: datetime | None
    due_at: datetime
    expires_at: datetime

    def texts(self, kind: str) -> list[str]:
        """The addresses of one kind as people write them."""
        return [recipient.mailbox.readable() for recipient in self.recipients if recipient.kind == kind]


def inserts(messages: Sequence[NewMessage], *, now: datetime) -> list[Insert]:
    """The rows of messages, contents, deliveries and recipients. Large contents are in the blob store afterwards."""
    return [
        Insert(Message, _MESSAGE, [_message(new, now) for new in messages], _MESSAGE_BEGINS),
        Insert(MessageContent, contents.COLUMNS, [_content(new) for new in messages]),
        Insert(
            Delivery, _DELIVERY, [row for new in messages for row in _deliveries(new, now)], _DELIVERY_BEGINS
        ),
        Insert(
            Recipient,
            _RECIPIENT,
            [row for new in messages for row in _recipients(new, now)],
            _RECIPIENT_BEGINS,
        ),
    ]


_MESSAGE = (
    "id",
    "tenant_id",
    "test",
    "stream_id",
    "priority",
    "source",
    "status",
    "sender",
    "to",
    "cc",
    "bcc",
    "reply_to",
    "subject",
    "tags",
    "metadata",
    "size",
    "key_id",
    "batch_id",
    "retry_of",
    "template_id",
    "template_version",
    "request_id",
    "scheduled_at",
    "expires_at",
    "created_at",
)
_MESSAGE_BEGINS: Beginnings = (("opened", False), ("clicked", False), ("provider_message_id", ""))


def _message(new: NewMessage, now: datetime) -> tuple[Any, ...]:
    version = new.content.version
    return (
        new.id,
        new.tenant_id,
        new.test,
        new.stream_id,
        new.priority,
        new.source,
        new.state.value,
        new.sender.readable(),
        new.texts("to"),
        new.texts("cc"),
        new.texts("bcc"),
        [mailbox.readable() for mailbox in new.reply_to],
        "" if new.sensitive else new.content.subject,
        new.tags,
        new.metadata,
        new.size,
        new.key_id,
        new.batch_id,
        new.retry_of,
        version and version.template_id,
        version and version.number,
        new.request_id,
        new.scheduled_at,
        new.expires_at,
        now,
    )


def _content(new: NewMessage) -> tuple[Any, ...]:
    return contents.as_row(
        tenant_id=new.tenant_id, message_id=new.id, content=new.content, sensitive=new.sensitive
    )


_DELIVERY = (
    "id",
    "tenant_id",
    "test",
    "message_id",
    "stream_id",
    "transport_id",
    "priority",
    "at_most_once",
    "state",
    "hold_reason",
    "due_at",
    "expires_at",
    "created_at",
)
_DELIVERY_BEGINS: Beginnings = (
    ("lease_until", None),
    ("fence", 0),
    ("attempts", 0),
    ("cancel_requested", False),
    ("suspect", False),
    ("crashes", 0),
)


def _deliveries(new: NewMessage, now: datetime) -> list[tuple[Any, ...]]:
    if len(new.delivery_ids) == 1:
        return [_delivery(new, new.delivery_ids[0], new.state, now)]
    return [
        _delivery(new, id_, Status.SUPPRESSED if recipient.suppressed else new.state, now)
        for id_, recipient in zip(new.delivery_ids, new.recipients, strict=True)
    ]


def _delivery(new: NewMessage, id_: UUID, state: Status, now: datetime) -> tuple[Any, ...]:
    return (
        id_,
        new.tenant_id,
        new.test,
        new.id,
        new.stream_id,
        new.transport_id,
        new.priority,
        new.at_most_once,
        state.value,
        new.hold_reason if state == new.state else "",
        new.due_at,
        new.expires_at,
        now,
    )


_RECIPIENT = (
    "id",
    "tenant_id",
    "message_id",
    "delivery_id",
    "position",
    "kind",
    "address",
    "name",
    "status",
    "rank",
    "reason",
    "status_at",
)
_RECIPIENT_BEGINS: Beginnings = (
    ("bounce_type", ""),
    ("opens", 0),
    ("human_opens", 0),
    ("clicks", 0),
    ("human_clicks", 0),
)


def _recipients(new: NewMessage, now: datetime) -> list[tuple[Any, ...]]:
    return [
        (
            recipient.id,
            new.tenant_id,
            new.id,
            delivery_id,
            position,
            recipient.kind,
            recipient.mailbox.address,
            recipient.mailbox.name[:320],
            Status.SUPPRESSED.value if recipient.suppressed else "",
            RANKS[Status.SUPPRESSED] if recipient.suppressed else 0,
            recipient.suppressed,
            now,
        )
        for position, (recipient, delivery_id) in enumerate(zip(new.recipients, cycle(new.delivery_ids)))
    ]
