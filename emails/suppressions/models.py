"""Suppression."""

from uuid import UUID

from django.db import models
from django.db.models import Q

from mailgrid.core.ids import uuid7
from mailgrid.core.scoping import ScopedManager

NO_SCOPE = UUID(int=0)  # the scope id of rows that are not bound to a stream or topic


class Suppression(models.Model):
    """An address that must not get mail: of one tenant, or of nobody here (`global`: no tenant).

    `address` is in lower case. `scope_id` is the stream's or topic's id. The same address may be listed once per
    origin, so that lifting an unsubscribe leaves a bounce in place.
    """

    class Scope(models.TextChoices):
        TENANT = "tenant"
        STREAM = "stream"
        TOPIC = "topic"
        GLOBAL = "global"

    class Origin(models.TextChoices):
        BOUNCE = "bounce"
        COMPLAINT = "complaint"
        MANUAL = "manual"
        UNSUBSCRIBE = "unsubscribe"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    tenant = models.ForeignKey(
        "tenants.Tenant", on_delete=models.CASCADE, null=True, blank=True, related_name="+"
    )
    scope = models.CharField(max_length=8, choices=Scope.choices, default=Scope.TENANT)
    scope_id = models.UUIDField(default=NO_SCOPE)
    address = models.CharField(max_length=254)
    origin = models.CharField(max_length=12, choices=Origin.choices)
    source_id = models.UUIDField(null=True, blank=True)
    evidence = models.CharField(max_length=500, blank=True)
    note = models.CharField(max_length=500, null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = ScopedManager()
    across_tenants = models.Manager()

    class Meta:
        default_manager_name = "across_tenants"
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "address", "scope", "scope_id", "origin"], name="emails_suppression_once"
            ),
            models.UniqueConstraint(
                fields=["address", "origin"], condition=Q(tenant=None), name="emails_suppression_global_once"
            ),
        ]
        indexes = [models.Index(fields=["address"], name="emails_suppression_address")]

    def __str__(self) -> str:
        return f"{self.address} ({self.origin})"
