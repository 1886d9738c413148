"""Read attachments that are still to be fetched."""

from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import F, QuerySet, Window
from django.db.models.functions import RowNumber

from emails.attachments.intake import place_of
from emails.attachments.models import PendingAttachment
from emails.attachments.places import Place, read_place
from emails.messages.queue.passes import in_states

SHARE = 2  # of one tenant among those that are fetched together


def due() -> "QuerySet[Any]":
    """Those that are not fetched; what a worker has is due when its lease ends."""
    return PendingAttachment.across_tenants.filter(
        in_states(PendingAttachment.State.PENDING, PendingAttachment.State.PROCESSING)
    )


def next_due(*, now: datetime, limit: int) -> "QuerySet[Any]":
    """The next ones, tenants side by side: slow hosts of one do not keep everybody waiting."""
    turn = Window(RowNumber(), partition_by=F("tenant_id"), order_by=F("due_at").asc())
    chosen = (
        due().filter(due_at__lte=now).annotate(turn=turn).filter(turn__lte=SHARE).order_by("turn", "due_at")
    )
    return due().filter(pk__in=list(chosen.values_list("pk", flat=True)[:limit]))


def places_of(message_id: UUID) -> dict[int, Place]:
    """Where the attachments of a message are that were never had, by their position."""
    rows = PendingAttachment.across_tenants.filter(message=message_id).exclude(
        state=PendingAttachment.State.STORED
    )
    return {row.position: read_place(place_of(row), allowed=settings.UNSAFE_HOSTS) for row in rows}


def is_due(*, now: datetime) -> bool:
    """Whether there is anything to fetch."""
    return bool(due().filter(due_at__lte=now).exists())


def named_by_pending(references: Collection[str]) -> set[str]:
    """Which of these blobs wait for the rest of their message; asked across tenants, by whoever sweeps the store."""
    rows = PendingAttachment.across_tenants.filter(blob__in=references).exclude(blob="")
    return set(rows.values_list("blob", flat=True))
