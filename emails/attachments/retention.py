"""Forget where attachments were, once the content of their message is erased."""

from datetime import datetime

from emails.attachments.models import PendingAttachment
from mailgrid.core.sql import delete_oldest

CHUNK = 2_000


def delete_ended(*, now: datetime) -> int:
    """One chunk; how many rows."""
    ended = PendingAttachment.across_tenants.filter(message__content__erased_at__lte=now)
    return delete_oldest(ended, limit=CHUNK)
