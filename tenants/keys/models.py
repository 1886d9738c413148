"""ApiKey."""

from datetime import datetime

from django.db import models

from mailgrid.core.ids import uuid7
from mailgrid.core.scoping import TenantRow


class ApiKey(TenantRow):
    """A secret that authenticates a tenant's software. `public` finds the row; `secret_hash` proves the key.

    `allowed_domains` and `allowed_ips` of None allow all of the tenant's. A test key works on test rows only.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    test = models.BooleanField(default=False)
    name = models.CharField(max_length=100)
    public = models.CharField(max_length=12, unique=True)
    secret_hash = models.CharField(max_length=64)
    scopes = models.JSONField(default=list)
    allowed_domains = models.JSONField(null=True, blank=True)
    allowed_ips = models.JSONField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    replaces = models.ForeignKey("self", on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta(TenantRow.Meta):
        indexes = [models.Index(fields=["tenant", "-id"], name="tenants_apikey_tenant")]

    @property
    def prefix(self) -> str:
        """The part of the key that may be shown."""
        return f"mg_{'test' if self.test else 'live'}_{self.public}"

    def is_usable(self, now: datetime) -> bool:
        """Neither revoked nor expired."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix})"
