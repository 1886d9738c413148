"""Rows that are work: the anatomy of everything that is queued, claimed and retried.

The row is the queue. `state` says what may happen next, `due_at` when, `lease_until` until when a worker has it, and
`fence` grows with every claim, so that a late answer of an earlier claim changes nothing.
"""

from datetime import datetime, timedelta
from typing import Any

from django.db import models, transaction


class DueWork(models.Model):
    """State, time, lease and fence of one piece of work."""

    state = models.CharField(max_length=16)
    due_at = models.DateTimeField()
    lease_until = models.DateTimeField(null=True)
    fence = models.IntegerField(default=0)
    attempts = models.IntegerField(default=0)

    class Meta:
        abstract = True


def claim(
    rows: models.QuerySet[Any], *, now: datetime, limit: int, lease_seconds: float, busy: str = "processing"
) -> list[Any]:
    """Take up to `limit` due rows of `rows`, oldest first; a row whose lease ended is due again.

    For work whose repetition is harmless. Mail is claimed by `emails.messages.queue`, which also journals it.
    """
    due = rows.filter(due_at__lte=now).order_by("due_at")
    if not due.exists():  # an idle worker takes no lock
        return []
    with transaction.atomic():
        locked = list(due.select_for_update(skip_locked=True, of=("self",))[:limit])
        lease_until = now + timedelta(seconds=lease_seconds)
        rows.model._default_manager.filter(pk__in=[row.pk for row in locked]).update(
            state=busy,
            lease_until=lease_until,
            due_at=lease_until,
            fence=models.F("fence") + 1,
            attempts=models.F("attempts") + 1,
        )
        for row in locked:
            row.state, row.lease_until, row.due_at = busy, lease_until, lease_until
            row.fence += 1
            row.attempts += 1
        return locked
