"""A second connection to the database of the test, in a thread of its own, and what it waits for."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

from django.db import connection

Result = TypeVar("Result")


class Elsewhere:
    """Work done one after another on one other connection, as another process would."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1)
        self._pid = self.do(_pid)

    def start(self, work: Callable[..., Result], *args: Any, **named: Any) -> Future[Result]:
        """Begin; the future holds the result."""
        return self._thread.submit(work, *args, **named)

    def do(self, work: Callable[..., Result], *args: Any, **named: Any) -> Result:
        """Its result."""
        return self.start(work, *args, **named).result(timeout=30)

    def wait_until_it_waits(self) -> None:
        """Until its statement waits for a lock."""
        until = time.monotonic() + 10
        while time.monotonic() < until:
            with connection.cursor() as cursor:
                cursor.execute("SELECT wait_event_type FROM pg_stat_activity WHERE pid = %s", [self._pid])
                if cursor.fetchone() == ("Lock",):
                    return
            time.sleep(0.01)
        raise TimeoutError("It waits for no lock.")

    def close(self) -> None:
        self.do(lambda: connection.close())  # the one of its thread
        self._thread.shutdown()


@contextmanager
def elsewhere() -> Iterator[Elsewhere]:
    """One other connection, closed in the end."""
    other = Elsewhere()
    try:
        yield other
    finally:
        other.close()


def _pid() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return int(cursor.fetchone()[0])
