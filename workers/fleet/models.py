"""WorkerProcess, QueueState, DeadBells."""

from django.db import models

from mailgrid.core.ids import uuid7


class WorkerProcess(models.Model):
    """A process that sends, ingests or sweeps. It is alive as long as it renews `seen_at`."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    host = models.CharField(max_length=255)
    pid = models.PositiveIntegerField()
    queues = models.JSONField(default=list)
    handed_over = models.PositiveBigIntegerField(default=0)  # deliveries a provider took, since the start
    started_at = models.DateTimeField()
    seen_at = models.DateTimeField(db_index=True)

    class Meta:
        verbose_name_plural = "worker processes"

    def __str__(self) -> str:
        return f"{self.host}:{self.pid}"


class QueueState(models.Model):
    """A queue of the broker as it was at `seen_at`: bells that wait, and processes that listen."""

    name = models.CharField(primary_key=True, max_length=64)
    bells = models.PositiveIntegerField()
    consumers = models.PositiveIntegerField()
    seen_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.name


class DeadBells(models.Model):
    """Bells that came to the dead queue, by where from and why (`maxlen`, `rejected`, `delivery_limit`, `expired`)."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    queue = models.CharField(max_length=64)
    reason = models.CharField(max_length=32)
    count = models.PositiveBigIntegerField(default=0)
    last_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "dead bells"
        constraints = [models.UniqueConstraint(fields=["queue", "reason"], name="workers_dead_bells_once")]

    def __str__(self) -> str:
        return f"{self.queue}: {self.reason}"
