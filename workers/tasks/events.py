"""Bells of the events queue."""

from typing import Any

from celery import shared_task

from emails.feedback.ingest import ingest as ingest_due
from mailgrid.core import bells
from mailgrid.core.clock import now
from workers.process import holdings


@shared_task(name="workers.tasks.events.ingest")
def ingest(**_newer: Any) -> dict[str, int]:
    """Work off stored notifications; how many ended how."""
    held = holdings()
    held.looked_at(bells.EVENTS)
    return dict(ingest_due(envelopes=held.envelopes, clock=now))
