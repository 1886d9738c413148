"""The load generator: kept connections in a process of its own, requests written beforehand, answers barely read.

It shares the cores with what it loads; its own CPU time is part of what it returns.
"""

import asyncio
import itertools
import multiprocessing
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final, TypeVar
from urllib.parse import urlsplit

_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_SHOWN: Final = 600  # bytes of an unexpected answer
_PATIENCE: Final = 120.0  # seconds

_Given = TypeVar("_Given")
_Got = TypeVar("_Got")


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """POST these bodies in turn over so many connections, for some seconds or so many requests."""

    url: str
    headers: Mapping[str, str]
    bodies: Sequence[bytes]
    connections: int
    seconds: float = _PATIENCE
    requests: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """Seconds of each request, of the whole, and of our own CPU."""

    latencies: list[float]
    seconds: float
    cpu_seconds: float

    @property
    def per_second(self) -> float:
        """Requests."""
        return len(self.latencies) / self.seconds


class Generator:
    """Runs loads, one after another."""

    def __init__(self, pool: ProcessPoolExecutor) -> None:
        self._pool = pool

    def run(self, load: Load) -> Taken:
        """Every request must be answered with a 2xx, else RuntimeError."""
        return self._pool.submit(_run, load).result()

    def begin(self, work: Callable[[_Given], _Got], given: _Given) -> Future[_Got]:
        """Anything else that makes a load, while we go on."""
        return self._pool.submit(work, given)


def as_requests(url: str, headers: Mapping[str, str], bodies: Sequence[bytes]) -> list[bytes]:
    """What is written for each body."""
    target = urlsplit(url)
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return [
        f"POST {target.path} HTTP/1.1\r\nHost: {target.netloc}\r\n{head}"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        + body
        for body in bodies
    ]


def length_of(head: bytes) -> int | None:
    """What an answer's head says about its body."""
    length = _LENGTH.search(head)
    return int(length[1]) if length else None


@contextmanager
def generator() -> Iterator[Generator]:
    """The process, warm."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        pool.submit(time.monotonic).result()
        yield Generator(pool)


def _run(load: Load) -> Taken:
    return asyncio.run(_loaded(load))


async def _loaded(load: Load) -> Taken:
    target = urlsplit(load.url)
    requests = as_requests(load.url, load.headers, load.bodies)
    loop = asyncio.get_running_loop()
    started, cpu = loop.time(), time.process_time()
    work = _Work(
        requests=itertools.cycle(requests), until=started + load.seconds, left=load.requests, latencies=[]
    )
    host, port = target.hostname or "", target.port or 80
    lines = [
        (await loop.create_connection(lambda: _Connection(work, loop), host, port))[1]
        for _ in range(load.connections)
    ]
    await asyncio.gather(*(line.done for line in lines))
    return Taken(
        latencies=work.latencies,
        seconds=loop.time() - started,
        cpu_seconds=time.process_time() - cpu,
    )


@dataclass(slots=True, kw_only=True)
class _Work:
    requests: Iterator[bytes]
    until: float
    left: int | None
    latencies: list[float] = field(default_factory=list)

    def next_request(self, now: float) -> bytes | None:
        if now >= self.until or self.left == 0:
            return None
        if self.left is not None:
            self.left -= 1
        return next(self.requests)


class _Connection(asyncio.Protocol):
    """One request at a time."""

    def __init__(self, work: _Work, loop: asyncio.AbstractEventLoop) -> None:
        self._work = work
        self._loop = loop
        self._received = b""
        self._sent_at = 0.0
        self.done: asyncio.Future[None] = loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._send()

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, ends, body = self._received.partition(b"\r\n\r\n")
        if not ends:
            return
        length = length_of(head)
        if head[9:10] != b"2" or length is None:
            self._fail(RuntimeError(f"refused: {self._received[:_SHOWN]!r}"))
        elif len(body) == length:
            self._received = b""
            self._work.latencies.append(self._loop.time() - self._sent_at)
            self._send()

    def connection_lost(self, error: Exception | None) -> None:
        self._fail(error or ConnectionResetError("closed by the server"))

    def _send(self) -> None:
        self._sent_at = self._loop.time()
        request = self._work.next_request(self._sent_at)
        if request is not None:
            self._transport.write(request)
        elif not self.done.done():
            self.done.set_result(None)
            self._transport.close()

    def _fail(self, error: Exception) -> None:
        if not self.done.done():
            self.done.set_exception(error)
            self._transport.close()
