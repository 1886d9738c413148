"""How often: five an hour to one address, whoever asks, and what the operator allows a tenant.

The buckets answer at once and hold for requests side by side; the rows hold where a bucket was lost.
"""

from datetime import datetime, timedelta
from uuid import UUID

from emails.verifications.models import Verification
from mailgrid.core.ratelimit import Bucket, limiter
from tenants.quotas.services import RateLimited
from tenants.tenancy.settings import Limits

PER_ADDRESS = 5
HOUR = timedelta(hours=1)
_SECONDS = HOUR.total_seconds()


def take_turn(*, tenant_id: UUID, test: bool, limits: Limits, address_hash: str, now: datetime) -> None:
    """Count one verification; raises `RateLimited`. An address is counted over all tenants, each mode by itself."""
    recent = Verification.across_tenants.filter(
        address_hash=address_hash, test=test, created_at__gt=now - HOUR
    )
    made = list(recent.order_by("created_at").values_list("created_at", flat=True)[:PER_ADDRESS])
    if len(made) >= PER_ADDRESS:
        raise RateLimited(
            f"This address has had {PER_ADDRESS} verifications within an hour.",
            retry_after=max(1.0, (made[0] + HOUR - now).total_seconds()),
        )
    buckets = _buckets(tenant_id=tenant_id, test=test, limits=limits, address_hash=address_hash)
    for place, (bucket, who) in enumerate(buckets):
        grant = limiter().take(bucket.name, tokens=1, rate=bucket.rate, burst=bucket.burst)
        if not grant.granted:
            limiter().give_back([taken for taken, _ in buckets[:place]], tokens=1)
            raise RateLimited(
                f"{who} {bucket.burst:,.0f} verifications within an hour.",
                retry_after=max(1.0, grant.retry_after),
            )


def give_back(*, tenant_id: UUID, test: bool, limits: Limits, address_hash: str) -> None:
    """The turn was not used after all: no mail goes out."""
    buckets = _buckets(tenant_id=tenant_id, test=test, limits=limits, address_hash=address_hash)
    limiter().give_back([bucket for bucket, _ in buckets], tokens=1)


def _buckets(*, tenant_id: UUID, test: bool, limits: Limits, address_hash: str) -> list[tuple[Bucket, str]]:
    """The tenant's first: one that is past its own limit uses up nobody's address."""
    named = (
        (f"verifications:{tenant_id}:{test}", limits.verifications_per_hour, "This tenant has made"),
        (f"verifications:{address_hash}:{test}", PER_ADDRESS, "This address has had"),
    )
    return [(Bucket(name, rate=count / _SECONDS, burst=count), who) for name, count, who in named]
