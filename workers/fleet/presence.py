"""A worker process says that it is there, in a row that it renews."""

import os
import socket
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from mailgrid.core.ids import uuid7
from workers.fleet.models import WorkerProcess

RENEW_SECONDS: Final = 5.0
ALIVE_FOR: Final = timedelta(seconds=30)  # a process that is silent for longer counts as gone
KEPT_FOR: Final = timedelta(days=1)


class Presence:
    """The row of this process. A process that was killed leaves its row, which grows old."""

    def __init__(self, queues: Sequence[str], *, now: datetime) -> None:
        self._id = uuid7()
        self._queues = list(queues)
        self._started_at = now
        self._due = time.monotonic()

    def renew(self, *, handed_over: int, now: datetime) -> None:
        """Write the row, at most every five seconds."""
        if time.monotonic() < self._due:
            return
        self._due = time.monotonic() + RENEW_SECONDS
        seen = {"seen_at": now, "handed_over": handed_over}
        born = {"host": socket.gethostname(), "pid": os.getpid(), "started_at": self._started_at}
        WorkerProcess.objects.update_or_create(
            pk=self._id, defaults=seen, create_defaults=born | seen | {"queues": self._queues}
        )

    def end(self) -> None:
        """An orderly end leaves no row."""
        WorkerProcess.objects.filter(pk=self._id).delete()


def forget_gone(*, now: datetime) -> int:
    """Delete rows of processes that have been gone for a day; how many."""
    return WorkerProcess.objects.filter(seen_at__lt=now - KEPT_FOR).delete()[0]
