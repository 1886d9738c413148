"""The rows of accepted messages, one insert per table, for accept to store together."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from emails.messages import content as contents
from emails.messages.content import Content
from emails.messages.lifecycle import RANKS
from emails.messages.models import Delivery, Message, MessageContent, Recipient
from mailgrid.core.addresses import Mailbox
from mailgrid.core.sql import Insert
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
    """One message with its one delivery, decided and ready to be stored.

    `state` is the delivery's first state and `hold_reason` why it is held, if it is. `content` is what is kept; its
    attachments are already in the blob store.
    """

    id: UUID
    delivery_id: UUID
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
        Insert(Message, _MESSAGE, [_message(new, now) for new in messages]),
        Insert(MessageContent, contents.COLUMNS, [_content(new) for new in messages]),
        Insert(Delivery, _DELIVERY, [_delivery(new, now) for new in messages]),
        Insert(Recipient, _RECIPIENT, [row for new in messages for row in _recipients(new, now)]),
    ]


_MESSAGE = (
    "id",
    "tenant_id",
    "test",
    "stream_id",
    "priority",
    "source",
    "status",
    "opened",
    "clicked",
    "sender",
    "to",
    "cc",
    "bcc",
    "reply_to",
    "subject",
    "tags",
    "metadata",
    "size",
    "provider_message_id",
    "key_id",
    "batch_id",
    "retry_of",
    "request_id",
    "scheduled_at",
    "expires_at",
    "created_at",
)


def _message(new: NewMessage, now: datetime) -> tuple[Any, ...]:
    return (
        new.id,
        new.tenant_id,
        new.test,
        new.stream_id,
        new.priority,
        new.source,
        new.state.value,
        False,
        False,
        new.sender.readable(),
        new.texts("to"),
        new.texts("cc"),
        new.texts("bcc"),
        [mailbox.readable() for mailbox in new.reply_to],
        "" if new.sensitive else new.content.subject,
        new.tags,
        new.metadata,
        new.size,
        "",
        new.key_id,
        new.batch_id,
        new.retry_of,
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
    "lease_until",
    "fence",
    "attempts",
    "cancel_requested",
    "suspect",
    "crashes",
    "expires_at",
    "created_at",
)


def _delivery(new: NewMessage, now: datetime) -> tuple[Any, ...]:
    return (
        new.delivery_id,
        new.tenant_id,
        new.test,
        new.id,
        new.stream_id,
        new.transport_id,
        new.priority,
        new.at_most_once,
        new.state.value,
        new.hold_reason,
        new.due_at,
        None,
        0,
        0,
        False,
        False,
        0,
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
    "bounce_type",
    "status_at",
    "opens",
    "human_opens",
    "clicks",
    "human_clicks",
)


def _recipients(new: NewMessage, now: datetime) -> list[tuple[Any, ...]]:
    return [
        (
            recipient.id,
            new.tenant_id,
            new.id,
            new.delivery_id,
            position,
            recipient.kind,
            recipient.mailbox.address,
            recipient.mailbox.name[:320],
            Status.SUPPRESSED.value if recipient.suppressed else "",
            RANKS[Status.SUPPRESSED] if recipient.suppressed else 0,
            recipient.suppressed,
            "",
            now,
            0,
            0,
            0,
            0,
        )
        for position, recipient in enumerate(new.recipients)
    ]
