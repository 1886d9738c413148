"""The kernel's few tables: answers kept under an idempotency key, and the pulse of the sweeps."""

from django.db import models

from mailgrid.core.ids import uuid7


class IdempotencyRecord(models.Model):
    """The answer to an accepted request, kept under the name its caller gave it.

    `tenant_id` is bare: the kernel knows nobody.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    tenant_id = models.UUIDField()
    test = models.BooleanField()
    route = models.CharField(max_length=80)
    key = models.CharField(max_length=300)
    request_hash = models.CharField(max_length=64)
    status = models.SmallIntegerField(default=0)
    body = models.BinaryField(default=b"")
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(db_index=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant_id", "test", "route", "key"], name="core_idempotency_key_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.route} {self.key}"


class Pulse(models.Model):
    """When a recurring job last ran; its age is the alarm for a silent scheduler."""

    name = models.CharField(primary_key=True, max_length=40)
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.name} {self.at:%H:%M:%S}"
