"""CapturedMail."""

from django.db import models

from emails.messages.models import Message
from mailgrid.core.ids import uuid7
from mailgrid.core.scoping import TenantRow


class CapturedMail(TenantRow):
    """What the sandbox took instead of sending it: its journal, and the inbox of the console.

    One row per (delivery, fence): the truth when somebody asks whether an attempt was accepted.
    """

    has_modes = True

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    test = models.BooleanField(default=False)
    message = models.ForeignKey(Message, on_delete=models.CASCADE, related_name="+")
    delivery_id = models.UUIDField()
    fence = models.IntegerField()
    provider_message_id = models.CharField(max_length=255)
    sender = models.TextField()
    recipients = models.JSONField(default=list)
    subject = models.CharField(max_length=998)
    html = models.TextField(null=True)
    text = models.TextField(null=True)
    headers = models.JSONField(default=list)
    attachments = models.JSONField(default=list)
    at = models.DateTimeField()

    class Meta(TenantRow.Meta):
        verbose_name_plural = "captured mail"
        constraints = [models.UniqueConstraint(fields=["delivery_id", "fence"], name="emails_captured_once")]

    def __str__(self) -> str:
        return self.subject
