"""Create tenants, change them, and stop and start their mail."""

from collections.abc import Mapping
from copy import deepcopy
from datetime import datetime
from typing import Any, TypedDict
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils.module_loading import import_string

from mailgrid.core.errors import Conflict, Invalid
from mailgrid.core.ids import uuid7
from tenants.audit.services import Actor, record
from tenants.tenancy import sources
from tenants.tenancy.models import Plan, Tenant
from tenants.tenancy.selectors import lock_tenant
from tenants.tenancy.slugs import PATTERN, RESERVED, slug_from

DEFAULT_PLAN = "free"


class SlugTaken(Conflict):
    """Another tenant has this slug."""


class TenantClosed(Conflict):
    """A closed tenant does not change any more."""


class OperatorTenant(Conflict):
    """The operator's own tenant cannot be suspended or closed: nobody could undo it."""


class TenantValues(TypedDict, total=False):
    """What a caller may set; what is absent stays.

    `plan` is a plan's name. `limits` and `settings` name only the fields that change; `limits` of None goes
    back to the plan's.
    """

    name: str
    slug: str
    plan: str
    limits: Mapping[str, Any] | None
    settings: Mapping[str, Any]


def create_tenant(*, values: TenantValues, actor: Actor, now: datetime, operator: bool = False) -> Tenant:
    """Add a tenant, with whatever `TENANT_CREATED` adds to it. Without a slug it gets one from its name.

    Raises `SlugTaken`, and `Invalid` for a plan that does not exist or a slug that cannot be one.
    """
    tenant = Tenant(id=uuid7(), operator=operator)
    values = {**values}
    values.setdefault("slug", slug_from(values["name"], spare=tenant.id.hex[-8:]))
    values.setdefault("plan", DEFAULT_PLAN)
    with transaction.atomic():
        _apply(tenant, values)
        _save(tenant)
        record(
            tenant_id=tenant.id,
            actor=actor,
            action="tenant.create",
            target=tenant,
            now=now,
            changes=_told(tenant, values),
        )
        for addition in settings.TENANT_CREATED:
            import_string(addition)(tenant=tenant, now=now)
    return tenant


def update(*, tenant_id: UUID | str, values: TenantValues, actor: Actor, now: datetime) -> Tenant:
    """Change what is given; settings and limits field by field. Raises what `create_tenant` raises.

    What lives above `tenants` judges the settings through `TENANT_SETTINGS_CHECK`.
    """
    with transaction.atomic():
        tenant = _open_tenant(tenant_id)
        if values:
            _apply(tenant, values)
            _save(tenant, only=[*values, "secrets", "secrets_key_id"])
            _changed(tenant, "tenant.update", actor, now, _told(tenant, values))
    return tenant


def pause(*, tenant_id: UUID | str, actor: Actor, now: datetime) -> Tenant:
    """Hold all of the tenant's mail from now on; pausing twice is pausing once."""
    return _switch(tenant_id, "tenant.pause", actor, now, paused=True)


def resume(*, tenant_id: UUID | str, actor: Actor, now: datetime) -> Tenant:
    """Let the tenant's mail go again."""
    return _switch(tenant_id, "tenant.resume", actor, now, paused=False)


def suspend(*, tenant_id: UUID | str, reason: str, actor: Actor, now: datetime) -> Tenant:
    """The operator's stop: the tenant may read, not send or change. Raises `OperatorTenant`."""
    return _switch(
        tenant_id, "tenant.suspend", actor, now, status=Tenant.Status.SUSPENDED, status_reason=reason
    )


def activate(*, tenant_id: UUID | str, actor: Actor, now: datetime) -> Tenant:
    """Undo a suspension. The tenant's own pause is its own affair."""
    return _switch(tenant_id, "tenant.activate", actor, now, status=Tenant.Status.ACTIVE, status_reason="")


def close(*, tenant_id: UUID | str, actor: Actor, now: datetime) -> Tenant:
    """End the tenant at once: no key of it works any more. Closing it again changes nothing."""
    with transaction.atomic():
        tenant = lock_tenant(tenant_id)
        if tenant.status != Tenant.Status.CLOSED:
            _refuse_for_operator(tenant)
            tenant.status, tenant.closed_at = Tenant.Status.CLOSED, now
            tenant.save(update_fields=["status", "closed_at"])
            _changed(tenant, "tenant.close", actor, now, {})
    return tenant


def _switch(tenant_id: UUID | str, action: str, actor: Actor, now: datetime, **fields: Any) -> Tenant:
    with transaction.atomic():
        tenant = _open_tenant(tenant_id)
        if fields.get("status") == Tenant.Status.SUSPENDED:
            _refuse_for_operator(tenant)
        changed = {name: value for name, value in fields.items() if getattr(tenant, name) != value}
        for name, value in changed.items():
            setattr(tenant, name, value)
        if changed:
            tenant.save(update_fields=[*changed])
            _changed(tenant, action, actor, now, changed)
    return tenant


def _apply(tenant: Tenant, values: TenantValues) -> None:
    if "name" in values:
        tenant.name = values["name"]
    if "slug" in values:
        tenant.slug = _checked_slug(values["slug"])
    if "plan" in values:
        tenant.plan = _plan(values["plan"])
    if "limits" in values:
        tenant.limits = merged(tenant.limits, values["limits"]) if values["limits"] is not None else {}
    if "settings" in values:
        tenant.settings = merged(tenant.settings, deepcopy(dict(values["settings"])))
        sources.take_in(tenant)
        if not tenant._state.adding:  # a new tenant has its streams only afterwards
            import_string(settings.TENANT_SETTINGS_CHECK)(
                tenant_id=tenant.id, settings=tenant.effective_settings
            )


def merged(stored: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """`stored` with the given fields in place, those of objects one by one."""
    result = dict(stored)
    for field, value in given.items():
        before = result.get(field)
        result[field] = {**before, **value} if isinstance(before, dict) and isinstance(value, dict) else value
    return result


def _checked_slug(slug: str) -> str:
    if not PATTERN.fullmatch(slug):
        raise Invalid.field(
            "slug", "invalid_choice", "Use 3 to 40 lower-case letters, digits and inner hyphens."
        )
    if slug in RESERVED:
        raise Invalid.field("slug", "reserved_name", "This name is reserved.")
    return slug


def _plan(name: str) -> Plan:
    plan = Plan.objects.filter(name=name).first()
    if plan is None:
        raise Invalid.field("plan", "not_found", "There is no such plan.")
    return plan


def _open_tenant(tenant_id: UUID | str) -> Tenant:
    tenant = lock_tenant(tenant_id)
    if tenant.status == Tenant.Status.CLOSED:
        raise TenantClosed("This tenant is closed.")
    return tenant


def _refuse_for_operator(tenant: Tenant) -> None:
    if tenant.operator:
        raise OperatorTenant("The operator's own tenant cannot be suspended or closed.")


def _save(tenant: Tenant, *, only: list[str] | None = None) -> None:
    try:
        with transaction.atomic():
            tenant.save(update_fields=only)
    except IntegrityError:
        raise SlugTaken(f"The slug {tenant.slug} is taken.") from None


def _told(tenant: Tenant, values: TenantValues) -> dict[str, Any]:
    """The change as the trail keeps it: settings as they are stored, without their secrets."""
    told: dict[str, Any] = {**values}
    if "settings" in values:
        told["settings"] = {name: tenant.settings[name] for name in values["settings"]}
    return told


def _changed(tenant: Tenant, action: str, actor: Actor, now: datetime, changes: Mapping[str, Any]) -> None:
    record(tenant_id=tenant.id, actor=actor, action=action, target=tenant, now=now, changes=changes)
