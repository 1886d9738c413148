"""One HTTP exchange: one request on the wire, one deadline over all of it, one pool of connections.

urllib3 makes and checks the connections (TLS, TCP options, staleness), http.client reads the answers. Their
own ways of sending are not used: they do not say whether a byte was written, and a timeout per read is never
tripped by an answer that drips. Every failure says whether the request may have reached the other side.
"""

import socket
import ssl
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import partial
from http.client import HTTPMessage, HTTPResponse
from io import BufferedReader, RawIOBase
from typing import Any, Final, cast
from urllib.parse import urlsplit

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError

from workers.dialing import Dial, NotReached

CONNECT_TIMEOUT = 3.0  # seconds, per address tried
READ_TIMEOUT = 20.0  # seconds without a byte
MAX_ANSWER_BYTES = 64 * 1024
# A starting value, below the idle limits of load balancers: a connection that the other side is about to
# close turns a send into a doubt.
MAX_IDLE_SECONDS = 20.0

_WRITE_BYTES = 256 * 1024
_LONGEST = 3_600.0  # seconds; a socket takes no infinite time-out
_SOCKET_OPTIONS = [
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
]


class NotSent(Exception):
    """The exchange failed before a byte of the request was written. `code` is a word for machines."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class AnswerLost(Exception):
    """The request was written, wholly or in part, and no status came back. `code` is a word for machines."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An HTTP answer; when its body did not come in full, `body` is empty and `lost` says why in a word."""

    status: int
    headers: HTTPMessage
    body: bytes
    lost: str = ""


@dataclass(frozen=True, slots=True)
class _Idle:
    connection: HTTPConnection
    since: float


class Wire:
    """Exchanges with one endpoint, over at most `size` kept connections. Safe to share between threads.

    More threads than `size` are served too; their connections are closed after use. `ca_bundle` is a file of
    certificate authorities; the system's when None. With `dial` that makes the connections, for hosts that tenants
    name. Answers have at most `answer_bytes`.
    """

    def __init__(
        self,
        endpoint_url: str,
        *,
        size: int,
        ca_bundle: str | None = None,
        dial: Dial | None = None,
        answer_bytes: int = MAX_ANSWER_BYTES,
    ) -> None:
        parts = urlsplit(endpoint_url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"not an endpoint: {endpoint_url}")
        default_port = 443 if parts.scheme == "https" else 80
        port = parts.port or default_port
        name = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        self.host = name if port == default_port else f"{name}:{port}"
        self.prefix = parts.path.rstrip("/")
        options: dict[str, Any] = {"port": port, "socket_options": _SOCKET_OPTIONS}
        if parts.scheme == "https":
            options["ssl_context"] = ssl.create_default_context(cafile=ca_bundle)
        kind: Callable[..., HTTPConnection] = _KINDS[parts.scheme, dial is not None]
        if dial is not None:
            options["dial"] = dial
        self._new_connection: Callable[[], HTTPConnection] = partial(kind, parts.hostname, **options)
        self._answer_bytes = answer_bytes
        self._size = size
        self._idle: deque[_Idle] = deque()

    def exchange(
        self, method: str, path: str, *, headers: Mapping[str, str], body: bytes, deadline: float
    ) -> Reply:
        """Write one request and read its answer; redirects are answers.

        `headers` name the host; `deadline` is in time.monotonic seconds. Raises `NotSent` or `AnswerLost`;
        ValueError, before anything is written, for a header field that is not one line of ASCII. In all
        these cases, and when an answer is cut, the connection is closed.
        """
        connection = self._connected(deadline)
        try:
            reply, reusable = _request(connection, method, path, headers, body, deadline, self._answer_bytes)
        except BaseException:
            connection.close()
            raise
        if reusable and len(self._idle) < self._size:
            self._idle.append(_Idle(connection, time.monotonic()))
        else:
            connection.close()
        return reply

    def close(self) -> None:
        """Close the idle connections, and those in use after their exchange."""
        self._size = 0
        while self._idle:
            self._idle.pop().connection.close()

    def _connected(self, deadline: float) -> HTTPConnection:
        """A connection that the other side has not closed, as far as anybody can see. Raises `NotSent`."""
        left = _left_before_writing(deadline)
        connection = self._kept()
        if connection is not None:
            return connection
        connection = self._new_connection()
        connection.timeout = min(CONNECT_TIMEOUT, left)
        try:
            connection.connect()
        except Exception as error:
            connection.close()
            told = str(error) if isinstance(error, NotReached) else f"{type(error).__name__}: {error}"
            raise NotSent(_connect_code(error), told) from error
        return connection

    def _kept(self) -> HTTPConnection | None:
        """The connection used last, if it is still good; the stale ones above it are closed."""
        while True:
            try:
                idle = self._idle.pop()
            except IndexError:
                return None
            if time.monotonic() - idle.since < MAX_IDLE_SECONDS and idle.connection.is_connected:
                return idle.connection
            idle.connection.close()


def _request(
    connection: HTTPConnection,
    method: str,
    path: str,
    headers: Mapping[str, str],
    body: bytes,
    deadline: float,
    answer_bytes: int,
) -> tuple[Reply, bool]:
    """The reply, and whether its connection may carry another request. Raises as `Wire.exchange`."""
    sock = cast(socket.socket, connection.sock)
    head = _head(method, path, headers, len(body))
    _left_before_writing(deadline)
    with closing(
        HTTPResponse(cast(socket.socket, _BoundedSocket(sock, deadline)), method=method)
    ) as response:
        try:
            _write(sock, head, body, deadline)
            response.begin()
        except Exception as error:
            raise AnswerLost(_lost_code(error, deadline), f"{type(error).__name__}: {error}") from error
        content, lost = _content(response, answer_bytes, deadline)
        reusable = response.isclosed() and not lost and not response.will_close
        return Reply(status=response.status, headers=response.headers, body=content, lost=lost), reusable


def _head(method: str, path: str, headers: Mapping[str, str], length: int) -> bytes:
    """The request line and fields. Raises ValueError for values that would not stay in their line."""
    fields = {**headers, "accept-encoding": "identity", "content-length": str(length)}
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
    head = "\r\n".join([*lines, "", ""])
    if not head.count("\n") == head.count("\r") == len(lines) + 1 or not head.isascii():
        raise ValueError("a header field that is not one line of ASCII")
    return head.encode("ascii")


def _write(sock: socket.socket, head: bytes, body: bytes, deadline: float) -> None:
    """Write in pieces, each with what is left of the time: a reader that stalls must not hold us up."""
    rest = memoryview(body)
    # Whoever refuses a large body answers before the end of it and closes; that answer is still to be read.
    with suppress(ConnectionError):
        sock.settimeout(_left(deadline))
        sock.sendall(head + rest[:_WRITE_BYTES])
        for start in range(_WRITE_BYTES, len(body), _WRITE_BYTES):
            sock.settimeout(_left(deadline))
            sock.sendall(rest[start : start + _WRITE_BYTES])


def _content(response: HTTPResponse, limit: int, deadline: float) -> tuple[bytes, str]:
    """The body of an answer, or nothing and the word that says why."""
    if (response.length or 0) > limit:  # it says so itself
        return b"", "answer_too_large"
    try:
        content = response.read(limit + 1)
    except Exception as error:  # noqa: BLE001 — whatever cut the answer, its status stands
        return b"", _lost_code(error, deadline)
    if len(content) > limit:
        return b"", "answer_too_large"
    # http.client is silent about a body that ends before its length.
    return (b"", "connection_lost") if response.length else (content, "")


class _Dialed:
    """A connection that goes where `dial` leads."""

    host: str
    port: int
    timeout: Any

    def __init__(self, *args: Any, dial: Dial, **options: Any) -> None:
        super().__init__(*args, **options)
        self._dial = dial

    def _new_conn(self) -> socket.socket:
        return self._dial(self.host, self.port, time.monotonic() + self.timeout)


class _DialedHttp(_Dialed, HTTPConnection):
    """Without TLS."""


class _DialedHttps(_Dialed, HTTPSConnection):
    """The certificate is that of the host's name, whatever address it leads to."""


_KINDS: Final[dict[tuple[str, bool], Callable[..., HTTPConnection]]] = {
    ("http", False): HTTPConnection,
    ("https", False): HTTPSConnection,
    ("http", True): _DialedHttp,
    ("https", True): _DialedHttps,
}


class _BoundedSocket:
    """A socket to http.client's response, which asks it for nothing but a file to read."""

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self._sock = sock
        self._deadline = deadline

    def makefile(self, _mode: str) -> BufferedReader:
        return BufferedReader(_BoundedReader(self._sock, self._deadline))


class _BoundedReader(RawIOBase):
    """Reads a socket until a deadline, however little each read brings; closing it leaves the socket open."""

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self._sock = sock
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._sock.settimeout(min(READ_TIMEOUT, _left(self._deadline)))
        return self._sock.recv_into(buffer)


def _left(deadline: float) -> float:
    """Seconds until the deadline. Raises TimeoutError past it."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("the deadline passed")
    return min(left, _LONGEST)


def _left_before_writing(deadline: float) -> float:
    """Seconds until the deadline. Raises `NotSent` past it: nothing was written yet."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise NotSent("deadline", "deadline passed before the call")
    return min(left, _LONGEST)


def _connect_code(error: Exception) -> str:
    if isinstance(error, NotReached):
        return error.code
    if isinstance(error, NameResolutionError):
        return "dns"
    if isinstance(error, NewConnectionError):  # which urllib3 makes a kind of ConnectTimeoutError
        return "connect"
    if isinstance(error, (ConnectTimeoutError, TimeoutError)):
        return "connect_timeout"
    return "tls" if isinstance(error, (ssl.SSLError, ssl.CertificateError)) else "connect"


def _lost_code(error: Exception, deadline: float) -> str:
    if time.monotonic() >= deadline:
        return "deadline"
    return "read_timeout" if isinstance(error, TimeoutError) else "connection_lost"
