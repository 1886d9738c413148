"""Domain."""

from django.db import models

from mailgrid.core.ids import uuid7
from mailgrid.core.scoping import TenantRow


class Domain(TenantRow):
    """A DNS name a tenant sends from. Only a verified one may stand in `from`; one tenant at most has it verified."""

    class Status(models.TextChoices):
        PENDING = "pending"
        VERIFIED = "verified"
        FAILED = "failed"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(max_length=253)
    status = models.CharField(max_length=20, choices=Status.choices, default=Status.PENDING)
    verified_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta(TenantRow.Meta):
        constraints = [
            models.UniqueConstraint(fields=["tenant", "name"], name="tenants_domain_name"),
            models.UniqueConstraint(
                fields=["name"],
                condition=models.Q(status="verified"),
                name="tenants_domain_verified_once",
            ),
        ]

    def __str__(self) -> str:
        return self.name
