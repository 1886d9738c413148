"""Message, MessageContent, Delivery, Recipient and Attempt."""

from django.db import models
from django.db.models import Q

from emails.messages.lifecycle import CLAIMABLE
from emails.streams.models import Stream
from emails.transports.models import Transport
from mailgrid.core.ids import uuid7
from mailgrid.core.scoping import TenantRow
from mailgrid.core.vocabulary import Status
from mailgrid.core.work import DueWork


class HotTenantRow(TenantRow):
    """A row of a tenant's mail. Its keys have no constraints of their own, but for two (ADR 0012)."""

    tenant = models.ForeignKey(
        "tenants.Tenant", on_delete=models.CASCADE, related_name="+", db_index=False, db_constraint=False
    )

    class Meta(TenantRow.Meta):
        abstract = True


class Message(HotTenantRow):
    """One accepted request. Its recipients are the truth; `status` is a projection of them for lists and filters.

    `sender`, `to`, `cc`, `bcc` and `reply_to` are kept as people write them, for reading back.
    """

    has_modes = True

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    test = models.BooleanField(default=False)
    stream = models.ForeignKey(Stream, on_delete=models.PROTECT, related_name="messages", db_index=False)
    priority = models.SmallIntegerField()
    source = models.CharField(max_length=12)
    status = models.CharField(max_length=16)
    opened = models.BooleanField(default=False)
    clicked = models.BooleanField(default=False)
    sender = models.TextField()
    to = models.JSONField(default=list)
    cc = models.JSONField(default=list)
    bcc = models.JSONField(default=list)
    reply_to = models.JSONField(default=list)
    subject = models.CharField(max_length=998)
    tags = models.JSONField(default=dict)
    metadata = models.JSONField(default=dict)
    size = models.IntegerField(default=0)
    provider_message_id = models.CharField(max_length=255, blank=True)
    key_id = models.UUIDField(null=True)
    batch_id = models.UUIDField(null=True)
    retry_of = models.UUIDField(null=True)
    template_id = models.UUIDField(null=True)
    template_version = models.IntegerField(null=True)
    request_id = models.CharField(max_length=64, blank=True)
    scheduled_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField()
    created_at = models.DateTimeField()

    class Meta(HotTenantRow.Meta):
        indexes = [
            models.Index(fields=["tenant", "test", "-id"], name="emails_message_newest"),
            models.Index(fields=["tenant", "test", "status", "-id"], name="emails_message_status"),
            models.Index(fields=["batch_id"], condition=~Q(batch_id=None), name="emails_message_batch"),
            models.Index(
                fields=["template_id", "-id"], condition=~Q(template_id=None), name="emails_message_template"
            ),
        ]

    @property
    def current_status(self) -> Status:
        """The stored status, or `sending`: a claim writes no message, whose row says what it said before."""
        stored = Status(self.status)
        return Status.SENDING if stored in CLAIMABLE and self._is_sending() else stored

    def _is_sending(self) -> bool:
        known = getattr(
            self, "is_sending", None
        )  # lists have it with their rows (`selectors.with_current_status`)
        return self.deliveries.filter(state=Status.SENDING).exists() if known is None else bool(known)

    def __str__(self) -> str:
        return f"{self.subject} ({self.status})"


class MessageContent(models.Model):
    """What a message says. Never changes after acceptance; erased when its retention ends.

    Exactly one of `payload` (JSON text), `sealed` (the same, encrypted: sensitive streams) and `blob` (a reference to
    either in the blob store, when it is large) is set until then. `attachments` lists the references of their blobs.
    """

    message = models.OneToOneField(
        Message, primary_key=True, on_delete=models.CASCADE, related_name="content", db_constraint=False
    )
    payload = models.TextField(null=True)
    sealed = models.BinaryField(null=True)
    key_id = models.CharField(max_length=32, blank=True)
    blob = models.CharField(max_length=120, blank=True)
    attachments = models.JSONField(default=list)
    erased_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["blob"], condition=~Q(blob=""), name="emails_content_blob")]

    def __str__(self) -> str:
        return str(self.pk)


class Delivery(HotTenantRow, DueWork):
    """One future hand-over to a transport: an envelope of 1 to 50 recipients. The row that is the queue.

    A lane is (priority, transport): what is paced and claimed together. `suspect` marks a delivery whose lease ended
    without an outcome; it is claimed alone from then on, and `crashes` counts how often that ended the process again.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    test = models.BooleanField(default=False)
    message = models.ForeignKey(
        Message, on_delete=models.CASCADE, related_name="deliveries", db_constraint=False
    )
    stream = models.ForeignKey(
        Stream, on_delete=models.PROTECT, related_name="+", db_index=False, db_constraint=False
    )
    transport = models.ForeignKey(Transport, on_delete=models.PROTECT, related_name="+", db_index=False)
    priority = models.SmallIntegerField()
    at_most_once = models.BooleanField(default=False)
    hold_reason = models.CharField(max_length=16, blank=True)
    cancel_requested = models.BooleanField(default=False)
    suspect = models.BooleanField(default=False)
    crashes = models.SmallIntegerField(default=0)
    expires_at = models.DateTimeField()
    created_at = models.DateTimeField()

    class Meta(HotTenantRow.Meta):
        verbose_name_plural = "deliveries"
        indexes = [
            models.Index(
                fields=["priority", "transport", "tenant", "due_at"],
                condition=Q(state="queued", suspect=False),
                name="emails_delivery_queued",
            ),
            models.Index(
                fields=["priority", "due_at"],
                condition=Q(state="queued", suspect=True),
                name="emails_delivery_suspect",
            ),
            models.Index(
                fields=["priority", "due_at"],
                condition=Q(state__in=["scheduled", "deferred"]),
                name="emails_delivery_waiting",
            ),
            models.Index(
                fields=["state", "lease_until"],
                condition=Q(state__in=["sending", "in_doubt"]),
                name="emails_delivery_leased",
            ),
            models.Index(fields=["hold_reason"], condition=Q(state="held"), name="emails_delivery_held"),
            models.Index(
                fields=["expires_at"],
                condition=Q(state__in=["scheduled", "queued", "deferred", "held"]),
                name="emails_delivery_expiry",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.id} ({self.state})"


class Recipient(HotTenantRow):
    """One address of a delivery, with its own outcome: a lattice that only moves up (`rank`, see `lifecycle`).

    While the rank is 0 the delivery's state stands in the place of `status`.
    """

    class Kind(models.TextChoices):
        TO = "to"
        CC = "cc"
        BCC = "bcc"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    message = models.ForeignKey(
        Message, on_delete=models.CASCADE, related_name="recipients", db_constraint=False
    )
    delivery = models.ForeignKey(
        Delivery, on_delete=models.CASCADE, related_name="recipients", db_constraint=False
    )
    position = models.SmallIntegerField()
    kind = models.CharField(max_length=3, choices=Kind.choices)
    address = models.CharField(max_length=254)
    name = models.CharField(max_length=320, blank=True)
    status = models.CharField(max_length=16, blank=True)
    rank = models.SmallIntegerField(default=0)
    reason = models.CharField(max_length=32, blank=True)
    bounce_type = models.CharField(max_length=12, blank=True)
    status_at = models.DateTimeField()
    opens = models.IntegerField(default=0)
    human_opens = models.IntegerField(default=0)
    clicks = models.IntegerField(default=0)
    human_clicks = models.IntegerField(default=0)

    class Meta(HotTenantRow.Meta):
        indexes = [
            models.Index(fields=["tenant", "address"], name="emails_recipient_address"),
            models.Index(
                fields=["delivery"],
                condition=Q(reason="retries_exhausted"),
                name="emails_recipient_exhausted",
            ),
        ]

    def __str__(self) -> str:
        return self.address


class Attempt(models.Model):
    """One journalled call of a transport, written before the call. `settled_by` says what decided its outcome."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    delivery = models.ForeignKey(
        Delivery, on_delete=models.CASCADE, related_name="journal", db_index=False, db_constraint=False
    )
    fence = models.IntegerField()
    outcome = models.CharField(max_length=10)
    settled_by = models.CharField(max_length=10, blank=True)
    at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    provider_message_id = models.CharField(max_length=255, blank=True)
    error_class = models.CharField(max_length=12, blank=True)
    error_code = models.CharField(max_length=100, blank=True)
    error_message = models.CharField(max_length=1000, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["delivery", "fence"], name="emails_attempt_once"),
        ]
        indexes = [
            models.Index(
                fields=["provider_message_id"],
                condition=~Q(provider_message_id=""),
                name="emails_attempt_provider_id",
            )
        ]

    def __str__(self) -> str:
        return f"{self.fence}: {self.outcome}"
