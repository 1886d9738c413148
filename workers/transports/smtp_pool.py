"""The open sessions of one account: few, kept warm, and looked at before they are used again."""

import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from emails.delivery.ports import Answer, ErrorClass, TransportError
from workers.transports.smtp_account import SmtpAccount
from workers.transports.smtp_breaker import Breaker
from workers.transports.smtp_connection import SmtpConnection
from workers.transports.smtp_errors import NotSent
from workers.transports.smtp_mail import Mail

MAX_IDLE_SECONDS = 300.0  # servers wait at least five minutes for a command (RFC 5321 4.5.3.2.7)
MAX_TRUSTED_SECONDS = 5.0  # after which a session is asked before a mail is risked on it
MAX_MAILS = 100  # on one session: so that load moves to servers that joined, and no server has to say 421


@dataclass(frozen=True, slots=True)
class _Idle:
    connection: SmtpConnection
    since: float


class SmtpPool:
    """At most `size` sessions, those in use included. Safe to share between threads; open it after a fork."""

    def __init__(self, account: SmtpAccount, breaker: Breaker, *, size: int) -> None:
        self._account = account
        self._breaker = breaker
        self._slots = threading.BoundedSemaphore(size)
        self._idle: deque[_Idle] = deque()
        self._is_closed = False

    def hand_over(self, mail: Mail, *, deadline: float) -> Answer:
        """Over a kept session or a new one. Raises `NotSent`.

        A kept session that proves to be gone costs the mail nothing: a new one is opened for it.
        """
        with self._slot(deadline):
            if kept := self._kept():
                try:
                    return self._use(kept, mail, deadline)
                except NotSent as error:
                    if not error.gone:
                        raise
            return self._use(self._opened(deadline), mail, deadline)

    def close(self) -> None:
        """Close the idle sessions, and those in use after their mail."""
        self._is_closed = True
        with suppress(IndexError):
            while True:
                self._idle.pop().connection.quit()

    @contextmanager
    def _slot(self, deadline: float) -> Iterator[None]:
        patience = min(max(0.0, deadline - time.monotonic()), threading.TIMEOUT_MAX)
        if not self._slots.acquire(timeout=patience):
            words = f"{self._account}: every connection is in use."
            raise NotSent(TransportError(kind=ErrorClass.THROTTLED, code="busy", message=words, ours=True))
        try:
            yield
        finally:
            self._slots.release()

    def _opened(self, deadline: float) -> SmtpConnection:
        self._breaker.check()
        try:
            connection = SmtpConnection(self._account, deadline=deadline)
        except NotSent as error:
            self._breaker.failed(error.error)
            raise
        self._breaker.succeeded()
        return connection

    def _kept(self) -> SmtpConnection | None:
        """The session used last, if it is still good."""
        self._prune()
        while True:
            try:
                idle = self._idle.pop()
            except IndexError:
                return None
            rested = time.monotonic() - idle.since
            if idle.connection.is_alive(asking=rested > MAX_TRUSTED_SECONDS):
                return idle.connection
            idle.connection.close()

    def _prune(self) -> None:
        """Take leave of sessions that nobody has needed for long; the oldest are on the left."""
        oldest = time.monotonic() - MAX_IDLE_SECONDS
        while True:
            try:
                idle = self._idle.popleft()
            except IndexError:
                return
            if idle.since > oldest:
                self._idle.appendleft(idle)
                return
            idle.connection.quit()

    def _use(self, connection: SmtpConnection, mail: Mail, deadline: float) -> Answer:
        try:
            return connection.hand_over(mail, deadline=deadline)
        finally:
            self._put_back(connection)

    def _put_back(self, connection: SmtpConnection) -> None:
        if not connection.is_open:
            connection.close()
        elif self._is_closed or connection.mails >= MAX_MAILS:
            connection.quit()
        else:
            self._idle.append(_Idle(connection, time.monotonic()))
