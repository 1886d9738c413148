"""Erase content whose time is over: by the tenant's `retention_days`, that of sensitive streams a day after its end."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from django.db import transaction
from django.db.models import Q

from emails.messages.lifecycle import OPEN
from emails.messages.models import Message, MessageContent
from mailgrid.core import blobs
from tenants.tenancy.models import Tenant

CHUNK: Final = 2_000
SENSITIVE_KEPT: Final = timedelta(hours=24)
# Bytes may be stored a moment before the row that names them commits; nothing younger than this is deleted.
BLOB_AGE: Final = timedelta(hours=24)


def erase_contents(*, now: datetime) -> int:
    """One chunk for each tenant; how many messages lost their content."""
    return sum(_erase(tenant, now=now) for tenant in Tenant.objects.select_related("plan"))


def _erase(tenant: Tenant, *, now: datetime) -> int:
    kept = timedelta(days=tenant.effective_settings.retention_days.content)
    ended = MessageContent.objects.filter(erased_at=None, message__tenant=tenant).exclude(
        message__status__in=OPEN
    )
    due = ended.filter(
        Q(message__created_at__lt=now - kept)
        | Q(message__stream__sensitive=True, message__created_at__lt=now - SENSITIVE_KEPT)
    )
    rows = list(due.order_by("pk")[:CHUNK])
    keys = [row.pk for row in rows]
    with transaction.atomic():
        MessageContent.objects.filter(pk__in=keys).update(
            payload=None, sealed=None, key_id="", blob="", attachments=[], erased_at=now
        )
        Message.across_tenants.filter(pk__in=keys).update(subject="")
    _discard_unnamed(tenant, {name for row in rows for name in _named(row.blob, row.attachments)}, now=now)
    return len(rows)


def _discard_unnamed(tenant: Tenant, references: set[str], *, now: datetime) -> None:
    """Delete the bytes that no other message of the tenant names: equal ones are stored once."""
    if not references:
        return
    rest = MessageContent.objects.filter(erased_at=None, message__tenant=tenant)
    naming = rest.exclude(blob="", attachments=[]).values_list("blob", "attachments")
    for blob, attachments in naming.iterator():
        references -= set(_named(blob, attachments))
    for reference in references:
        blobs.discard(reference, untouched_since=now - BLOB_AGE)


def _named(blob: str, attachments: Iterable[str]) -> list[str]:
    return [name for name in [blob, *attachments] if name]
