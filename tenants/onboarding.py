"""A tenant that can send from its first minute: itself, a key and a domain in one transaction."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import transaction

from mailgrid.core.callers import ADMIN
from tenants.audit.services import SYSTEM
from tenants.domains.services import add_verified
from tenants.keys.services import NewKey, issue
from tenants.tenancy.selectors import has_operator
from tenants.tenancy.services import TenantValues, create_tenant


@dataclass(frozen=True, slots=True, kw_only=True)
class Bootstrapped:
    """What was made; `api_key` is shown nowhere else."""

    tenant_id: UUID
    slug: str
    api_key: str
    domain: str | None


def bootstrap(*, name: str, slug: str | None, domain: str | None, test: bool, now: datetime) -> Bootstrapped:
    """A tenant with an admin key and, where one is named, a verified domain.

    The first tenant becomes the operator's. Raises what its parts raise: `SlugTaken`, `DomainTaken`,
    `Invalid`.
    """
    values: TenantValues = {"name": name} if slug is None else {"name": name, "slug": slug}
    with transaction.atomic():
        tenant = create_tenant(values=values, operator=not has_operator(), actor=SYSTEM, now=now)
        if domain is not None:
            domain = add_verified(tenant_id=tenant.id, name=domain, actor=SYSTEM, now=now).name
        key = NewKey(name="bootstrap", scopes=frozenset({ADMIN}), test=test)
        _, token = issue(tenant_id=tenant.id, new=key, by=SYSTEM, now=now)
    return Bootstrapped(tenant_id=tenant.id, slug=tenant.slug, api_key=token, domain=domain)
