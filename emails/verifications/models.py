"""Verification."""

from django.db import models
from django.db.models import Q

from emails.messages.models import Message
from mailgrid.core.ids import uuid7
from mailgrid.core.scoping import TenantRow


class Verification(TenantRow):
    """A question whether somebody reads the mail of an address. Neither the secret nor the address is kept.

    `secret_hash` is the keyed hash of the code (with the row's id) or of the link's token, `address_hash` that of the
    address in lower case. `tries` counts the codes that were checked.
    """

    has_modes = True

    class Channel(models.TextChoices):
        CODE = "code"
        LINK = "link"

    class Status(models.TextChoices):
        PENDING = "pending"
        APPROVED = "approved"
        EXPIRED = "expired"
        FAILED = "failed"
        CANCELED = "canceled"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    test = models.BooleanField(default=False)
    channel = models.CharField(max_length=4, choices=Channel.choices)
    status = models.CharField(max_length=8, choices=Status.choices, default=Status.PENDING)
    address_hash = models.CharField(max_length=64)
    secret_hash = models.CharField(max_length=64)
    tries = models.SmallIntegerField(default=0)
    redirect_url = models.CharField(max_length=2048, blank=True)
    metadata = models.JSONField(default=dict)
    message = models.ForeignKey(Message, on_delete=models.SET_NULL, null=True, related_name="+")
    expires_at = models.DateTimeField()
    created_at = models.DateTimeField()

    class Meta(TenantRow.Meta):
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "test", "address_hash", "channel"],
                condition=Q(status="pending"),
                name="emails_verification_one_pending",
            ),
            models.UniqueConstraint(
                fields=["secret_hash"], condition=Q(channel="link"), name="emails_verification_link"
            ),
        ]
        indexes = [
            models.Index(fields=["address_hash", "created_at"], name="emails_verification_address"),
            models.Index(fields=["tenant", "test", "-id"], name="emails_verification_newest"),
            models.Index(fields=["created_at"], name="emails_verification_age"),
        ]

    def __str__(self) -> str:
        return f"{self.channel} ({self.status})"
