"""Forget verifications a month after they were made. What they sent goes with the content of sensitive mail."""

from datetime import datetime, timedelta
from typing import Final

from emails.verifications.models import Verification

KEPT: Final = timedelta(days=30)
CHUNK: Final = 2_000


def delete_old(*, now: datetime) -> int:
    """One chunk; how many."""
    old = Verification.across_tenants.filter(created_at__lt=now - KEPT).order_by("created_at")
    ids = list(old.values_list("pk", flat=True)[:CHUNK])
    return Verification.across_tenants.filter(pk__in=ids).delete()[0]
