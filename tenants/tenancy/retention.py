"""Erase tenants that were closed."""

from datetime import datetime, timedelta
from typing import Final

from django.db.models import ProtectedError

from tenants.tenancy.models import Tenant

CLOSED_KEPT: Final = timedelta(days=30)  # a mistake can be undone until then


def delete_closed(*, now: datetime) -> int:
    """Delete tenants closed 30 days ago, with everything of theirs; one that still has messages waits for these."""
    deleted = 0
    for tenant in Tenant.objects.filter(status=Tenant.Status.CLOSED, closed_at__lt=now - CLOSED_KEPT):
        try:
            tenant.delete()
        except ProtectedError:
            continue
        deleted += 1
    return deleted
