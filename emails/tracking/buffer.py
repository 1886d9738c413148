"""Hits on their way into the database: answered first, recorded together by one thread of the process, within a second.

The buffer is bounded. While the database is away it fills up, and what finds no room is dropped and counted: a click is
never refused for it. What it holds is lost when the process is killed: opens and clicks are no part of the guarantee.
"""

import os
import threading
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime
from multiprocessing.util import Finalize
from typing import Final

from django.conf import settings
from django.db import InterfaceError, OperationalError, close_old_connections

from emails.tracking.hits import Hit
from emails.tracking.services import record_hits
from mailgrid.core import metrics
from mailgrid.core.logging import get_logger

log = get_logger(__name__)

ROOM: Final = 20_000  # hits; some 20 MB, and twenty seconds of a burst
AT_ONCE: Final = 2_000  # hits in one transaction
GATHER_SECONDS: Final = 0.5  # how long the first hit waits for others
REST_SECONDS: Final = 1.0  # after the database did not take them

Record = Callable[[Sequence[Hit], datetime], None]
Clock = Callable[[], datetime]


def _record(hits: Sequence[Hit], moment: datetime) -> None:
    record_hits(hits, now=moment)


def _record_aside(hits: Sequence[Hit], moment: datetime) -> None:
    """In a thread that is no request's: nobody else looks after its connection."""
    close_old_connections()  # one that the server closed is opened anew
    try:
        record_hits(hits, now=moment)
    finally:
        close_old_connections()  # back to the pool, where there is one


class HitBuffer:
    """Hits that are not recorded yet. Safe for threads."""

    def __init__(self, *, room: int = ROOM, record: Record, clock: Clock) -> None:
        self._room = room
        self._clock = clock
        self._record = record
        self._waiting: deque[Hit] = deque()
        self._changed = threading.Condition()
        self._recording = threading.Lock()
        self._ended = False

    def add(self, hit: Hit) -> bool:
        """Keep a hit until it is recorded; False when there is no room for it. Returns at once."""
        with self._changed:
            if len(self._waiting) >= self._room:
                metrics.hits_dropped.labels(reason="no_room").inc()
                return False
            self._waiting.append(hit)
            if len(self._waiting) in {1, AT_ONCE}:  # what the thread waits for
                self._changed.notify_all()
            return True

    def __len__(self) -> int:
        return len(self._waiting)

    def flush(self) -> None:
        """Record everything that waits, in this thread. Raises what the database raises; then nothing is lost."""
        with self._recording:
            while some := self._take():
                try:
                    self._record_each(some)
                except BaseException:
                    self._put_back(some)
                    raise

    def run(self) -> None:
        """What the thread does until `end`."""
        while self._wait():
            try:
                self.flush()
            except Exception as error:  # noqa: BLE001 - whatever it is, the thread goes on
                log.warning("tracking.hits.waiting", waiting=len(self), error=str(error))
                self._rest(REST_SECONDS)

    def end(self) -> None:
        """Let the thread go, and record what is left, once: what the database does not take now is lost."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()
        try:
            self.flush()
        except Exception as error:  # noqa: BLE001 - the process ends, whatever it is
            metrics.hits_dropped.labels(reason="shutdown").inc(len(self))
            log.warning("tracking.hits.lost", lost=len(self), error=str(error))

    def _wait(self) -> bool:
        """Until there are hits and others have had time to join them; False at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._ended or bool(self._waiting))
            self._changed.wait_for(lambda: self._ended or len(self._waiting) >= AT_ONCE, GATHER_SECONDS)
            return not self._ended

    def _rest(self, seconds: float) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._ended, seconds)

    def _take(self) -> list[Hit]:
        with self._changed:
            return [self._waiting.popleft() for _ in range(min(AT_ONCE, len(self._waiting)))]

    def _put_back(self, hits: Sequence[Hit]) -> None:
        """To the front: they came first. There may be some more than `room` for a while."""
        with self._changed:
            self._waiting.extendleft(reversed(hits))

    def _record_each(self, hits: Sequence[Hit]) -> None:
        """All together; one that cannot be recorded must not take its neighbours along."""
        try:
            self._record(hits, self._clock())
        except (OperationalError, InterfaceError):
            raise
        except Exception:
            if len(hits) == 1:
                metrics.hits_dropped.labels(reason="unrecordable").inc()
                log.exception("tracking.hit.unrecordable", recipient=str(hits[0].recipient_id))
                return
            middle = len(hits) // 2
            self._record_each(hits[:middle])
            self._record_each(hits[middle:])


_buffer: HitBuffer | None = None
_owner = 0
_start_lock = threading.Lock()


def buffer(*, clock: Clock) -> HitBuffer:
    """This process's buffer. Its thread starts with the first hit, after a fork; tests record by hand."""
    global _buffer, _owner
    if _buffer is None or _owner != os.getpid():
        with _start_lock:
            if _buffer is None or _owner != os.getpid():
                aside = settings.HITS_RECORDED_ASIDE
                record = _record_aside if aside else _record
                _buffer, _owner = HitBuffer(record=record, clock=clock), os.getpid()
                if aside:
                    threading.Thread(target=_buffer.run, name="hits", daemon=True).start()
                    # As `atexit`, and in children of multiprocessing, too: granian's workers leave that one out.
                    Finalize(None, _buffer.end, exitpriority=0)
    return _buffer
