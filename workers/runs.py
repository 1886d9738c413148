"""Run an entry of the schedule at once. Nothing is published here: a bell rings, or a row tells beat that it is due."""

import json
from datetime import UTC, datetime
from typing import Final

from django.db import transaction
from django_celery_beat.models import PeriodicTask, PeriodicTasks

from mailgrid.core import bells
from mailgrid.core.errors import Conflict
from workers.routing import BELLS

_LONG_AGO: Final = datetime(2000, 1, 1, tzinfo=UTC)


class CannotRunNow(Conflict):
    """No bell says the same, and beat would not look at the entry now."""


def run_now(entry: PeriodicTask) -> str:
    """Make the entry run within seconds, whenever it ran last; says how. Raises `CannotRunNow`.

    Its bell rings if it has one. Otherwise beat, which looks at changed rows every five seconds, takes it for overdue;
    an entry that it has started within the last three minutes keeps its rhythm, because beat then knows better.
    """
    if (queue := _bell_of(entry)) is not None:
        bells.ring(queue)
        return f"The bell of {queue} rings for it."
    if not entry.enabled:
        raise CannotRunNow("A disabled entry is not run. Enable it first.")
    if entry.interval_id is None:  # beat looks at a crontab around its hour only
        raise CannotRunNow("Only an entry with an interval can be started ahead of its time.")
    with transaction.atomic():
        PeriodicTask.objects.filter(pk=entry.pk).update(last_run_at=_LONG_AGO)
        PeriodicTasks.update_changed()
    return "Beat starts it within some seconds."


def _bell_of(entry: PeriodicTask) -> str | None:
    """The queue whose bell says the same: this task with these arguments."""
    try:
        arguments = json.loads(entry.kwargs or "{}")
    except ValueError:
        return None
    wanted = (entry.task, arguments)
    return next((queue for queue, bell in BELLS.items() if bell == wanted), None)
