"""A connection to a host by its name, and to no address but one that was looked at first.

The one way to reach a host that a tenant names, over whatever protocol. A name is judged when it is saved; what it
resolves to can change every minute (`mailgrid.core.hosts`). So it is resolved once, every address is looked at, and
the connection goes to an address, not to the name.
"""

import socket
import threading
import time
from collections.abc import Callable, Collection
from functools import partial
from ipaddress import ip_address
from queue import Empty, SimpleQueue
from typing import Any

from mailgrid.core.hosts import is_listed, is_public

CONNECT_TIMEOUT = 5.0  # seconds, per address tried
RESOLVE_TIMEOUT = 10.0
_MOST_ADDRESSES = 4

_SOCKET_OPTIONS = [
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
]

_Target = tuple[int, Any]  # address family and socket address
Dial = Callable[[str, int, float], socket.socket]  # host, port, deadline


class NotReached(Exception):
    """There is no connection. `code` is one of `dns`, `connect`, `connect_timeout` and `forbidden_host`."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def dialer(allowed: Collection[str]) -> Dial:
    """`dial` with the operator's exceptions filled in."""
    return partial(_dial_listed, allowed)


def _dial_listed(allowed: Collection[str], host: str, port: int, deadline: float) -> socket.socket:
    return dial(host, port, allowed=allowed, deadline=deadline)


def dial(host: str, port: int, *, allowed: Collection[str], deadline: float) -> socket.socket:
    """Resolve, check, connect. `allowed` are the hosts and addresses that are fine though not public.

    `deadline` is in time.monotonic seconds. Raises `NotReached`; a name of which one address is not public leads
    nowhere.
    """
    last: NotReached | None = None
    for target in _checked(host, _resolved(host, port, deadline), allowed)[:_MOST_ADDRESSES]:
        try:
            return _connected(target, min(CONNECT_TIMEOUT, seconds_left(deadline)))
        except OSError as error:
            code = "connect_timeout" if isinstance(error, TimeoutError) else "connect"
            last = NotReached(code, f"{host}:{port} cannot be reached: {error}")
    raise last or NotReached("dns", f"{host} has no address.")


def seconds_left(deadline: float) -> float:
    """Seconds until the deadline, at most what a socket takes. Raises TimeoutError past it."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("the deadline passed")
    return min(left, 3_600.0)


def _resolved(host: str, port: int, deadline: float) -> list[_Target]:
    """What the name stands for. The resolver knows no deadline of ours, so it runs beside us and may be left behind."""
    answers: SimpleQueue[list[_Target] | Exception] = SimpleQueue()
    arguments = (host.removeprefix("[").removesuffix("]"), port, answers)
    threading.Thread(target=_look_up, args=arguments, name="dns", daemon=True).start()
    try:
        found = answers.get(timeout=min(RESOLVE_TIMEOUT, seconds_left(deadline)))
    except (Empty, TimeoutError):
        raise NotReached("dns", f"{host}: the name server does not answer.") from None
    if isinstance(found, Exception):
        raise NotReached("dns", f"{host} cannot be found: {found}") from found
    return found


def _look_up(host: str, port: int, answers: "SimpleQueue[list[_Target] | Exception]") -> None:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:  # UnicodeError: a label that no name server knows
        answers.put(error)
    else:
        answers.put([(family, address) for family, _, _, _, address in found])


def _checked(host: str, targets: list[_Target], allowed: Collection[str]) -> list[_Target]:
    if is_listed(host, allowed) or all(_is_reachable(target[1][0], allowed) for target in targets):
        return targets
    raise NotReached("forbidden_host", f"{host} leads to an address that is not reachable from the internet.")


def _is_reachable(address: str, allowed: Collection[str]) -> bool:
    return is_public(ip_address(address)) or is_listed(address, allowed)


def _connected(target: _Target, timeout: float) -> socket.socket:
    family, address = target
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        for option in _SOCKET_OPTIONS:
            sock.setsockopt(*option)
        sock.settimeout(timeout)
        sock.connect(address)
    except BaseException:
        sock.close()
        raise
    return sock
