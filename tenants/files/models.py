"""File, and how far the sweep of the blob store has come."""

from django.db import models
from django.db.models import Q

from mailgrid.core.ids import uuid7
from mailgrid.core.scoping import TenantRow


class File(TenantRow):
    """A name for bytes of a tenant. Several may name equal bytes, which are stored once; both modes share them."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    filename = models.CharField(max_length=255)
    content_type = models.CharField(max_length=255)
    size = models.IntegerField()
    sha256 = models.CharField(max_length=64)
    blob = models.CharField(max_length=120)
    expires_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField()

    class Meta(TenantRow.Meta):
        indexes = [
            models.Index(fields=["tenant", "-id"], name="tenants_file_newest"),
            models.Index(fields=["tenant", "filename", "-id"], name="tenants_file_name"),
            models.Index(fields=["blob"], name="tenants_file_blob"),
            models.Index(fields=["expires_at"], condition=~Q(expires_at=None), name="tenants_file_expiry"),
        ]

    def __str__(self) -> str:
        return self.filename


class StoreWalk(models.Model):
    """How far the sweep has come in the blob store: the last name it looked at, empty between two walks."""

    name = models.CharField(primary_key=True, max_length=40)
    position = models.CharField(max_length=300, blank=True)
    begun_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.position
