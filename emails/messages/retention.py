"""Erase content whose time is over: by the tenant's `retention_days`, that of sensitive streams a day after its end.

Of a tenant that was closed 30 days ago nothing is kept. Bytes in the blob store that other rows may name, too, go with
the next sweep of the store (`tenants.files.retention`).
"""

from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final

from django.db import transaction
from django.db.models import Exists, OuterRef, Q

from emails.messages.lifecycle import OPEN
from emails.messages.models import Message, MessageContent, Recipient
from mailgrid.core import blobs
from mailgrid.core.sql import delete_oldest
from tenants.tenancy.models import Tenant
from tenants.tenancy.retention import CLOSED_KEPT

CHUNK: Final = 2_000
SENSITIVE_KEPT: Final = timedelta(hours=24)


def erase_contents(*, now: datetime) -> int:
    """One chunk for each tenant; how many messages lost their content."""
    return sum(_erase(tenant, now=now) for tenant in Tenant.objects.select_related("plan"))


def _erase(tenant: Tenant, *, now: datetime) -> int:
    is_erased = tenant.closed_at is not None and tenant.closed_at < now - CLOSED_KEPT
    kept = timedelta(0) if is_erased else timedelta(days=tenant.effective_settings.retention_days.content)
    ended = MessageContent.objects.filter(erased_at=None, message__tenant=tenant).exclude(
        message__status__in=OPEN
    )
    sensitive = ~Q(key_id="") & _ended_before(now - SENSITIVE_KEPT)
    due = ended.filter(_ended_before(now - kept) | sensitive)
    rows = list(due.order_by("pk")[:CHUNK])
    keys = [row.pk for row in rows]
    with transaction.atomic():
        MessageContent.objects.filter(pk__in=keys).update(
            payload=None, sealed=None, key_id="", blob="", attachments=[], erased_at=now
        )
        Message.across_tenants.filter(pk__in=keys).update(subject="")
    _delete_sealed(rows)
    return len(rows)


def _delete_sealed(rows: Iterable[MessageContent]) -> None:
    """What was encrypted for one message no other can name. Bytes of a store that is away are left to the sweep."""
    with suppress(OSError):
        for row in rows:
            if row.key_id:
                for reference in filter(None, [row.blob, *row.attachments]):
                    blobs.delete(reference)


def delete_of_closed_tenants(*, now: datetime) -> int:
    """The messages of tenants that were closed long ago, once their content is erased; how many rows went with them."""
    closed = Message.across_tenants.filter(tenant__closed_at__lt=now - CLOSED_KEPT)
    return delete_oldest(closed.exclude(content__erased_at=None), limit=CHUNK)


def _ended_before(moment: datetime) -> Q:
    """Messages of which nothing has happened since: accepted before, and no recipient's status is younger."""
    younger = Recipient.across_tenants.filter(message=OuterRef("message_id"), status_at__gte=moment)
    return Q(~Exists(younger), message__created_at__lt=moment)
