"""Which task answers which bell, with which arguments."""

from typing import Any, Final

from mailgrid.core import bells

DELIVER: Final = "workers.tasks.delivery.deliver"
INGEST: Final = "workers.tasks.events.ingest"
FETCH: Final = "workers.tasks.fetching.fetch"
SWEEP: Final = "workers.tasks.maintenance.sweep"
OBSERVE_BROKER: Final = "workers.tasks.maintenance.observe_broker"
SEND_CANARIES: Final = "workers.tasks.fetching.send_canaries"
SURVEY_ACCOUNTS: Final = "workers.tasks.fetching.survey_accounts"
COLLECT_GARBAGE: Final = "workers.tasks.maintenance.collect_garbage"
SWEEP_STORE: Final = "workers.tasks.maintenance.sweep_store"

BELLS: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    **{priority.queue: (DELIVER, {"priority": int(priority)}) for priority in bells.Priority},
    bells.EVENTS: (INGEST, {}),
    bells.FETCH: (FETCH, {}),
    bells.MAINTENANCE: (SWEEP, {}),
}
