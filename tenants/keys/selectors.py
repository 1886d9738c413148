"""Read API keys."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Q, QuerySet

from tenants.keys.models import ApiKey
from tenants.keys.reach import Network, networks
from tenants.tenancy.lookup import one


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFacts:
    """What authentication needs of a key. `networks` and `domains` of None do not restrict it."""

    id: UUID
    tenant_id: UUID
    test: bool
    secret_hash: str
    scopes: frozenset[str]
    domains: frozenset[str] | None
    networks: tuple[Network, ...] | None
    expires_at: datetime | None
    revoked_at: datetime | None

    def is_usable(self, now: datetime) -> bool:
        """Neither revoked nor expired."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


def find_facts(public: str) -> KeyFacts | None:
    """The key whose public part this is. One query."""
    key = ApiKey.across_tenants.filter(public=public).first()
    if key is None:
        return None
    return KeyFacts(
        id=key.id,
        tenant_id=key.tenant_id,
        test=key.test,
        secret_hash=key.secret_hash,
        scopes=frozenset(key.scopes),
        domains=None if key.allowed_domains is None else frozenset(key.allowed_domains),
        networks=None if key.allowed_ips is None else networks(key.allowed_ips),
        expires_at=key.expires_at,
        revoked_at=key.revoked_at,
    )


def list_keys(tenant_id: UUID, *, test: bool | None, revoked: bool) -> QuerySet[ApiKey]:
    """The tenant's keys, revoked ones or the others; of one mode, if `test` says which."""
    rows = ApiKey.across_tenants.filter(tenant_id=tenant_id, revoked_at__isnull=not revoked)
    return rows if test is None else rows.filter(test=test)


def get_key(tenant_id: UUID, key_id: UUID | str) -> ApiKey:
    """One key of the tenant, revoked or not; raises `NotFound`, also for a malformed id."""
    return one(ApiKey.across_tenants.filter(tenant_id=tenant_id), key_id)


def count_usable(tenant_id: UUID, *, now: datetime) -> int:
    """How many of the tenant's keys work."""
    unexpired = Q(expires_at__isnull=True) | Q(expires_at__gt=now)
    return ApiKey.across_tenants.filter(unexpired, tenant_id=tenant_id, revoked_at__isnull=True).count()
