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

from mailgrid.core import metrics
from mailgrid.core.logging import get_logger
from workers.celery import app
from workers.routing import BELLS

log = get_logger(__name__)

GATHER_SECONDS: Final = 0.003
REST_SECONDS: Final = 1.0  # after a failure
FLUSH_SECONDS: Final = 1.0  # at exit


class Publisher:
    """Marked queues, and the thread that empties them."""

    def __init__(self) -> None:
        self._marked: set[str] = set()
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._idle = threading.Event()
        self._idle.set()
        self._thread = threading.Thread(target=self._run, name="bells", daemon=True)
        self._thread.start()

    def ring(self, queue: str) -> None:
        """Mark the queue; returns at once."""
        with self._lock:
            self._marked.add(queue)
            self._idle.clear()
        self._wake.set()

    def flush(self, seconds: float) -> bool:
        """Wait until everything marked is published, at most so long."""
        return self._idle.wait(seconds)

    def _run(self) -> None:
        while True:
            self._wake.wait()
            time.sleep(GATHER_SECONDS)
            self._wake.clear()
            with self._lock:
                marked, self._marked = self._marked, set()
            for queue in sorted(marked):
                self._publish(queue)
            with self._lock:
                if not self._marked:
                    self._idle.set()

    def _publish(self, queue: str) -> None:
        task, arguments = BELLS[queue]
        try:
            app.send_task(task, kwargs=arguments, queue=queue, retry=False)
        except Exception:
            metrics.bells_lost.labels(queue=queue).inc()
            log.warning("workers.bell.lost", queue=queue, exc_info=True)
            time.sleep(REST_SECONDS)
        else:
            metrics.bells_rung.labels(queue=queue).inc()


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
