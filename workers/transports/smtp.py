"""Mail through an SMTP server: pooled sessions, one transaction for each envelope.

Our own client, because the standard library's smtplib reads with a time-out for each line, writes command by command,
and does not say whether the final dot was written, which alone decides what may be sent again (docs/delivery.md).
"""

import time
from collections.abc import Mapping, Sequence
from typing import ClassVar, Final

from emails.composition.envelope import Envelope
from emails.delivery.ports import Answer, AttemptKey, DoubtRule, ErrorClass, Receipt, TransportError
from mailgrid.core import clock
from workers.transports.smtp_account import SmtpAccount
from workers.transports.smtp_breaker import Breaker
from workers.transports.smtp_connection import TOO_LATE, SmtpConnection, is_too_late
from workers.transports.smtp_errors import NotSent
from workers.transports.smtp_mail import mail_of
from workers.transports.smtp_pool import SmtpPool

CHECK_SECONDS: Final = 30.0
_WORDS_LIMIT: Final = 1_000


class SmtpTransport:
    """One log-in at one server. Safe to share between threads; open it after a fork. At most `pool_size` sessions."""

    doubt_rule: ClassVar[DoubtRule] = "grace"
    touches_database: ClassVar[bool] = False

    def __init__(self, account: SmtpAccount, *, name: str, pool_size: int = 16) -> None:
        self._account = account
        breaker = Breaker(transport=name, host=account.host, port=account.port)
        self._pool = SmtpPool(account, breaker, size=pool_size)

    def plan(self, envelopes: Sequence[Envelope]) -> Sequence[Sequence[Envelope]]:
        """Each envelope alone: one transaction each."""
        return [[envelope] for envelope in envelopes]

    def send(self, call: Sequence[Envelope], *, deadline: float) -> Sequence[Answer]:
        """Hand over a call as `plan` made it; never raises."""
        if len(call) != 1:
            error = TransportError(kind=ErrorClass.BUG, code="plan", message="a call holds one envelope")
            return [error for _ in call]
        if is_too_late(deadline):
            return [TOO_LATE]
        return [self._hand_over(call[0], deadline)]

    def recall(self, attempts: Sequence[AttemptKey]) -> Mapping[AttemptKey, Receipt] | None:
        """None: nobody can ask an SMTP server what it took."""
        return None

    def check(self) -> TransportError | None:
        """Connect, encrypt and log in over a session of its own, and take leave."""
        try:
            connection = SmtpConnection(self._account, deadline=time.monotonic() + CHECK_SECONDS)
        except NotSent as error:
            return error.error
        except Exception as error:  # noqa: BLE001 - the port promises an answer
            return _bug(error)
        connection.quit(patience=1.0)
        return None

    def max_send_rate(self) -> float | None:
        return None

    def close(self) -> None:
        """Close the idle sessions."""
        self._pool.close()

    def _hand_over(self, envelope: Envelope, deadline: float) -> Answer:
        try:
            return self._pool.hand_over(mail_of(envelope, now=clock.now()), deadline=deadline)
        except NotSent as error:
            return error.error
        except Exception as error:  # noqa: BLE001 - as above; the final dot has an answer of its own for everything
            return _bug(error)


def _bug(error: Exception) -> TransportError:
    words = str(error)[:_WORDS_LIMIT] or type(error).__name__
    return TransportError(kind=ErrorClass.BUG, code=type(error).__name__, message=words)
