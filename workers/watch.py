"""The watch: a thread in each worker process that looks at the rows itself, however the broker feels.

If nobody in this process has looked at a queue for its period, the watch runs the same task the bell would have, and
again while it finds full batches. A hung, wiped or absent broker then costs a period of latency, and a backlog drains
at full speed. The watch also tells the fleet that its process is there.
"""

import threading
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from typing import Final

from django.db import close_old_connections

from emails.delivery import spool
from emails.delivery.claim import BATCH
from emails.delivery.sweep import sweep
from emails.feedback.ingest import ingest
from mailgrid.core import bells
from mailgrid.core.bells import Priority
from mailgrid.core.clock import now
from mailgrid.core.database import database_now
from mailgrid.core.logging import get_logger
from mailgrid.core.models import Pulse
from workers.aside import look_aside
from workers.delivering import deliver_alone
from workers.fleet.presence import Presence
from workers.process import holdings

log = get_logger(__name__)

PERIODS: Final = {
    Priority.IMMEDIATE.queue: 1.0,
    Priority.HIGH.queue: 1.0,
    Priority.MEDIUM.queue: 5.0,
    Priority.LOW.queue: 5.0,
    bells.EVENTS: 5.0,
    bells.FETCH: 5.0,
    bells.MAINTENANCE: 2.0,
}
_PRIORITIES: Final = {priority.queue: priority for priority in Priority}


class Watch(threading.Thread):
    """Looks at `queues` in turn until `stop`."""

    def __init__(self, queues: Sequence[str]) -> None:
        super().__init__(name="watch", daemon=True)
        self._queues = [queue for queue in queues if queue in PERIODS]
        self._full: set[str] = set()  # queues whose last look took all it could
        self._presence = Presence(queues, now=now())
        self._stopped = threading.Event()

    def stop(self, *, wait_seconds: float) -> None:
        """Finish the batch in hand, at most so long."""
        self._stopped.set()
        self.join(wait_seconds)

    def run(self) -> None:
        while not self._stopped.wait(0.0 if self._full else 0.2):
            self._guarded("presence", self._tell)
            self._guarded("spool", _take_in_receipts)
            for queue in self._queues:
                due = queue in self._full or holdings().idle_seconds(queue) >= PERIODS[queue]
                if due and not self._stopped.is_set():
                    holdings().looked_at(queue)
                    self._full.discard(queue)
                    self._guarded(queue, partial(self._look, queue))
        self._guarded("presence", self._presence.end)

    def _tell(self) -> None:
        self._presence.renew(handed_over=holdings().handed_over, now=now())

    def _look(self, queue: str) -> None:
        if (priority := _PRIORITIES.get(queue)) is None:
            _LOOKS[queue]()
        elif deliver_alone(priority)["claimed"] >= BATCH:
            self._full.add(queue)

    def _guarded(self, subject: str, work: Callable[[], None]) -> None:
        """Whatever happens to one look, the watch goes on."""
        close_old_connections()
        try:
            work()
        except Exception:
            log.warning("workers.watch.failed", subject=subject, exc_info=True)


def _take_in_receipts() -> None:
    spool.take_in(now=now())


def _ingest() -> None:
    ingest(envelopes=holdings().envelopes, clock=now)


def _sweep_if_nobody_does() -> None:
    overdue = now() - timedelta(seconds=PERIODS[bells.MAINTENANCE])
    if not Pulse.objects.filter(name="sweep", at__gte=overdue).exists():
        sweep(transports=holdings().transports, now=database_now())


_LOOKS: Final[dict[str, Callable[[], None]]] = {
    bells.EVENTS: _ingest,
    bells.FETCH: look_aside,
    bells.MAINTENANCE: _sweep_if_nobody_does,
}
