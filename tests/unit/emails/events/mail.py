"""Accepted mail, as rows, for tests of what is told about it."""

from datetime import UTC, datetime
from uuid import UUID

from emails.events.services import NewEvent
from emails.messages import content as contents
from emails.messages.content import Content
from emails.messages.models import Delivery, Message, MessageContent, Recipient
from emails.streams.models import Stream
from emails.transports.models import SANDBOX_ID
from mailgrid.core.ids import uuid7
from mailgrid.core.sql import insert_rows
from tenants.tenancy.models import Tenant

NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
HEADERS = (("X-Entity-Ref-ID", "42"), ("Reply-By", "now"))


def accepted(
    tenant: Tenant,
    *,
    stream: Stream,
    to: tuple[str, ...] = ("Ann <ann@example.com>", "bob@example.com"),
    headers: tuple[tuple[str, str], ...] = HEADERS,
    test: bool = False,
    **more: object,
) -> Message:
    """A message to Ann and Bob with its content, delivery and recipients."""
    moments = {"expires_at": NOW, "created_at": NOW}
    message = Message.across_tenants.create(
        tenant=tenant,
        test=test,
        stream=stream,
        priority=1,
        source="api",
        status="queued",
        sender=f"Desk <desk@{tenant.slug}.test>",
        to=list(to),
        subject="Hi",
        **{"tags": {"kind": "welcome"}, "metadata": {"order": 7}, **moments, **more},
    )
    content = Content(subject="Hi", text="Hi", headers=headers)
    row = contents.as_row(
        tenant_id=tenant.pk, message_id=message.pk, content=content, sensitive=stream.sensitive
    )
    insert_rows(MessageContent, contents.COLUMNS, [row])
    delivery = Delivery.across_tenants.create(
        tenant=tenant,
        test=test,
        message=message,
        stream=stream,
        transport_id=SANDBOX_ID,
        priority=1,
        state="queued",
        due_at=NOW,
        **moments,
    )
    for position, text in enumerate(to):
        Recipient.across_tenants.create(
            tenant=tenant,
            message=message,
            delivery=delivery,
            position=position,
            kind="to",
            address=text.rpartition("<")[2].rstrip(">"),
            status_at=NOW,
        )
    return message


def fact(message: Message, kind: str = "email.delivered", *, recipient: int = 0, **more: object) -> NewEvent:
    """A fact about one of its recipients."""
    recipient_id: UUID = message.recipients.order_by("position")[recipient].pk
    values = {
        "tenant_id": message.tenant_id,
        "test": message.test,
        "message_id": message.pk,
        "recipient_id": recipient_id,
        "type": kind,
        "status": kind.removeprefix("email."),
        "source": "ses",
        "occurred_at": NOW,
        "event_id": uuid7(),
    }
    return NewEvent(**{**values, **more})
