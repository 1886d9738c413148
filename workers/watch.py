"""The watch: a thread in each worker process that looks at the rows itself, however the broker feels.

If nobody in this process has looked at a queue for its period, the watch runs the same task the bell would have. A
hung, wiped or absent broker then costs a period of latency, and a backlog drains at full speed.
"""

import threading
from collections.abc import Sequence
from typing import Final

from django.db import close_old_connections

from emails.delivery.sweep import sweep
from emails.feedback.ingest import ingest
from mailgrid.core import bells
from mailgrid.core.bells import Priority
from mailgrid.core.clock import now
from mailgrid.core.logging import get_logger
from workers.delivering import deliver_alone
from workers.process import holdings

log = get_logger(__name__)

PERIODS: Final = {
    Priority.IMMEDIATE.queue: 1.0,
    Priority.HIGH.queue: 1.0,
    Priority.MEDIUM.queue: 5.0,
    Priority.LOW.queue: 5.0,
    bells.EVENTS: 5.0,
    bells.MAINTENANCE: 2.0,
}
_PRIORITIES: Final = {priority.queue: priority for priority in Priority}


class Watch(threading.Thread):
    """Looks at `queues` in turn until `stop`."""

    def __init__(self, queues: Sequence[str]) -> None:
        super().__init__(name="watch", daemon=True)
        self._queues = [queue for queue in queues if queue in PERIODS]
        self._stopped = threading.Event()

    def stop(self, *, wait_seconds: float) -> None:
        """Finish the batch in hand, at most so long."""
        self._stopped.set()
        self.join(wait_seconds)

    def run(self) -> None:
        while not self._stopped.wait(0.2):
            for queue in self._queues:
                if holdings().idle_seconds(queue) >= PERIODS[queue] and not self._stopped.is_set():
                    self._look(queue)

    def _look(self, queue: str) -> None:
        close_old_connections()
        holdings().looked_at(queue)
        try:
            if queue == bells.EVENTS:
                ingest(envelopes=holdings().envelopes, clock=now)
            elif queue == bells.MAINTENANCE:
                sweep(transports=holdings().transports, now=now())
            else:
                deliver_alone(_PRIORITIES[queue])
        except Exception:
            log.warning("workers.watch.failed", queue=queue, exc_info=True)
