"""Django's SQLite backend with a first-come queue for writers.

SQLite lets one writer in and has the others poll with growing sleeps: in a trial under 24 clients one accept was seen
waiting 3.5 s while later ones overtook it. Here a writer takes a fair in-process lock before BEGIN IMMEDIATE and gives
it back at the end of the transaction. There is one process by design, so the lock covers every writer.
"""

import threading
from collections import deque
from typing import Any

from django.db.backends.sqlite3 import base


class FairLock:
    """A lock that is handed over in the order in which it was asked for."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._waiting: deque[threading.Lock] = deque()
        self._taken = False

    def acquire(self) -> None:
        with self._guard:
            if not self._taken:
                self._taken = True
                return
            turn = threading.Lock()
            turn.acquire()
            self._waiting.append(turn)
        turn.acquire()  # released by whoever hands the lock over; it stays taken meanwhile

    def release(self) -> None:
        with self._guard:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._taken = False


_writers: dict[str, FairLock] = {}


class DatabaseWrapper(base.DatabaseWrapper):
    """One connection; holds the writers' lock of its database file from BEGIN IMMEDIATE to the end."""

    _holds_lock = False

    def _start_transaction_under_autocommit(self) -> None:
        lock = _writers.setdefault(str(self.settings_dict["NAME"]), FairLock())
        lock.acquire()
        self._holds_lock = True
        try:
            super()._start_transaction_under_autocommit()  # type: ignore[misc]
        except BaseException:
            self._leave()
            raise

    def _leave(self) -> None:
        if self._holds_lock:
            self._holds_lock = False
            _writers[str(self.settings_dict["NAME"])].release()

    def _commit(self) -> None:
        try:
            super()._commit()  # type: ignore[misc]
        finally:
            self._leave()

    def _rollback(self) -> None:
        try:
            super()._rollback()  # type: ignore[misc]
        finally:
            self._leave()

    def _close(self) -> Any:
        try:
            return super()._close()  # type: ignore[misc]
        finally:
            self._leave()
