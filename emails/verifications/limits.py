"""How often: five an hour to one address, whoever asks, and what the operator allows a tenant.

The buckets answer at once and hold for requests side by side; the rows hold where a bucket was lost.
"""

from datetime import datetime, timedelta
from uuid import UUID

from emails.verifications.models import Verification
from mailgrid.core.ratelimit import limiter
from tenants.quotas.services import RateLimited
from tenants.tenancy.settings import Limits

PER_ADDRESS = 5
HOUR = timedelta(hours=1)
_SECONDS = HOUR.total_seconds()


def take_turn(*, tenant_id: UUID, test: bool, limits: Limits, address_hash: str, now: datetime) -> None:
    """Count one verification; raises `RateLimited`. An address is counted over all tenants, each mode by itself."""
    _take(f"verifications:{address_hash}:{test}", PER_ADDRESS, "This address has had")
    recent = Verification.across_tenants.filter(
        address_hash=address_hash, test=test, created_at__gt=now - HOUR
    )
    made = list(recent.order_by("created_at").values_list("created_at", flat=True)[:PER_ADDRESS])
    if len(made) >= PER_ADDRESS:
        raise RateLimited(
            f"This address has had {PER_ADDRESS} verifications within an hour.",
            retry_after=max(1.0, (made[0] + HOUR - now).total_seconds()),
        )
    _take(f"verifications:{tenant_id}:{test}", limits.verifications_per_hour, "This tenant has made")


def _take(name: str, per_hour: int, who: str) -> None:
    grant = limiter().take(name, tokens=1, rate=per_hour / _SECONDS, burst=per_hour)
    if not grant.granted:
        raise RateLimited(
            f"{who} {per_hour:,} verifications within an hour.", retry_after=max(1.0, grant.retry_after)
        )
