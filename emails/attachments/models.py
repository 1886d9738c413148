"""PendingAttachment."""

from django.db import models
from django.db.models import Q

from emails.messages.models import Message
from mailgrid.core.ids import uuid7
from mailgrid.core.scoping import TenantRow
from mailgrid.core.work import DueWork


class PendingAttachment(TenantRow, DueWork):
    """One attachment of a message that is still to be fetched. What the message needs it for is held until then.

    `position` is its place among the attachments of the message. Where it is (`emails.attachments.places`) is
    encrypted, because a URL may be a password; `origin` is what may be shown. Rows go when their bytes are in the
    message; those of a message whose attachments could not be had stay as long as its content, for a retry. `then_held`
    is the reason for which its deliveries wait on afterwards, if they do.
    """

    class State(models.TextChoices):
        PENDING = "pending"
        PROCESSING = "processing"
        STORED = "stored"  # its bytes are in the blob store; others of the message are not yet
        FAILED = "failed"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    message = models.ForeignKey(Message, on_delete=models.CASCADE, related_name="+", db_index=False)
    position = models.SmallIntegerField()
    origin = models.CharField(max_length=300)
    sealed = models.BinaryField()
    sealed_key_id = models.CharField(max_length=32)
    filename = models.CharField(max_length=255)
    content_type = models.CharField(max_length=255, blank=True)
    then_held = models.CharField(max_length=16, blank=True)
    size = models.IntegerField(default=0)
    blob = models.CharField(max_length=120, blank=True)
    blob_key_id = models.CharField(max_length=32, blank=True)
    error = models.CharField(max_length=500, blank=True)
    created_at = models.DateTimeField()

    class Meta(TenantRow.Meta):
        constraints = [
            models.UniqueConstraint(fields=["message", "position"], name="emails_pendingattachment_once")
        ]
        indexes = [
            models.Index(
                fields=["tenant", "due_at"],
                condition=Q(state__in=["pending", "processing"]),
                name="emails_attachment_due",
            ),
            models.Index(fields=["blob"], condition=~Q(blob=""), name="emails_attachment_blob"),
        ]

    def __str__(self) -> str:
        return f"{self.filename} from {self.origin}"
