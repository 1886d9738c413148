"""Event and Notification."""

from django.db import models
from django.db.models import Q

from emails.messages.models import HotTenantRow, Message, Recipient
from emails.transports.models import Transport
from mailgrid.core.ids import uuid7
from mailgrid.core.work import DueWork

SEALED = "sealed:"  # begins a body that is encrypted; no provider's payload begins so


class Event(HotTenantRow):
    """One fact about a recipient; `dedupe_key` lets a fact in once.

    Its place in the log is (`transaction`, `seq`). On SQLite, with one writer, `seq` rises in commit order and
    `transaction` is 0. On PostgreSQL, where the later commit may have drawn the lower number, the database writes the
    id of the transaction that recorded it; those that are still open may yet get in front (`selectors`).

    `data` holds only what is the event's own (bounce, complaint, …); the rest of the wire form is read from the
    message. `occurred_at` is the source's time, `created_at` ours.
    """

    has_modes = True

    seq = models.BigAutoField(primary_key=True)
    transaction = models.BigIntegerField(db_default=0, editable=False)
    event_id = models.UUIDField(unique=True, default=uuid7, editable=False)
    test = models.BooleanField(default=False)
    message = models.ForeignKey(Message, on_delete=models.CASCADE, related_name="events", db_constraint=False)
    recipient = models.ForeignKey(
        Recipient, on_delete=models.CASCADE, related_name="events", db_constraint=False
    )
    type = models.CharField(max_length=32)
    status = models.CharField(max_length=16)
    source = models.CharField(max_length=8)
    data = models.JSONField(default=dict)
    occurred_at = models.DateTimeField()
    created_at = models.DateTimeField()
    dedupe_key = models.CharField(max_length=200, unique=True, null=True)

    class Meta(HotTenantRow.Meta):
        indexes = [
            models.Index(fields=["tenant", "test", "transaction", "seq"], name="emails_event_place"),
            models.Index(
                fields=["tenant", "test", "type", "transaction", "seq"], name="emails_event_type_place"
            ),
        ]

    def __str__(self) -> str:
        return self.type


class Notification(DueWork):
    """A provider's payload as received: stored before it is answered, verified and applied by a worker.

    `due_at` of one that is exhausted says when it was last tried.
    """

    class State(models.TextChoices):
        PENDING = "pending"
        PROCESSING = "processing"
        APPLIED = "applied"
        IGNORED = "ignored"  # understood, and without consequence
        REFUSED = "refused"  # not signed by whom it claims, or not for us
        UNREADABLE = "unreadable"
        EXHAUSTED = "exhausted"  # failed again and again: a dead letter, for an operator

    AWAITED = (State.PENDING, State.PROCESSING, State.EXHAUSTED)  # its payload may yet be read

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    transport = models.ForeignKey(Transport, on_delete=models.CASCADE, related_name="+")
    external_id = models.CharField(max_length=100, unique=True, null=True)
    body = models.TextField()
    result = models.CharField(max_length=500, blank=True)
    received_at = models.DateTimeField()

    class Meta:
        indexes = [
            models.Index(
                fields=["due_at"],
                condition=Q(state__in=["pending", "processing"]),
                name="emails_notification_due",
            ),
            models.Index(
                fields=["-id"], condition=Q(state="exhausted"), name="emails_notification_exhausted"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.external_id or self.id} ({self.state})"

    @property
    def sealed(self) -> bool:
        """Whether the body is encrypted: it repeats what somebody's mail says."""
        return self.body.startswith(SEALED)
