"""The guarded connection (`workers.dialing`), with its failures in the words of a hand-over."""

import socket
from collections.abc import Collection

from emails.delivery.ports import ErrorClass
from workers import dialing
from workers.dialing import NotReached
from workers.transports.smtp_errors import not_sent


def dial(host: str, port: int, *, allowed: Collection[str], deadline: float) -> socket.socket:
    """See `dialing.dial`. Raises `NotSent`."""
    try:
        return dialing.dial(host, port, allowed=allowed, deadline=deadline)
    except NotReached as error:
        kind = ErrorClass.AUTH if error.code == "forbidden_host" else ErrorClass.NETWORK
        raise not_sent(kind, error.code, str(error)) from error
