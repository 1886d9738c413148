"""AuditEntry."""

from django.db import models

from mailgrid.core.ids import uuid7
from mailgrid.core.scoping import TenantRow


class AuditEntry(TenantRow):
    """One change and who made it. Append-only; `hash` covers the entry and the hash before it, per tenant."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    seq = models.BigIntegerField()
    actor_type = models.CharField(max_length=16)
    actor_id = models.CharField(max_length=64, blank=True)
    action = models.CharField(max_length=60)
    target_type = models.CharField(max_length=40)
    target_id = models.CharField(max_length=64)
    ip = models.CharField(max_length=45, blank=True)
    request_id = models.CharField(max_length=64, blank=True)
    changes = models.JSONField(default=dict)
    created_at = models.DateTimeField()
    hash = models.CharField(max_length=64)

    class Meta(TenantRow.Meta):
        verbose_name_plural = "audit entries"
        constraints = [models.UniqueConstraint(fields=["tenant", "seq"], name="tenants_auditentry_seq")]

    def __str__(self) -> str:
        return f"{self.action} {self.target_type} {self.target_id}"
