"""Create, change and delete plans: the operator's, audited in the operator's own tenant."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypedDict
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import ProtectedError

from mailgrid.core.errors import Conflict
from tenants.audit.services import Actor, record
from tenants.tenancy.models import Plan
from tenants.tenancy.selectors import lock_plan
from tenants.tenancy.services import merged


class PlanTaken(Conflict):
    """The name is in use."""


class PlanInUse(Conflict):
    """Tenants are on it."""


class PlanValues(TypedDict, total=False):
    """What a caller may set; `limits` names only the fields that change."""

    name: str
    limits: Mapping[str, Any]


def create_plan(*, operator_id: UUID, values: PlanValues, actor: Actor, now: datetime) -> Plan:
    """Add a plan. Raises `PlanTaken`."""
    with transaction.atomic():
        plan = Plan(name=values["name"], limits=dict(values.get("limits", {})))
        _save(plan)
        record(tenant_id=operator_id, actor=actor, action="plan.create", target=plan, now=now, changes=values)
    return plan


def update_plan(*, operator_id: UUID, plan_id: str, values: PlanValues, actor: Actor, now: datetime) -> Plan:
    """Change what is given; tenants on the plan feel it within 5 s. Raises `PlanTaken`."""
    with transaction.atomic():
        plan = lock_plan(plan_id)
        plan.name = values.get("name", plan.name)
        plan.limits = merged(plan.limits, values.get("limits", {}))
        _save(plan, only=["name", "limits"])
        record(tenant_id=operator_id, actor=actor, action="plan.update", target=plan, now=now, changes=values)
    return plan


def delete_plan(*, operator_id: UUID, plan_id: str, actor: Actor, now: datetime) -> UUID:
    """Remove a plan that no tenant is on, and answer its id. Raises `PlanInUse`."""
    with transaction.atomic():
        plan = lock_plan(plan_id)
        record(
            tenant_id=operator_id,
            actor=actor,
            action="plan.delete",
            target=plan,
            now=now,
            changes={"name": plan.name},
        )
        deleted_id = plan.id
        try:
            plan.delete()
        except ProtectedError:
            raise PlanInUse("Tenants are on this plan.") from None
    return deleted_id


def _save(plan: Plan, *, only: list[str] | None = None) -> None:
    try:
        with transaction.atomic():
            plan.save(update_fields=only)
    except IntegrityError:
        raise PlanTaken(f"There is a plan called {plan.name} already.") from None
