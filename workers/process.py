"""What a worker process holds open: provider accounts, the threads of its calls, and the lock of its batches.

Opened at the first use, never at import: connections and threads do not survive a fork.
"""

import os
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import lru_cache
from typing import Final

from django.conf import settings

from emails.delivery.services import DRAIN_SECONDS
from mailgrid.core.bells import Priority, ring
from workers.adapters.ses_envelopes import SesEnvelopes
from workers.transports.registry import Registry

BREATH_SECONDS: Final = 0.015  # between two looks under load: a fuller batch costs less for each mail


class Holdings:
    """One process's open things."""

    def __init__(self) -> None:
        self.transports = Registry()
        self.pool: Executor = ThreadPoolExecutor(settings.SEND_THREADS, thread_name_prefix="send")
        self.envelopes = SesEnvelopes()
        self.handed_over = 0  # deliveries that a provider took from this process
        self._busy = {priority: threading.Lock() for priority in Priority}
        self._wanted: set[Priority] = set()
        self._looked_at: dict[str, float] = {}

    def alone(self, priority: Priority, work: Callable[[], Counter[str]]) -> Counter[str]:
        """Run `work` unless another thread of this process is at it; then that one runs it once more.

        Nobody waits for a batch, and no bell is lost: who asks marks the priority first, and who has finished looks
        at the mark after it has let go.
        """
        done: Counter[str] = Counter()
        until = time.monotonic() + DRAIN_SECONDS
        self._wanted.add(priority)
        while priority in self._wanted and self._busy[priority].acquire(blocking=False):
            try:
                self._wanted.discard(priority)
                done += work()
            finally:
                self._busy[priority].release()
                self.looked_at(priority.queue)
            if priority in self._wanted and time.monotonic() >= until:
                ring(priority.queue)  # the other queues have their turn first; whoever hears this goes on
                return done
            if priority in self._wanted:
                time.sleep(BREATH_SECONDS)
        return done

    def close(self) -> None:
        """Hang up everywhere, once nothing is in hand."""
        self.pool.shutdown(wait=False, cancel_futures=True)
        self.transports.close()

    def looked_at(self, queue: str) -> None:
        """Somebody in this process has just worked off a queue's rows."""
        self._looked_at[queue] = time.monotonic()

    def idle_seconds(self, queue: str) -> float:
        """How long nobody in this process has looked at a queue's rows."""
        return time.monotonic() - self._looked_at.setdefault(queue, time.monotonic())


def holdings() -> Holdings:
    """What this process holds."""
    return _of_process(os.getpid())


@lru_cache(maxsize=1)
def _of_process(_pid: int) -> Holdings:
    return Holdings()
