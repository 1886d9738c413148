"""The one way in which a hand-over over SMTP fails before the final dot."""

import ssl
import time

from emails.delivery.ports import ErrorClass, TransportError
from workers.transports.smtp_replies import BadReply


class NotSent(Exception):
    """The mail was provably not sent. `gone`: the server had left a kept connection; a new one may do."""

    def __init__(self, error: TransportError, *, gone: bool = False) -> None:
        super().__init__(error.message)
        self.error = error
        self.gone = gone


def not_sent(kind: ErrorClass, code: str, message: str) -> NotSent:
    """The exception for a failure of ours, with a word for machines and a sentence for people."""
    return NotSent(TransportError(kind=kind, code=code, message=message))


def lost_code(error: Exception, deadline: float) -> str:
    """A word for what ended a connection."""
    match error:
        case BadReply():
            return "bad_reply"
        case _ if time.monotonic() >= deadline:
            return "deadline"
        case TimeoutError():
            return "reply_timeout"
        case ssl.SSLError():
            return "tls"
    return "connection_lost"


def told(error: Exception) -> str:
    """What went wrong, for people."""
    return str(error) if isinstance(error, BadReply) else f"{type(error).__name__}: {error}"
