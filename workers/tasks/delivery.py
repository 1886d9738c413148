"""Bells of the send queues."""

from typing import Any

from celery import shared_task

from mailgrid.core.bells import Priority
from workers.delivering import deliver_alone


@shared_task(name="workers.tasks.delivery.deliver")
def deliver(*, priority: int, **_newer: Any) -> dict[str, int]:
    """Send due mail of one priority; what happened, by outcome."""
    return dict(deliver_alone(Priority(priority)))
