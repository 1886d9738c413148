"""Stream."""

from django.db import models

from emails.transports.models import Transport
from mailgrid.core.bells import Priority
from mailgrid.core.ids import uuid7
from mailgrid.core.scoping import TenantRow


class Stream(TenantRow):
    """A lane of mail with one purpose. A paused stream accepts and holds; a disabled one refuses.

    None means: the tenant's value (tracking), the priority's value (`max_age_seconds`), no limit (`rate_per_second`),
    the tenant's first transport or else the operator's (`transport`).
    """

    class Type(models.TextChoices):
        TRANSACTIONAL = "transactional"
        MARKETING = "marketing"
        NOTIFICATIONS = "notifications"

    class Promise(models.TextChoices):
        AT_LEAST_ONCE = "at_least_once"
        AT_MOST_ONCE = "at_most_once"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(max_length=63)
    type = models.CharField(max_length=16, choices=Type.choices, default=Type.TRANSACTIONAL)
    default_from = models.CharField(max_length=320, null=True, blank=True)
    default_reply_to = models.CharField(max_length=320, null=True, blank=True)
    transport = models.ForeignKey(
        Transport, on_delete=models.PROTECT, null=True, blank=True, related_name="streams"
    )
    configuration_set = models.CharField(max_length=64, blank=True)
    ip_pool = models.CharField(max_length=64, blank=True)
    priority = models.SmallIntegerField(choices=[(p.value, p.name.lower()) for p in Priority])
    delivery = models.CharField(max_length=16, choices=Promise.choices, default=Promise.AT_LEAST_ONCE)
    max_age_seconds = models.PositiveIntegerField(null=True, blank=True)
    rate_per_second = models.FloatField(null=True, blank=True)
    track_opens = models.BooleanField(null=True, blank=True)
    track_clicks = models.BooleanField(null=True, blank=True)
    list_unsubscribe = models.BooleanField(default=False)
    sensitive = models.BooleanField(default=False)
    enabled = models.BooleanField(default=True)
    paused = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta(TenantRow.Meta):
        constraints = [models.UniqueConstraint(fields=["tenant", "name"], name="emails_stream_name")]

    def __str__(self) -> str:
        return self.name
