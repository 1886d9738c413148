"""Add and remove the names a tenant sends from."""

from datetime import datetime
from uuid import UUID

from django.db import IntegrityError, transaction

from mailgrid.core.errors import Conflict, Invalid
from tenants.audit.services import Actor, record
from tenants.domains.models import Domain
from tenants.domains.names import normalize
from tenants.domains.selectors import get_domain
from tenants.tenancy.selectors import lock_tenant

MAX_DOMAINS = 100  # of a tenant (docs/api.md, limits)


class DomainTaken(Conflict):
    """Another tenant has it verified."""


class TooManyDomains(Conflict):
    """The tenant has as many as it may."""


def add_verified(*, tenant_id: UUID, name: str, actor: Actor, now: datetime) -> Domain:
    """The domain as verified: the operator vouches for it. One that the tenant has already becomes verified.

    Raises `Invalid` for what is no domain name, `DomainTaken`, `TooManyDomains`, `NotFound` without a tenant.
    """
    try:
        name = normalize(name)
    except ValueError as error:
        raise Invalid.field("name", "invalid_choice", str(error)) from None
    with transaction.atomic():
        lock_tenant(tenant_id)
        domain = Domain.across_tenants.filter(tenant_id=tenant_id, name=name).first()
        if domain is None:
            if Domain.across_tenants.filter(tenant_id=tenant_id).count() >= MAX_DOMAINS:
                raise TooManyDomains(f"A tenant may have {MAX_DOMAINS} domains.")
            domain = Domain(tenant_id=tenant_id, name=name)
        if domain.status != Domain.Status.VERIFIED:
            domain.status, domain.verified_at = Domain.Status.VERIFIED, now
            _save(domain)
            record(
                tenant_id=tenant_id,
                actor=actor,
                action="domain.verify",
                target=domain,
                now=now,
                changes={"name": name},
            )
    return domain


def remove(*, tenant_id: UUID, domain_id: UUID | str, actor: Actor, now: datetime) -> UUID:
    """Forget a domain, and answer its id; mail from it is refused from now on. Raises `NotFound`."""
    with transaction.atomic():
        domain = get_domain(tenant_id, domain_id)
        record(
            tenant_id=tenant_id,
            actor=actor,
            action="domain.remove",
            target=domain,
            now=now,
            changes={"name": domain.name},
        )
        removed_id = domain.id
        domain.delete()
    return removed_id


def _save(domain: Domain) -> None:
    try:
        with transaction.atomic():
            domain.save()
    except IntegrityError:
        raise DomainTaken(f"Another tenant sends from {domain.name}.") from None
