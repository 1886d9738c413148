"""Delete events and raw notifications whose time is over."""

from datetime import datetime, timedelta
from typing import Final

from django.db.models import Q

from emails.events.models import Event, Notification
from mailgrid.core.sql import delete_oldest
from tenants.tenancy.models import Tenant

CHUNK: Final = 2_000
RAW_KEPT: Final = timedelta(days=7)
EXHAUSTED_KEPT: Final = timedelta(days=30)  # for an operator to decide


def delete_events(*, now: datetime) -> int:
    """By each tenant's `retention_days.events`; how many."""
    return sum(
        delete_oldest(
            Event.across_tenants.filter(
                tenant=tenant,
                created_at__lt=now - timedelta(days=tenant.effective_settings.retention_days.events),
            ),
            limit=CHUNK,
        )
        for tenant in Tenant.objects.select_related("plan")
    )


def delete_notifications(*, now: datetime) -> int:
    """Those that are worked off, after a week, and dead letters after a month; how many."""
    done = Notification.objects.exclude(state__in=["pending", "processing"])
    over = Q(received_at__lt=now - RAW_KEPT) & ~Q(state="exhausted")
    return delete_oldest(done.filter(over | Q(received_at__lt=now - EXHAUSTED_KEPT)), limit=CHUNK)
