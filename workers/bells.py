"""Behind `mailgrid.core.bells`: one publisher thread per process, bounded by construction.

A ring marks its queue and wakes the thread; the request never waits for the broker. The thread lets a few more rings
gather and publishes one bell per marked queue. What cannot be published is forgotten and counted: the rows are the
queue, and the sweep finds them.
"""

import atexit
import os
import threading
import time
from typing import Final

from mailgrid.core import bells, metrics
from mailgrid.core.logging import get_logger
from workers.publishing import Line

log = get_logger(__name__)

# How long a bell waits for more rings of its queue: statuses may come a moment later, and cost less together.
GATHER_SECONDS: Final = dict.fromkeys(bells.QUEUES, 0.003) | {bells.EVENTS: 0.1}
# The least time between two bells of a queue: the first comes at once, and a crowd of rings costs fifty a second.
SPACING_SECONDS: Final = 0.02
REST_SECONDS: Final = 1.0  # after a failure
FLUSH_SECONDS: Final = 1.0  # at exit


class Publisher:
    """Marked queues, and the thread that empties them."""

    def __init__(self) -> None:
        self._due: dict[str, float] = {}  # marked queues, and the monotonic time when their bell may go out
        self._last: dict[str, float] = {}
        self._publishing = False
        self._changed = threading.Condition()
        self._line = Line()
        self._thread = threading.Thread(target=self._run, name="bells", daemon=True)
        self._thread.start()

    def ring(self, queue: str) -> None:
        """Mark the queue; returns at once."""
        with self._changed:
            if queue not in self._due:
                spaced = self._last.get(queue, 0.0) + SPACING_SECONDS
                self._due[queue] = max(time.monotonic() + GATHER_SECONDS[queue], spaced)
                self._changed.notify_all()

    def flush(self, seconds: float) -> bool:
        """Wait until everything marked is published, at most so long."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._due and not self._publishing, seconds)

    def _run(self) -> None:
        while True:
            queue = self._next()
            self._publish(queue)
            with self._changed:
                self._publishing = False
                self._changed.notify_all()

    def _next(self) -> str:
        """The queue whose bell is due first, once it is; its mark is gone then, so that a later ring counts."""
        with self._changed:
            while True:
                self._changed.wait_for(lambda: bool(self._due))
                queue = min(self._due, key=self._due.__getitem__)
                wait = self._due[queue] - time.monotonic()
                if wait <= 0:
                    del self._due[queue]
                    self._last[queue] = time.monotonic()
                    self._publishing = True
                    return queue
                self._changed.wait(wait)

    def _publish(self, queue: str) -> None:
        try:
            self._line.send(queue)
        except Exception as error:  # noqa: BLE001 - told below; the rows are the queue
            metrics.bells_lost.labels(queue=queue).inc()
            log.warning("workers.bell.lost", queue=queue, error=f"{type(error).__name__}: {error}")
            self._rest()
        else:
            metrics.bells_rung.labels(queue=queue).inc()

    def _rest(self) -> None:
        """Forget what is marked, the sweep rings for it, and leave the broker alone for a moment."""
        self._line.close()
        with self._changed:
            for queue in self._due:
                metrics.bells_lost.labels(queue=queue).inc()
            self._due.clear()
        time.sleep(REST_SECONDS)


_publisher: Publisher | None = None
_owner = 0
_start_lock = threading.Lock()


def ring(queue: str) -> None:
    """Ring from this process; the thread starts at the first ring after a fork. Never blocks, never raises."""
    publisher().ring(queue)


def publisher() -> Publisher:
    """This process's publisher."""
    global _publisher, _owner
    if _publisher is None or _owner != os.getpid():
        with _start_lock:
            if _publisher is None or _owner != os.getpid():
                _publisher, _owner = Publisher(), os.getpid()
                atexit.register(_publisher.flush, FLUSH_SECONDS)
    return _publisher
