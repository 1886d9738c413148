"""Tenant and Plan."""

from django.db import models

from mailgrid.core.ids import uuid7
from tenants.tenancy.settings import Limits, TenantSettings


class Plan(models.Model):
    """A named set of limits: the defaults of every tenant on it."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(max_length=60, unique=True)
    limits = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.name


class Tenant(models.Model):
    """The hosted organisation. Every other row of a tenant points here.

    `paused` holds its mail and is the tenant's own switch; `status` is the operator's. One tenant, made at
    installation, is the operator tenant.
    """

    class Status(models.TextChoices):
        ACTIVE = "active"
        SUSPENDED = "suspended"  # may read, not send or change
        CLOSED = "closed"  # erased 30 days later

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(max_length=100)
    slug = models.CharField(max_length=40, unique=True)
    plan = models.ForeignKey(Plan, on_delete=models.PROTECT, related_name="tenants")
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.ACTIVE)
    status_reason = models.CharField(max_length=500, blank=True)
    paused = models.BooleanField(default=False)
    operator = models.BooleanField(default=False)
    limits = models.JSONField(default=dict, blank=True)
    settings = models.JSONField(default=dict, blank=True)
    secrets = models.BinaryField(null=True)  # of its attachment sources, encrypted
    secrets_key_id = models.CharField(max_length=32, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["operator"], condition=models.Q(operator=True), name="tenants_tenant_one_operator"
            )
        ]

    @property
    def effective_limits(self) -> Limits:
        """The tenant's own limits over its plan's over the defaults."""
        return Limits(**{**self.plan.limits, **self.limits})

    @property
    def effective_settings(self) -> TenantSettings:
        """The tenant's settings over the defaults."""
        return TenantSettings(**self.settings)

    def __str__(self) -> str:
        return self.name
