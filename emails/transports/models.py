"""Transport."""

from uuid import UUID

from django.db import models

from mailgrid.core.ids import uuid7
from mailgrid.core.scoping import ScopedManager

# The operator's sandbox, made by the first migration: test keys use it always, everybody until an operator says else.
SANDBOX_ID = UUID("01900000-0000-7000-8000-000000000001")


class Transport(models.Model):
    """A provider account: how mail of its streams leaves.

    `tenant` None marks the operator's own, which serve every tenant without one. `settings` holds what may be shown,
    `sealed_secrets` the rest, encrypted. `hook_key` is the keyed hash of the secret in the address of its
    notifications; `topic_arns` in the settings says which SNS topics it may come from.
    """

    class Kind(models.TextChoices):
        SES = "ses"
        SMTP = "smtp"
        SANDBOX = "sandbox"
        MEMORY = "memory"

    class OverLimit(models.TextChoices):
        DEFER = "defer"
        REJECT = "reject"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    tenant = models.ForeignKey(
        "tenants.Tenant", on_delete=models.CASCADE, null=True, blank=True, related_name="+"
    )
    name = models.CharField(max_length=63)
    kind = models.CharField(max_length=10, choices=Kind.choices)
    settings = models.JSONField(default=dict, blank=True)
    sealed_secrets = models.BinaryField(default=b"")
    secrets_key_id = models.CharField(max_length=32, blank=True)
    hook_key = models.CharField(max_length=64, unique=True, null=True, blank=True)
    per_minute = models.PositiveIntegerField(null=True, blank=True)
    per_hour = models.PositiveIntegerField(null=True, blank=True)
    per_day = models.PositiveIntegerField(null=True, blank=True)
    over_limit = models.CharField(max_length=10, choices=OverLimit.choices, default=OverLimit.DEFER)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects = ScopedManager()
    across_tenants = models.Manager()

    class Meta:
        default_manager_name = "across_tenants"
        constraints = [
            models.UniqueConstraint(fields=["tenant", "name"], name="emails_transport_name"),
            models.UniqueConstraint(
                fields=["name"], condition=models.Q(tenant=None), name="emails_transport_shared_name"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.kind})"
