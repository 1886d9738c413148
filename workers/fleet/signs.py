"""When a process of the fleet last showed that it works, for health checks. Reads rows only."""

from datetime import datetime, timedelta
from typing import Final

from django.db.models import Max
from django_celery_beat.models import PeriodicTask

from workers.fleet.models import WorkerProcess
from workers.fleet.presence import ALIVE_FOR
from workers.queues import GROUPS
from workers.schedule import ENTRIES

BEAT: Final = "beat"
WORKERS: Final = {f"worker-{group}": frozenset(queues) for group, queues in GROUPS.items()}
PROCESSES: Final = (*WORKERS, BEAT)  # as deploy/Procfile calls them

# Beat writes down what it rang every three minutes (Celery's `sync_every`): once may be missed.
_BEAT_SILENT_FOR: Final = timedelta(minutes=7)


def last_sign(process: str, *, host: str) -> datetime | None:
    """The last sign of life of a worker group on this host, or of any beat; None where there is none."""
    if process == BEAT:
        found: datetime | None = PeriodicTask.objects.filter(name__in=ENTRIES).aggregate(
            last=Max("last_run_at")
        )["last"]
        return found
    rows = WorkerProcess.objects.filter(host=host).values_list("queues", "seen_at")
    return max((seen for queues, seen in rows if not WORKERS[process].isdisjoint(queues)), default=None)


def patience(process: str) -> timedelta:
    """How long a process that is well may give no sign."""
    return _BEAT_SILENT_FOR if process == BEAT else ALIVE_FOR
