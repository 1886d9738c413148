"""Who is asking: the tenant and mode in scope, and managers that refuse to answer without one.

Every row of a tenant has two managers. `objects` sees the tenant in scope only and raises
when there is none: forgetting the scope is an error, never a leak. `across_tenants` is the plain one; it is Django's
default manager (admin, deletion and form choices need that) and spells out that a query crosses tenants.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, ClassVar
from uuid import UUID

from django.db import models


@dataclass(frozen=True, slots=True)
class Scope:
    """A tenant and a mode. `test` is True for everything a test key makes or sees."""

    tenant_id: UUID
    test: bool


class NoTenantInScope(Exception):
    """A scoped query ran outside `in_scope`: a programming error."""


_scope: ContextVar[Scope | None] = ContextVar("mailgrid_scope", default=None)


def current_scope() -> Scope:
    """The scope this thread or task runs in; raises `NoTenantInScope`."""
    scope = _scope.get()
    if scope is None:
        raise NoTenantInScope("no tenant in scope: use in_scope(), or across_tenants if that is meant")
    return scope


@contextmanager
def in_scope(tenant_id: UUID, *, test: bool) -> Iterator[Scope]:
    """Everything inside sees this tenant's rows of this mode only."""
    scope = Scope(tenant_id, test)
    token = _scope.set(scope)
    try:
        yield scope
    finally:
        _scope.reset(token)


@contextmanager
def out_of_scope() -> Iterator[None]:
    """A clean slate for one request; whatever scope it enters ends with it."""
    token = _scope.set(None)
    try:
        yield
    finally:
        _scope.reset(token)


def enter_scope(tenant_id: UUID, *, test: bool) -> None:
    """From here to the end of the request, see this tenant's rows of this mode. Call inside `out_of_scope`."""
    _scope.set(Scope(tenant_id, test))


class ScopedManager(models.Manager[Any]):
    """Rows of the tenant in scope, and of its mode where the model has modes."""

    def get_queryset(self) -> models.QuerySet[Any]:
        scope = current_scope()
        rows = super().get_queryset().filter(tenant_id=scope.tenant_id)
        return rows.filter(test=scope.test) if getattr(self.model, "has_modes", False) else rows


class TenantRow(models.Model):
    """A row that belongs to one tenant. Models with a `test` column set `has_modes`."""

    has_modes: ClassVar[bool] = False

    # No index of its own: every model has one that starts with the tenant and goes on to what is asked for.
    tenant = models.ForeignKey("tenants.Tenant", on_delete=models.CASCADE, related_name="+", db_index=False)

    objects = ScopedManager()
    across_tenants = models.Manager()

    class Meta:
        abstract = True
        default_manager_name = "across_tenants"
