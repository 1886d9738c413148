"""The Redis that the processes of a fleet share: one client per process, and a breaker that makes its absence cheap.

What lies there is worth little: tokens and counts that can be had again. Whoever asks must be able to do without it:
`Away` says that Redis cannot be asked now. After an error nobody asks for a second, after further ones for up to five;
then one caller tries, and the others go on without it until that one has its answer.

One server, or a primary with replicas, no cluster; it need not write to disk, and had better not: a snapshot of an hour
ago would bring back the counts of an hour ago.
"""

import hashlib
import os
import threading
import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, Final

from django.conf import settings
from redis import ConnectionPool, RedisError
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError
from redis.retry import Retry

from mailgrid.core import metrics
from mailgrid.core.logging import get_logger

log = get_logger(__name__)

CONNECT_SECONDS: Final = 0.3
ANSWER_SECONDS: Final = 0.3
_FIRST_PAUSE: Final = 1.0  # seconds; doubled by every attempt that fails
_LONGEST_PAUSE: Final = 5.0


class Away(Exception):
    """Redis does not answer, or did not a moment ago."""


class Shared:
    """This process's way to Redis: a line for each thread, opened at its first question.

    redis-py's client asks the same over a pool, at three times the CPU time (65 µs against 22 µs): every request asks.
    """

    def __init__(self, url: str, *, prefix: str) -> None:
        self._lines = ConnectionPool.from_url(
            url,
            socket_connect_timeout=CONNECT_SECONDS,
            socket_timeout=ANSWER_SECONDS,
            retry=Retry(NoBackoff(), 0),
            protocol=2,  # the newer one greets the server twice at every connect
            decode_responses=True,
        )
        self._own = threading.local()
        self._prefix = prefix
        self._lock = threading.Lock()
        self._pause = 0.0  # 0 while Redis answers
        self._failed_at = 0.0
        self._next_try = 0.0
        metrics.redis_away.set(0)  # whatever a client before this one last saw

    def run(self, script: str, *, keys: Sequence[str], args: Sequence[str | int | float] = ()) -> Any:
        """What a Lua script answers; it runs alone, and sees its keys under this installation's prefix.

        Raises `Away`. The script may have run all the same, if its answer was lost.
        """
        words = (len(keys), *(self._prefix + key for key in keys), *args)
        return self._ask(lambda: self._evaluated(script, words))

    def _evaluated(self, script: str, words: Sequence[str | int | float]) -> Any:
        """By its hash; a server that does not know it gets the text."""
        line = self._line()
        try:
            line.send_command("EVALSHA", _hash_of(script), *words)
            return line.read_response()
        except NoScriptError:
            line.send_command("EVAL", script, *words)
            return line.read_response()

    def _line(self) -> Any:
        """This thread's, without a word that was said on it before."""
        if not hasattr(self._own, "line"):
            self._own.line = self._lines.make_connection()
        line = self._own.line
        if line.is_connected and _has_news(line):
            line.disconnect()  # the next word connects it again
        return line

    def _ask(self, question: Callable[[], Any]) -> Any:
        began = time.monotonic()
        if self._pause and not self._may_try(began):
            raise Away
        try:
            answer = question()
        except RedisError as error:
            self._failed(began, error)
            raise Away from error
        if self._pause:
            self._answered(began)
        return answer

    def _may_try(self, now: float) -> bool:
        with self._lock:
            if now < self._next_try:
                return False
            self._next_try = now + self._pause  # the others go on without it meanwhile
            return True

    def _failed(self, began: float, error: RedisError) -> None:
        metrics.redis_errors.inc()
        with self._lock:
            if began < self._failed_at:
                return  # asked before the last failure: says nothing new
            gone = not self._pause
            self._pause = _FIRST_PAUSE if gone else min(_LONGEST_PAUSE, self._pause * 2)
            self._failed_at = time.monotonic()
            self._next_try = self._failed_at + self._pause
        if gone:
            metrics.redis_away.set(1)
            log.warning("core.redis.away", error=str(error))

    def _answered(self, began: float) -> None:
        with self._lock:
            if not self._pause or began < self._failed_at:
                return
            self._pause = 0.0
        metrics.redis_away.set(0)
        log.info("core.redis.back")


def _has_news(line: Any) -> bool:
    """Whether something has come in that nobody asked for, such as the end of the connection."""
    try:
        return bool(line.can_read())
    except RedisError:
        return True


@lru_cache(maxsize=64)
def _hash_of(script: str) -> str:
    return hashlib.sha1(script.encode(), usedforsecurity=False).hexdigest()


def shared() -> Shared:
    """The Redis of this installation, as this process holds it: connections do not survive a fork."""
    return _of_process(os.getpid(), settings.REDIS_URL, settings.REDIS_PREFIX)


@lru_cache(maxsize=1)
def _of_process(_pid: int, url: str, prefix: str) -> Shared:
    return Shared(url, prefix=prefix)
