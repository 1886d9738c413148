"""Issue, change, rotate and revoke API keys.

`by` is who asks: a `Caller` hands on no more than its own key reaches; an `Actor`, the operator's console or
a command, is not limited.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypedDict
from uuid import UUID

from django.db import transaction

from mailgrid.core.callers import Caller
from mailgrid.core.clock import to_wire
from mailgrid.core.crypto import keyed_hash
from mailgrid.core.errors import Conflict, FieldError, Forbidden, Invalid, NotFound
from mailgrid.core.ids import base62
from tenants.audit.services import Actor, record
from tenants.domains import selectors as domains
from tenants.keys import cache
from tenants.keys.models import ApiKey
from tenants.keys.reach import Reach
from tenants.keys.selectors import count_usable, get_key
from tenants.tenancy.models import Tenant
from tenants.tenancy.selectors import lock_tenant

MAX_KEYS = 100  # usable ones of a tenant (docs/api.md, limits)
PUBLIC_LENGTH = 12
SECRET_LENGTH = 43  # base62: 256 bits
DEFAULT_OVERLAP_SECONDS = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class NewKey:
    """What a key shall be. `domain_id` names the one allowed domain instead of `allowed_domains`."""

    name: str
    scopes: frozenset[str]
    test: bool = False
    allowed_domains: tuple[str, ...] | None = None
    domain_id: str | None = None
    allowed_ips: tuple[str, ...] | None = None
    expires_at: datetime | None = None


class KeyChanges(TypedDict, total=False):
    """The fields of a key that may change; None lifts a restriction."""

    name: str
    allowed_domains: list[str] | None
    allowed_ips: list[str] | None
    expires_at: datetime | None


def issue(*, tenant_id: UUID | str, new: NewKey, by: Caller | Actor, now: datetime) -> tuple[ApiKey, str]:
    """Make a key; the token is returned here and never again.

    Raises `Forbidden` beyond the caller's own reach, `Invalid` for a foreign domain or a past expiry,
    `Conflict` for the 101st key or a closed tenant, `NotFound` without such a tenant.
    """
    with transaction.atomic():
        tenant = lock_tenant(tenant_id)
        if tenant.status == Tenant.Status.CLOSED:
            raise Conflict("This tenant is closed.")
        key = ApiKey(
            tenant_id=tenant.id,
            test=new.test,
            name=new.name,
            scopes=sorted(new.scopes),
            allowed_domains=_allowed_domains(tenant.id, new),
            allowed_ips=list(new.allowed_ips) if new.allowed_ips is not None else None,
            expires_at=new.expires_at,
        )
        _check_reach(by, key)
        _check_expiry(new.expires_at, now)
        token = _store(key, now=now)
        _audit("api_key.issue", key, by, now, name=key.name, scopes=key.scopes, test=key.test)
        return key, token


def update(*, tenant_id: UUID, key_id: str, changes: KeyChanges, by: Caller | Actor, now: datetime) -> ApiKey:
    """Change the given fields of a usable key; neither it nor the result may be beyond the caller's reach."""
    with transaction.atomic():
        key = _lock(tenant_id, key_id, now)
        _check_reach(by, key, whole=False)
        if (wanted := changes.get("allowed_domains")) is not None:
            _check_domains(tenant_id, wanted)
        for field, value in changes.items():
            setattr(key, field, value)
        _check_reach(by, key)
        if "expires_at" in changes:
            _check_expiry(key.expires_at, now)
        if changes:
            key.save(update_fields=[*changes])
            _audit("api_key.update", key, by, now, **changes)
            _forget_on_commit(key)
        return key


def rotate(
    *, tenant_id: UUID, key_id: str, overlap_seconds: int, by: Caller | Actor, now: datetime
) -> tuple[ApiKey, str, datetime]:
    """A new key like this one, its token, and when the old one ends: both work for the overlap.

    The overlap never prolongs a key. Raises `Conflict` for a key that no longer works, `Forbidden` for one
    that reaches further than the caller's.
    """
    with transaction.atomic():
        old = _lock(tenant_id, key_id, now)
        _check_reach(by, old)
        new = ApiKey(
            tenant_id=tenant_id,
            test=old.test,
            name=old.name,
            scopes=old.scopes,
            allowed_domains=old.allowed_domains,
            allowed_ips=old.allowed_ips,
            expires_at=old.expires_at,
            replaces=old,
        )
        overlap_ends = now + timedelta(seconds=overlap_seconds)
        old_expires_at = min(overlap_ends, old.expires_at or overlap_ends)
        old.expires_at = old_expires_at
        old.save(update_fields=["expires_at"])
        token = _store(new, now=now)
        _audit("api_key.rotate", old, by, now, replaced_by=str(new.pk), expires_at=old_expires_at)
        _forget_on_commit(old)
        return new, token, old_expires_at


def revoke(*, tenant_id: UUID, key_id: str, by: Caller | Actor, now: datetime) -> ApiKey:
    """End a key now, in every process within 5 s. Revoking it again changes nothing."""
    with transaction.atomic():
        lock_tenant(tenant_id)
        key = get_key(tenant_id, key_id)
        if isinstance(by, Caller) and by.test and not key.test:
            raise Forbidden("A test key cannot revoke a live key.")
        if key.revoked_at is None:
            key.revoked_at = now
            key.save(update_fields=["revoked_at"])
            _audit("api_key.revoke", key, by, now)
            _forget_on_commit(key)
        return key


def _store(key: ApiKey, *, now: datetime) -> str:
    if count_usable(key.tenant_id, now=now) >= MAX_KEYS:
        raise Conflict(f"A tenant may have {MAX_KEYS} keys.")
    key.public = base62(PUBLIC_LENGTH)
    token = f"{key.prefix}_{base62(SECRET_LENGTH)}"
    key.secret_hash = keyed_hash(token)
    key.save(force_insert=True)
    return token


def _lock(tenant_id: UUID, key_id: str, now: datetime) -> ApiKey:
    lock_tenant(tenant_id)  # keys of a tenant change one at a time
    key = get_key(tenant_id, key_id)
    if not key.is_usable(now):
        raise Conflict("This key is revoked or expired.")
    return key


def _allowed_domains(tenant_id: UUID, new: NewKey) -> list[str] | None:
    if new.domain_id is not None:
        try:
            return [domains.get_domain(tenant_id, new.domain_id).name]
        except NotFound:
            raise Invalid.field("domain_id", "not_found", "There is no such domain.") from None
    if new.allowed_domains is None:
        return None
    _check_domains(tenant_id, new.allowed_domains)
    return list(new.allowed_domains)


def _check_domains(tenant_id: UUID, wanted: list[str] | tuple[str, ...]) -> None:
    known = domains.names(tenant_id)
    errors = [
        FieldError(f"allowed_domains[{place}]", "not_found", f"{name} is not a domain of this tenant.")
        for place, name in enumerate(wanted)
        if name not in known
    ]
    if errors:
        raise Invalid(errors[0].message, errors=errors)


def _check_expiry(expires_at: datetime | None, now: datetime) -> None:
    if expires_at is not None and expires_at <= now:
        raise Invalid.field("expires_at", "out_of_range", "Choose a time in the future.")


def _check_reach(by: Caller | Actor, key: ApiKey, *, whole: bool = True) -> None:
    """Refuse what is beyond the caller; not `whole`: only mode and scopes, the restrictions will change."""
    if isinstance(by, Actor):
        return
    wanted = Reach.of(key)
    if by.tenant_id != key.tenant_id:
        if not by.operator:
            raise Forbidden("Only the operator makes keys of other tenants.")
        own = Reach(live=not by.test)
    else:
        own = Reach.of(get_key(by.tenant_id, by.key_id))
    if not whole:
        wanted = Reach(scopes=wanted.scopes, live=wanted.live, domains=own.domains, networks=own.networks)
    if (lack := own.lacks(wanted)) is not None:
        raise Forbidden(lack)


def _audit(action: str, key: ApiKey, by: Caller | Actor, now: datetime, **changes: Any) -> None:
    record(
        tenant_id=key.tenant_id,
        actor=by if isinstance(by, Actor) else Actor.of(by),
        action=action,
        target=key,
        now=now,
        changes={
            field: to_wire(value) if isinstance(value, datetime) else value
            for field, value in changes.items()
        },
    )


def _forget_on_commit(key: ApiKey) -> None:
    public = key.public
    transaction.on_commit(lambda: cache.forget(public))
