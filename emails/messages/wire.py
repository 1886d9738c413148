"""A message as the API shows it (docs/api.md, emails)."""

from collections.abc import Sequence
from typing import Any

from emails.messages.content import Content
from emails.messages.lifecycle import last_event
from emails.messages.models import Message, Recipient


def summary(message: Message) -> dict[str, Any]:
    """A line of a list: everything but bodies and recipients."""
    status = message.current_status
    return {
        "object": "email",
        "id": message.pk,
        "message_id": message_id(message.provider_message_id),
        "from": message.sender,
        "to": message.to,
        "cc": message.cc,
        "bcc": message.bcc,
        "reply_to": message.reply_to,
        "subject": message.subject,
        "created_at": message.created_at,
        "scheduled_at": message.scheduled_at,
        "expires_at": message.expires_at,
        "last_event": last_event(status, opened=message.opened, clicked=message.clicked),
        "status": status,
        "tags": [{"name": name, "value": value} for name, value in message.tags.items()],
        "metadata": message.metadata,
        "stream": message.stream.name,
        "priority": message.priority,
        "topic_id": None,
        "template": _template(message),
        "broadcast_id": None,
        "batch_id": message.batch_id,
        "source": message.source,
        "test": message.test,
        "retry_of": message.retry_of,
    }


def _template(message: Message) -> dict[str, Any] | None:
    if message.template_id is None:
        return None
    return {"id": message.template_id, "version": message.template_version}


def message_id(provider_message_id: str) -> str | None:
    """The provider's name for a message, in angle brackets; null before it was handed over."""
    return f"<{provider_message_id}>" if provider_message_id else None


def full(message: Message, content: Content | None, recipients: Sequence[Recipient]) -> dict[str, Any]:
    """Everything; bodies are null once the content is erased, and always for sensitive streams."""
    return {
        **summary(message),
        "html": content.html if content else None,
        "text": content.text if content else None,
        "recipients": [recipient_line(recipient) for recipient in recipients],
    }


def recipient_line(recipient: Recipient) -> dict[str, Any]:
    """One recipient; while it is pending, its delivery's state stands in its place."""
    pending = recipient.rank == 0
    return {
        "email": recipient.address,
        "type": recipient.kind,
        "status": recipient.delivery.state if pending else recipient.status,
        "status_at": recipient.status_at,
        "reason": (recipient.delivery.hold_reason if pending else recipient.reason) or None,
        "bounce_type": recipient.bounce_type or None,
        "attempts": recipient.delivery.attempts,
        "opens": {"total": recipient.opens, "human": recipient.human_opens},
        "clicks": {"total": recipient.clicks, "human": recipient.human_clicks},
    }
