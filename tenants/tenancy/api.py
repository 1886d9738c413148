"""`/tenant`: the caller's own. `/tenants` and `/plans`: the operator's."""

from typing import Annotated, Any, cast

from django.http import HttpResponse
from django.urls import path
from pydantic import BeforeValidator, Field

from mailgrid.core.callers import ADMIN, ANY_KEY
from mailgrid.http.answers import answer
from mailgrid.http.query import Query, as_list
from mailgrid.http.reading import Body
from mailgrid.http.views import Endpoint
from tenants.audit.services import Actor
from tenants.tenancy import plans, selectors, services
from tenants.tenancy.models import Plan, Tenant
from tenants.tenancy.plans import PlanValues
from tenants.tenancy.services import TenantValues
from tenants.tenancy.settings import Limits, TenantSettings


def _without_nulls(value: Any) -> Any:
    """Null for an optional field means "not given" where something is made (docs/api.md 1.1)."""
    if not isinstance(value, dict):
        return value
    return {field: _without_nulls(item) for field, item in value.items() if item is not None}


Name = Annotated[str, Field(min_length=1, max_length=100)]
PlanName = Annotated[str, Field(min_length=1, max_length=60)]
NewSettings = Annotated[TenantSettings, BeforeValidator(_without_nulls)]
NewLimits = Annotated[Limits, BeforeValidator(_without_nulls)]


class _Values(Body):
    def values(self) -> dict[str, Any]:
        """What is given, objects included only as far as given; a null elsewhere says nothing."""
        given = self.model_dump(exclude_unset=True, by_alias=True)
        return {field: value for field, value in given.items() if value is not None}


class OwnChanges(_Values):
    """What a tenant may change of itself."""

    name: Name | None = None
    settings: TenantSettings | None = None


class NewTenant(_Values):
    """A tenant to create."""

    name: Name
    slug: str | None = None
    plan: str | None = None
    limits: NewLimits | None = None
    settings: NewSettings | None = None


class TenantChanges(OwnChanges):
    """What the operator may change of a tenant; `limits` of null goes back to the plan's."""

    slug: str | None = None
    plan: str | None = None
    limits: Limits | None = None

    def values(self) -> dict[str, Any]:
        """As elsewhere, but that null clears the limits."""
        cleared = {"limits": None} if "limits" in self.model_fields_set and self.limits is None else {}
        return {**super().values(), **cleared}


class Suspension(Body):
    """Why a tenant is suspended."""

    reason: Annotated[str, Field(max_length=500)] | None = None


class NewPlan(_Values):
    """A plan to create."""

    name: PlanName
    limits: NewLimits | None = None


class PlanChanges(_Values):
    """What may be changed of a plan."""

    name: PlanName | None = None
    limits: Limits | None = None


class OwnTenant(Endpoint):
    """The caller's tenant."""

    scopes = {"GET": ANY_KEY, "PATCH": ADMIN}
    bodies = {"PATCH": OwnChanges}

    def get(self, _request: Any) -> HttpResponse:
        """Read it."""
        return answer(_show(selectors.get_tenant(self.caller.tenant_id)))

    def patch(self, _request: Any) -> HttpResponse:
        """Change its name or settings."""
        tenant = services.update(
            tenant_id=self.caller.tenant_id,
            values=cast(TenantValues, self.read(OwnChanges).values()),
            actor=Actor.of(self.caller),
            now=self.request_time,
        )
        return answer(_named(tenant))


class PauseOwnTenant(Endpoint):
    """The tenant's own switch."""

    scopes = {"POST": ADMIN}

    def post(self, _request: Any) -> HttpResponse:
        """Hold all mail."""
        tenant = services.pause(
            tenant_id=self.caller.tenant_id, actor=Actor.of(self.caller), now=self.request_time
        )
        return answer(_named(tenant))


class ResumeOwnTenant(Endpoint):
    """The way back."""

    scopes = {"POST": ADMIN}

    def post(self, _request: Any) -> HttpResponse:
        """Let mail go again."""
        tenant = services.resume(
            tenant_id=self.caller.tenant_id, actor=Actor.of(self.caller), now=self.request_time
        )
        return answer(_named(tenant))


class Tenants(Endpoint):
    """All tenants of the installation."""

    operator = True
    scopes = {"GET": ADMIN, "POST": ADMIN}
    bodies = {"POST": NewTenant}
    filters = ("status", "plan", "slug")

    def get(self, request: Any) -> HttpResponse:
        """List them, newest first."""
        query = Query(request.GET, filters=self.filters, now=self.request_time)
        rows = selectors.list_tenants(
            status=query.words("status", Tenant.Status.values),
            plan=query.text("plan"),
            slug=query.text("slug"),
        )
        return answer(as_list(query.page().of(rows), _show))

    def post(self, _request: Any) -> HttpResponse:
        """Create one."""
        tenant = services.create_tenant(
            values=cast(TenantValues, self.read(NewTenant).values()),
            actor=Actor.of(self.caller),
            now=self.request_time,
        )
        return answer(_show(tenant), status=201)


class OneTenant(Endpoint):
    """Any tenant."""

    operator = True
    scopes = {"GET": ADMIN, "PATCH": ADMIN, "DELETE": ADMIN}
    bodies = {"PATCH": TenantChanges}

    def get(self, _request: Any, tenant_id: str) -> HttpResponse:
        """Read it."""
        return answer(_show(selectors.get_tenant(tenant_id)))

    def patch(self, _request: Any, tenant_id: str) -> HttpResponse:
        """Change it."""
        tenant = services.update(
            tenant_id=tenant_id,
            values=cast(TenantValues, self.read(TenantChanges).values()),
            actor=Actor.of(self.caller),
            now=self.request_time,
        )
        return answer(_named(tenant))

    def delete(self, _request: Any, tenant_id: str) -> HttpResponse:
        """Close it at once."""
        tenant = services.close(tenant_id=tenant_id, actor=Actor.of(self.caller), now=self.request_time)
        return answer({**_named(tenant), "deleted": True})


class SuspendTenant(Endpoint):
    """The operator's switch."""

    operator = True
    scopes = {"POST": ADMIN}
    bodies = {"POST": Suspension}

    def post(self, _request: Any, tenant_id: str) -> HttpResponse:
        """Let the tenant read only."""
        tenant = services.suspend(
            tenant_id=tenant_id,
            reason=self.read(Suspension).reason or "",
            actor=Actor.of(self.caller),
            now=self.request_time,
        )
        return answer(_named(tenant))


class ResumeTenant(Endpoint):
    """The way back."""

    operator = True
    scopes = {"POST": ADMIN}

    def post(self, _request: Any, tenant_id: str) -> HttpResponse:
        """Lift a suspension."""
        tenant = services.activate(tenant_id=tenant_id, actor=Actor.of(self.caller), now=self.request_time)
        return answer(_named(tenant))


class Plans(Endpoint):
    """All plans."""

    operator = True
    scopes = {"GET": ADMIN, "POST": ADMIN}
    bodies = {"POST": NewPlan}

    def get(self, request: Any) -> HttpResponse:
        """List them, newest first."""
        query = Query(request.GET, filters=self.filters, now=self.request_time)
        return answer(as_list(query.page().of(selectors.list_plans()), _show_plan))

    def post(self, _request: Any) -> HttpResponse:
        """Create one."""
        plan = plans.create_plan(
            operator_id=self.caller.tenant_id,
            values=cast(PlanValues, self.read(NewPlan).values()),
            actor=Actor.of(self.caller),
            now=self.request_time,
        )
        return answer(_show_plan(plan), status=201)


class OnePlan(Endpoint):
    """A plan."""

    operator = True
    scopes = {"PATCH": ADMIN, "DELETE": ADMIN}
    bodies = {"PATCH": PlanChanges}

    def patch(self, _request: Any, plan_id: str) -> HttpResponse:
        """Change it."""
        plan = plans.update_plan(
            operator_id=self.caller.tenant_id,
            plan_id=plan_id,
            values=cast(PlanValues, self.read(PlanChanges).values()),
            actor=Actor.of(self.caller),
            now=self.request_time,
        )
        return answer({"object": "plan", "id": str(plan.id)})

    def delete(self, _request: Any, plan_id: str) -> HttpResponse:
        """Remove it, when no tenant is on it."""
        deleted = plans.delete_plan(
            operator_id=self.caller.tenant_id,
            plan_id=plan_id,
            actor=Actor.of(self.caller),
            now=self.request_time,
        )
        return answer({"object": "plan", "id": str(deleted), "deleted": True})


def _named(tenant: Tenant) -> dict[str, Any]:
    return {"object": "tenant", "id": str(tenant.id)}


def _show(tenant: Tenant) -> dict[str, Any]:
    return {
        "object": "tenant",
        "id": str(tenant.id),
        "name": tenant.name,
        "slug": tenant.slug,
        "plan": tenant.plan.name,
        "status": tenant.status,
        "paused": tenant.paused,
        "limits": tenant.effective_limits.model_dump(),
        "settings": tenant.effective_settings.model_dump(by_alias=True),
        "created_at": tenant.created_at,
    }


def _show_plan(plan: Plan) -> dict[str, Any]:
    return {
        "object": "plan",
        "id": str(plan.id),
        "name": plan.name,
        "limits": Limits(**plan.limits).model_dump(),
        "created_at": plan.created_at,
    }


routes = [
    path("tenant", OwnTenant.as_view()),
    path("tenant/pause", PauseOwnTenant.as_view()),
    path("tenant/resume", ResumeOwnTenant.as_view()),
    path("tenants", Tenants.as_view()),
    path("tenants/<str:tenant_id>", OneTenant.as_view()),
    path("tenants/<str:tenant_id>/suspend", SuspendTenant.as_view()),
    path("tenants/<str:tenant_id>/resume", ResumeTenant.as_view()),
    path("plans", Plans.as_view()),
    path("plans/<str:plan_id>", OnePlan.as_view()),
]
