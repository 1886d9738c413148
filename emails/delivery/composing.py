"""From claimed rows to envelopes: a batch is loaded in two queries, then nothing is looked up again."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from emails.composition.envelope import Attachment, Envelope
from emails.composition.headers import sendable
from emails.messages import content as contents
from emails.messages.content import Content, ContentGone
from emails.messages.models import Message
from emails.messages.queue.claiming import PendingRecipient, Picked
from mailgrid.core.addresses import Mailbox, parse_mailbox


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """A delivery under our lease, and whom it is still for."""

    row: Picked
    recipients: Sequence[PendingRecipient]


Composed = Envelope | ContentGone | Exception


def compose_batch(batch: Sequence[Claimed]) -> list[Composed]:
    """An envelope for each claimed delivery, in order; where one cannot be made, the error in its place."""
    message_ids = [claimed.row.message_id for claimed in batch]
    loaded = contents.load(message_ids)
    heads = {
        pk: (sender, reply_to)
        for pk, sender, reply_to in Message.across_tenants.filter(pk__in=message_ids).values_list(
            "pk", "sender", "reply_to"
        )
    }
    return [
        _composed(claimed, loaded[claimed.row.message_id], *heads[claimed.row.message_id])
        for claimed in batch
    ]


def _composed(claimed: Claimed, content: Content | Exception, sender: str, reply_to: list[str]) -> Composed:
    if isinstance(content, Exception):
        return content
    try:
        return _envelope(claimed, content, sender, reply_to)
    except Exception as error:  # noqa: BLE001 - one delivery's defect must not take its neighbours along
        return error


def _envelope(claimed: Claimed, content: Content, sender: str, reply_to: list[str]) -> Envelope:
    row = claimed.row
    return Envelope(
        delivery_id=row.delivery_id,
        fence=row.fence + 1,
        tenant_id=row.tenant_id,
        message_ref=row.message_id,
        test=row.test,
        stream=row.stream,
        sender=parse_mailbox(sender),
        to=_mailboxes(claimed, "to"),
        cc=_mailboxes(claimed, "cc"),
        bcc=_mailboxes(claimed, "bcc"),
        reply_to=tuple(parse_mailbox(text) for text in reply_to),
        subject=content.subject,
        html=content.html,
        text=content.text,
        headers=sendable(content.headers),
        attachments=_attachments(content, row.tenant_id),
        configuration_set=row.configuration_set,
        sensitive=row.sensitive,
    )


def _mailboxes(claimed: Claimed, kind: str) -> tuple[Mailbox, ...]:
    return tuple(Mailbox(address=r.address, name=r.name) for r in claimed.recipients if r.kind == kind)


def _attachments(content: Content, tenant_id: UUID) -> tuple[Attachment, ...]:
    return tuple(
        Attachment(
            filename=part.filename,
            content_type=part.content_type,
            content_id=part.content_id,
            content=contents.read_attachment(part, tenant_id=tenant_id),
        )
        for part in content.attachments
    )
