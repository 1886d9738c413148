"""Delete captured mail after a week."""

from datetime import datetime, timedelta
from typing import Final

from emails.sandbox.models import CapturedMail
from mailgrid.core.sql import delete_oldest

KEPT: Final = timedelta(days=7)


def delete_captured(*, now: datetime, limit: int = 2_000) -> int:
    """How many it deleted."""
    return delete_oldest(CapturedMail.across_tenants.filter(at__lt=now - KEPT), limit=limit)
