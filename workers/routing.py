"""Which task answers which bell, with which arguments."""

from typing import Any, Final

from mailgrid.core import bells

DELIVER: Final = "workers.tasks.delivery.deliver"
INGEST: Final = "workers.tasks.events.ingest"
SWEEP: Final = "workers.tasks.maintenance.sweep"
COLLECT_GARBAGE: Final = "workers.tasks.maintenance.collect_garbage"

BELLS: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    **{priority.queue: (DELIVER, {"priority": int(priority)}) for priority in bells.Priority},
    bells.EVENTS: (INGEST, {}),
    bells.MAINTENANCE: (SWEEP, {}),
}
