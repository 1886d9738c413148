"""What a worker process holds open: provider accounts, the threads of its calls, and the lock of its batches.

Opened at the first use, never at import: connections and threads do not survive a fork.
"""

import os
import threading
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from functools import lru_cache

from django.conf import settings

from mailgrid.core.bells import Priority
from workers.adapters.ses_envelopes import SesEnvelopes
from workers.transports.registry import Registry


class Holdings:
    """One process's open things."""

    def __init__(self) -> None:
        self.transports = Registry()
        self.pool: Executor = ThreadPoolExecutor(settings.SEND_THREADS, thread_name_prefix="send")
        self.envelopes = SesEnvelopes()
        self._busy = {priority: threading.Lock() for priority in Priority}

    @contextmanager
    def turn(self, priority: Priority, *, wait: bool) -> Iterator[bool]:
        """This process's only batch of a priority at a time; False when another thread has it and `wait` is not."""
        taken = self._busy[priority].acquire(blocking=wait)
        try:
            yield taken
        finally:
            if taken:
                self._busy[priority].release()


def holdings() -> Holdings:
    """What this process holds."""
    return _of_process(os.getpid())


@lru_cache(maxsize=1)
def _of_process(_pid: int) -> Holdings:
    return Holdings()
