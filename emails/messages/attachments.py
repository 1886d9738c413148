"""The attachments of a message, as whoever sent it reads them back. Those of sensitive mail are never shown."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from emails.messages import content as contents
from emails.messages.content import StoredAttachment
from emails.messages.models import Message
from emails.messages.selectors import get_message
from mailgrid.core.errors import NotFound
from mailgrid.core.files import Kept
from mailgrid.core.ids import parse_uuid
from tenants.tenancy.models import Tenant

LINK: Final = "attachment"  # the kind of links to attachments


def attachments_of(message_id: UUID | str) -> tuple[UUID, Sequence[StoredAttachment]]:
    """The id of a message of the tenant in scope, and its attachments in their order.

    Raises `NotFound` when there is no such message, its content is erased, or it is sensitive.
    """
    message = get_message(message_id)
    return message.pk, _shown(message)


def id_of(message_id: UUID, place: int) -> UUID:
    """The id of the attachment at a place: it needs no table, and means something together with its message only."""
    return UUID(int=message_id.int ^ (place + 1))


def place_of(message_id: UUID, attachment_id: str, count: int) -> int:
    """Which of `count` attachments an id means; raises `NotFound`."""
    parsed = parse_uuid(attachment_id)
    place = (parsed.int ^ message_id.int) - 1 if parsed else -1
    if not 0 <= place < count:
        raise NotFound("There is no such attachment.")
    return place


def linked(message_id: str, place: str, *, now: datetime) -> Kept:
    """The attachment that a signed link names; raises `NotFound` when it, or its tenant, is gone."""
    rows = Message.across_tenants.select_related("stream").exclude(tenant__status=Tenant.Status.CLOSED)
    message = rows.filter(pk=message_id).first()
    if message is None:
        raise NotFound("This attachment is gone.")
    part = _shown(message)[int(place)]
    return Kept(filename=part.filename, content_type=part.content_type, size=part.size, blob=part.blob)


def _shown(message: Message) -> Sequence[StoredAttachment]:
    content = contents.load_shown(message.pk)
    if content is None or any(part.key_id for part in content.attachments):
        raise NotFound(
            "The attachments of this email are not shown: it is sensitive, or its content is erased."
        )
    return content.attachments
