"""From a token to a caller, and from a caller to a yes or no. Shared by every door: REST, SMTP and MCP."""

import re
from contextlib import suppress
from datetime import datetime, timedelta
from typing import NoReturn
from uuid import UUID

from django.db import OperationalError
from django.db.models import Q

from mailgrid.core.cache import BriefCache
from mailgrid.core.callers import Caller
from mailgrid.core.crypto import equal, keyed_hash
from mailgrid.core.errors import Forbidden, MailgridError, NotFound
from mailgrid.core.ratelimit import limiter
from tenants.keys.cache import key_facts
from tenants.keys.models import ApiKey
from tenants.keys.selectors import KeyFacts
from tenants.keys.sources import comes_from
from tenants.quotas.services import RateLimited
from tenants.tenancy.models import Tenant
from tenants.tenancy.selectors import TenantFacts, tenant_facts

FAILURES_PER_MINUTE = 20  # of one address
USE_RECORDED_EVERY = timedelta(minutes=1)

_TOKEN = re.compile(r"mg_(?:live|test)_([0-9A-Za-z]{12})_[0-9A-Za-z]{43}")
_used: BriefCache[UUID, bool] = BriefCache(seconds=USE_RECORDED_EVERY.total_seconds(), size=10_000)


class MissingApiKey(MailgridError):
    """The request has no bearer token."""

    name = "missing_api_key"


class InvalidApiKey(MailgridError):
    """The key is unknown, malformed, expired or revoked, or its tenant is closed: nobody learns which."""

    name = "invalid_api_key"


class TenantSuspended(MailgridError):
    """The tenant may read, but not send or change anything."""

    name = "tenant_suspended"


def authenticate_token(token: str, ip: str, now: datetime, *, request_id: str = "") -> Caller:
    """Whom the token speaks for. `ip` is the client's address.

    Raises `InvalidApiKey`, `Forbidden` from a network that is not the key's, and `RateLimited` in their place
    to an address that failed 20 times within a minute; good keys are not affected by that.
    """
    match = _TOKEN.fullmatch(token)
    key = key_facts(match[1]) if match else None
    # Hashed also without a key to compare with, so that time tells nothing about public parts.
    proof = keyed_hash(token)
    if key is None or not equal(proof, key.secret_hash) or not key.is_usable(now):
        _refuse(ip, InvalidApiKey("This API key is not valid."))
    tenant = _open_tenant(key.tenant_id)
    if tenant is None:
        _refuse(ip, InvalidApiKey("This API key is not valid."))
    if key.networks is not None and not comes_from(ip, key.networks):
        _refuse(ip, Forbidden("This API key may not be used from this network."))
    _record_use(key.id, now)
    return _caller(key, tenant, ip=ip, request_id=request_id)


def require(caller: Caller, scope: str | None, *, reads: bool, operator: bool = False) -> None:
    """Refuse what the caller's key or tenant may not do; `scope` None is open to every key.

    Raises `Forbidden`, or `TenantSuspended` when a suspended tenant wants more than to read.
    """
    if operator and not caller.operator:
        raise Forbidden("This route is for the operator of this installation.")
    if scope is not None and not caller.may(scope):
        raise Forbidden(f"This API key does not have the scope {scope}.")
    if caller.suspended and not reads:
        raise TenantSuspended("This tenant is suspended: it may read, but not send or change anything.")


def _caller(key: KeyFacts, tenant: TenantFacts, *, ip: str, request_id: str) -> Caller:
    return Caller(
        tenant_id=key.tenant_id,
        test=key.test,
        key_id=key.id,
        scopes=key.scopes,
        allowed_domains=key.domains,
        operator=tenant.operator,
        suspended=tenant.status == Tenant.Status.SUSPENDED,
        requests_per_minute=tenant.limits.requests_per_minute,
        ip=ip,
        request_id=request_id,
    )


def _open_tenant(tenant_id: UUID) -> TenantFacts | None:
    try:
        facts = tenant_facts(tenant_id)
    except NotFound:  # erased while this process still knew the key
        return None
    return None if facts.status == Tenant.Status.CLOSED else facts


def _refuse(ip: str, error: MailgridError) -> NoReturn:
    grant = limiter().take(
        f"failed-authentications:{ip}", tokens=1, rate=FAILURES_PER_MINUTE / 60, burst=FAILURES_PER_MINUTE
    )
    if not grant.granted:
        raise RateLimited("Too many failed authentications from this address.", retry_after=grant.retry_after)
    raise error


def _record_use(key_id: UUID, now: datetime) -> None:
    """At most one UPDATE a minute and key; a database too busy for it must not cost the request."""
    if _used.get(key_id):
        return
    _used.put(key_id, True)
    stale = Q(last_used_at__isnull=True) | Q(last_used_at__lte=now - USE_RECORDED_EVERY)
    with suppress(OperationalError):
        ApiKey.across_tenants.filter(stale, pk=key_id).update(last_used_at=now)
