"""Read domains."""

from uuid import UUID

from django.db.models import QuerySet

from tenants.domains.models import Domain
from tenants.tenancy.lookup import one


def verified_names(tenant_id: UUID) -> frozenset[str]:
    """The names this tenant may send from, as lower-case A-labels. One query."""
    rows = Domain.across_tenants.filter(tenant_id=tenant_id, status=Domain.Status.VERIFIED)
    return frozenset(rows.values_list("name", flat=True))


def names(tenant_id: UUID) -> frozenset[str]:
    """The names of all the tenant's domains, verified or not."""
    return frozenset(Domain.across_tenants.filter(tenant_id=tenant_id).values_list("name", flat=True))


def list_domains(tenant_id: UUID, *, status: list[str]) -> QuerySet[Domain]:
    """The tenant's domains in these statuses, or all."""
    rows = Domain.across_tenants.filter(tenant_id=tenant_id)
    return rows.filter(status__in=status) if status else rows


def get_domain(tenant_id: UUID, domain_id: UUID | str) -> Domain:
    """One domain of the tenant; raises `NotFound`, also for a malformed id."""
    return one(Domain.across_tenants.filter(tenant_id=tenant_id), domain_id)
