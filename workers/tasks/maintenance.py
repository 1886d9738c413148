"""Bells of the maintenance queue, rung by the schedule."""

from typing import Any

from celery import shared_task

from emails.delivery.sweep import sweep as sweep_deliveries
from mailgrid.core import bells
from mailgrid.core.clock import now
from mailgrid.core.database import database_now
from workers import housekeeping
from workers.fleet import observing
from workers.process import holdings


@shared_task(name="workers.tasks.maintenance.sweep")
def sweep(**_newer: Any) -> dict[str, int]:
    """What time does to mail: promote, expire, settle doubts, ring."""
    held = holdings()
    held.looked_at(bells.MAINTENANCE)
    return dict(sweep_deliveries(transports=held.transports, now=database_now()))


@shared_task(name="workers.tasks.maintenance.collect_garbage")
def collect_garbage(**_newer: Any) -> dict[str, int]:
    """Erase what is past its retention."""
    return dict(housekeeping.collect_garbage(now=now()))


@shared_task(name="workers.tasks.maintenance.sweep_store")
def sweep_store(**_newer: Any) -> dict[str, int]:
    """Bytes that no row names any more."""
    return dict(housekeeping.sweep_store(clock=now))


@shared_task(name="workers.tasks.maintenance.observe_broker")
def observe_broker(**_newer: Any) -> dict[str, int]:
    """How deep the broker's queues are, who listens, and which bells died."""
    return dict(observing.observe_broker(now=now()))
