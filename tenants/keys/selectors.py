"""Read API keys."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import orjson
from django.db.models import Q, QuerySet

from mailgrid.core.sql import read_time, read_uuid, run
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


_FACTS: Final = """
SELECT id, tenant_id, test, secret_hash, scopes, allowed_domains, allowed_ips, expires_at, revoked_at
  FROM tenants_apikey WHERE public = %s"""


def find_facts(public: str) -> KeyFacts | None:
    """The key whose public part this is.

    By hand, because it stands before every request of a key that its process does not know: 0.2 ms on PostgreSQL,
    where the ORM takes 0.6 ms. Redis would take 0.1 ms, and the promise that a revoked key ends within five seconds.
    """
    rows = run(_FACTS, [public])
    if not rows:
        return None
    id_, tenant_id, test, secret_hash, scopes, domains, ips, expires_at, revoked_at = rows[0]
    return KeyFacts(
        id=read_uuid(id_),
        tenant_id=read_uuid(tenant_id),
        test=bool(test),
        secret_hash=secret_hash,
        scopes=frozenset(orjson.loads(scopes)),
        domains=None if domains is None else frozenset(orjson.loads(domains)),
        networks=None if ips is None else networks(orjson.loads(ips)),
        expires_at=expires_at and read_time(expires_at),
        revoked_at=revoked_at and read_time(revoked_at),
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
