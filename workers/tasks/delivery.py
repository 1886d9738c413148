"""Bells of the send queues."""

from typing import Any

from celery import shared_task

from emails.delivery.services import deliver as deliver_due
from mailgrid.core.bells import Priority
from workers.process import holdings


@shared_task(name="workers.tasks.delivery.deliver")
def deliver(*, priority: int, **_newer: Any) -> dict[str, int]:
    """Send due mail of one priority; what happened, by outcome."""
    held = holdings()
    with held.turn(Priority(priority), wait=True):
        return dict(deliver_due(priority=Priority(priority), transports=held.transports, pool=held.pool))
