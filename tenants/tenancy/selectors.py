"""Read tenants and plans."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from django.db.models import QuerySet

from mailgrid.core.cache import TenantCache
from mailgrid.core.errors import NotFound
from tenants.tenancy.lookup import one
from tenants.tenancy.models import Plan, Tenant
from tenants.tenancy.settings import Limits, TenantSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantFacts:
    """What every request and every claim needs to know about a tenant."""

    id: UUID
    name: str
    slug: str
    status: Tenant.Status
    paused: bool
    operator: bool
    limits: Limits
    settings: TenantSettings


_facts: TenantCache[TenantFacts] = TenantCache()


def tenant_facts(tenant_id: UUID) -> TenantFacts:
    """The tenant as of at most 5 s ago; raises `NotFound`."""
    if (kept := _facts.get(tenant_id)) is not None:
        return kept
    facts = facts_of(get_tenant(tenant_id))
    _facts.put(tenant_id, facts)
    return facts


def facts_of(tenant: Tenant) -> TenantFacts:
    """The facts of a row at hand, loaded with its plan."""
    return TenantFacts(
        id=tenant.id,
        name=tenant.name,
        slug=tenant.slug,
        status=Tenant.Status(tenant.status),
        paused=tenant.paused,
        operator=tenant.operator,
        limits=tenant.effective_limits,
        settings=tenant.effective_settings,
    )


def get_tenant(tenant_id: UUID | str) -> Tenant:
    """One tenant with its plan; raises `NotFound`, also for a malformed id."""
    return one(Tenant.objects.select_related("plan"), tenant_id)


def lock_tenant(tenant_id: UUID | str) -> Tenant:
    """The same, locked until the end of the transaction: a tenant's things change one at a time."""
    return one(Tenant.objects.select_related("plan").select_for_update(of=("self",)), tenant_id)


def id_of_slug(slug: str) -> UUID:
    """The tenant that has this slug; raises `NotFound`."""
    found = Tenant.objects.filter(slug=slug).values_list("id", flat=True).first()
    if found is None:
        raise NotFound(f"There is no tenant {slug}.")
    return found


def tracking_hosts() -> Mapping[str, frozenset[UUID]]:
    """Whose links each tracking host serves."""
    owners: dict[str, set[UUID]] = defaultdict(set)
    rows = Tenant.objects.filter(settings__has_key="tracking_host")
    for host, tenant_id in rows.values_list("settings__tracking_host", "pk"):
        if host:
            owners[host].add(tenant_id)
    return {host: frozenset(ids) for host, ids in owners.items()}


def has_operator() -> bool:
    """Whether the operator tenant has been made."""
    return Tenant.objects.filter(operator=True).exists()


def list_tenants(*, status: list[str], plan: str | None, slug: str | None) -> QuerySet[Tenant]:
    """Every tenant of the installation that passes the filters given."""
    rows = Tenant.objects.select_related("plan")
    if status:
        rows = rows.filter(status__in=status)
    if plan is not None:
        rows = rows.filter(plan__name=plan)
    if slug is not None:
        rows = rows.filter(slug=slug)
    return rows


def lock_plan(plan_id: UUID | str) -> Plan:
    """One plan, locked until the end of the transaction; raises `NotFound`, also for a malformed id."""
    return one(Plan.objects.select_for_update(), plan_id)


def list_plans() -> QuerySet[Plan]:
    """Every plan."""
    return Plan.objects.all()
