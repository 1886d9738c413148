"""From claimed rows to envelopes: a batch is loaded in one query, then nothing is looked up again."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from uuid import UUID

from emails.composition.envelope import Attachment, Envelope
from emails.composition.headers import sendable
from emails.delivery.copies import own_copy
from emails.messages import content as contents
from emails.messages.content import Content, ContentGone, Written
from emails.messages.queue.claiming import PendingRecipient, Picked
from mailgrid.core import failpoints
from mailgrid.core.addresses import Mailbox, parse_mailbox
from mailgrid.core.bells import Priority


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """A delivery under our lease, and whom it is still for."""

    row: Picked
    recipients: Sequence[PendingRecipient]


Composed = Envelope | ContentGone | Exception
Files = dict[tuple[UUID, str, str], bytes]  # of one batch: tenant, blob and its key

_mailbox = lru_cache(maxsize=1_024)(parse_mailbox)  # the same few senders over and over


def compose_batch(batch: Sequence[Claimed]) -> list[Composed]:
    """An envelope for each claimed delivery, in order; where one cannot be made, the error in its place."""
    written = contents.load_written([claimed.row.message_id for claimed in batch])
    files: Files = {}
    return [_composed(claimed, written.get(claimed.row.message_id), files) for claimed in batch]


def _composed(claimed: Claimed, written: Written | None, files: Files) -> Composed:
    if written is None:
        return ContentGone("the message has no content")
    content = written.content
    if isinstance(content, Exception):
        return content
    failpoints.reach("compose", about=content.subject)
    try:
        return _envelope(claimed, content, written, files)
    except Exception as error:  # noqa: BLE001 - one delivery's defect must not take its neighbours along
        return error


def _envelope(claimed: Claimed, content: Content, written: Written, files: Files) -> Envelope:
    envelope = _same_for_all(claimed, content, written, files)
    if not content.copy:
        return envelope
    (recipient,) = claimed.recipients
    return own_copy(envelope, written, content, recipient)


def _same_for_all(claimed: Claimed, content: Content, written: Written, files: Files) -> Envelope:
    row = claimed.row
    return Envelope(
        delivery_id=row.delivery_id,
        fence=row.fence + 1,
        tenant_id=row.tenant_id,
        message_ref=row.message_id,
        test=row.test,
        stream=row.stream,
        sender=_mailbox(written.sender),
        to=_mailboxes(claimed, "to"),
        cc=_mailboxes(claimed, "cc"),
        bcc=_mailboxes(claimed, "bcc"),
        reply_to=tuple(map(_mailbox, written.reply_to)),
        subject=content.subject,
        html=content.html,
        text=content.text,
        headers=sendable(content.headers),
        attachments=_attachments(content, row.tenant_id, files),
        configuration_set=row.configuration_set,
        sensitive=content.sealed,
        may_share=_may_share(row),
    )


def _may_share(row: Picked) -> bool:
    """Whether one request may carry this delivery and others: its lost answer would put them all in doubt.

    Not where somebody waits for the mail, nor where a doubt is never repeated. And once only: whatever ended the
    first try, its request or the company in it, the next one stands on its own.
    """
    return row.priority >= Priority.MEDIUM and not row.at_most_once and not row.test and row.fence == 0


def _mailboxes(claimed: Claimed, kind: str) -> tuple[Mailbox, ...]:
    return tuple(Mailbox(address=r.address, name=r.name) for r in claimed.recipients if r.kind == kind)


def _attachments(content: Content, tenant_id: UUID, files: Files) -> tuple[Attachment, ...]:
    """Copies of one message, and mails with one stored file, share its bytes."""
    for part in content.attachments:
        if (key := (tenant_id, part.blob, part.key_id)) not in files:
            files[key] = contents.read_attachment(part, tenant_id=tenant_id)
    return tuple(
        Attachment(
            filename=part.filename,
            content_type=part.content_type,
            content_id=part.content_id,
            content=files[tenant_id, part.blob, part.key_id],
        )
        for part in content.attachments
    )
