"""Transport and TransportCheck."""

from uuid import UUID

from django.db import models

from mailgrid.core.ids import uuid7
from mailgrid.core.scoping import ScopedManager
from mailgrid.core.work import DueWork

# The operator's sandbox, made by the first migration: test keys use it always, everybody until an operator says else.
SANDBOX_ID = UUID("01900000-0000-7000-8000-000000000001")


class Transport(models.Model):
    """A provider account: how mail of its streams leaves.

    `tenant` None marks the operator's own, which serve every tenant without one. `settings` holds what may be shown,
    `sealed_secrets` the rest, encrypted. `hook_key` is the keyed hash of the secret in the address of its
    notifications; `topic_arns` in the settings says which SNS topics it may come from.
    """

    class Kind(models.TextChoices):
        SES = "ses"
        SMTP = "smtp"
        SANDBOX = "sandbox"
        MEMORY = "memory"

    class OverLimit(models.TextChoices):
        DEFER = "defer"
        REJECT = "reject"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    tenant = models.ForeignKey(
        "tenants.Tenant", on_delete=models.CASCADE, null=True, blank=True, related_name="+"
    )
    name = models.CharField(max_length=63)
    kind = models.CharField(max_length=10, choices=Kind.choices)
    settings = models.JSONField(default=dict, blank=True)
    sealed_secrets = models.BinaryField(default=b"")
    secrets_key_id = models.CharField(max_length=32, blank=True)
    hook_key = models.CharField(max_length=64, unique=True, null=True, blank=True)
    per_minute = models.PositiveIntegerField(null=True, blank=True)
    per_hour = models.PositiveIntegerField(null=True, blank=True)
    per_day = models.PositiveIntegerField(null=True, blank=True)
    max_send_rate = models.FloatField(null=True, blank=True)  # mails a second, as the provider told last
    slowed_to = models.FloatField(null=True, blank=True)  # mails a second, after the provider said "too fast"
    slowed_at = models.DateTimeField(null=True, blank=True)
    over_limit = models.CharField(max_length=10, choices=OverLimit.choices, default=OverLimit.DEFER)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects = ScopedManager()
    across_tenants = models.Manager()

    class Meta:
        default_manager_name = "across_tenants"
        constraints = [
            models.UniqueConstraint(fields=["tenant", "name"], name="emails_transport_name"),
            models.UniqueConstraint(
                fields=["name"], condition=models.Q(tenant=None), name="emails_transport_shared_name"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.kind})"


class TransportCheck(DueWork):
    """A question to a transport, answered by a worker: can it be reached, does it let us in? Nothing is sent.

    `error_*` are the provider's words when it cannot. A transport has at most one open check.
    """

    class State(models.TextChoices):
        PENDING = "pending"
        PROCESSING = "processing"
        OK = "ok"
        FAILED = "failed"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    transport = models.ForeignKey(Transport, on_delete=models.CASCADE, related_name="checks", db_index=False)
    error_class = models.CharField(max_length=12, blank=True)
    error_code = models.CharField(max_length=100, blank=True)
    error_message = models.CharField(max_length=1000, blank=True)
    requested_at = models.DateTimeField()
    checked_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["transport"],
                condition=models.Q(state__in=["pending", "processing"]),
                name="emails_transportcheck_one_open",
            )
        ]
        indexes = [
            models.Index(fields=["transport", "-id"], name="emails_check_newest"),
            models.Index(
                fields=["due_at"],
                condition=models.Q(state__in=["pending", "processing"]),
                name="emails_check_due",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.transport_id} ({self.state})"


class Breaker(models.Model):
    """A provider refuses everything for now: its mail is not tried, but for one delivery now and then (`probe_at`).

    `scope` is empty for the whole account, or names the configuration set that alone is refused.
    """

    class Cause(models.TextChoices):
        QUOTA = "quota"  # the provider's daily quota is used up
        PAUSED = "paused"  # the provider paused sending
        AUTH = "auth"  # credentials or configuration refused
        NETWORK = "network"  # the endpoint could not be reached many times in a row

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    transport = models.ForeignKey(Transport, on_delete=models.CASCADE, related_name="breakers")
    scope = models.CharField(max_length=64, blank=True)
    cause = models.CharField(max_length=8, choices=Cause.choices)
    words = models.CharField(max_length=500, blank=True)
    probes = models.PositiveIntegerField(default=0)
    opened_at = models.DateTimeField()
    probe_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["transport", "scope"], name="emails_breaker_once")]

    def __str__(self) -> str:
        return f"{self.cause} {self.scope}".strip()
