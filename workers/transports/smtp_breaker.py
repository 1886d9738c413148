"""Whether a server is worth a connection now.

While one cannot be had, a single thread tries again from time to time and all others are told at once: else a dead
server keeps every thread waiting that other tenants need, and a wrong password is tried until the account is locked.
"""

import threading
import time
from dataclasses import replace
from typing import Final

from emails.delivery.ports import ErrorClass, TransportError
from mailgrid.core.logging import get_logger
from workers.transports.smtp_errors import NotSent

log = get_logger(__name__)

COOL_DOWN_SECONDS = 5.0
_OWN_COOL_DOWN: Final = {ErrorClass.AUTH: 12, ErrorClass.THROTTLED: 0.2}  # times as long
_LOG_SECONDS: Final = 60.0


class Breaker:
    """One server's. Safe to share between threads. `names` are the fields of its lines in the log."""

    def __init__(self, **names: str | int) -> None:
        self._names = names
        self._lock = threading.Lock()
        self._error: TransportError | None = None
        self._next_try = 0.0
        self._next_line = 0.0

    def check(self) -> None:
        """Raise `NotSent` with the last failure, unless all is well or it is this thread's turn to try again."""
        with self._lock:
            if self._error is None:
                return
            if time.monotonic() < self._next_try:
                raise NotSent(
                    replace(
                        self._error,
                        message=f"Not tried again yet. {self._error.message}"[:1_000],
                        ours=True,
                    )
                )
            self._next_try = time.monotonic() + self._cool_down(self._error)

    def failed(self, error: TransportError) -> None:
        """No connection could be had. Says so in the log, and again after a minute."""
        with self._lock:
            now = time.monotonic()
            self._error, self._next_try = error, now + self._cool_down(error)
            if now < self._next_line:
                return
            self._next_line = now + _LOG_SECONDS
        log.warning(
            "workers.smtp.unreachable",
            **self._names,
            error_class=error.kind.value,
            code=error.code,
            error=error.message,
            then="its mail waits and is tried again",
        )

    def succeeded(self) -> None:
        """A connection is open."""
        with self._lock:
            recovered, self._error, self._next_line = self._error is not None, None, 0.0
        if recovered:
            log.info("workers.smtp.reachable", **self._names)

    @staticmethod
    def _cool_down(error: TransportError) -> float:
        return COOL_DOWN_SECONDS * _OWN_COOL_DOWN.get(error.kind, 1)
