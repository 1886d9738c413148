"""An open load: requests begin when their time has come, however slow the answers are.

The closed load (`load`) sends the next request when the last was answered, and so spares whom it measures. Here a
request that finds no free connection waits, and its wait counts.
"""

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Final
from urllib.parse import urlsplit

from tests.bench.load import as_requests, length_of

_PATIENCE: Final = 60.0  # seconds for the last answers


@dataclass(frozen=True, slots=True, kw_only=True)
class Steady:
    """POST each of these bodies so many seconds after the start."""

    url: str
    headers: Mapping[str, str]
    bodies: Sequence[bytes]
    after: Sequence[float]
    connections: int = 16


def poisson(count: int, *, per_second: float, seed: int) -> list[float]:
    """Moments of so many independent requests, in seconds from the start."""
    random, at, moments = Random(seed), 0.0, []
    for _ in range(count):
        at += random.expovariate(per_second)
        moments.append(at)
    return moments


def run(load: Steady) -> list[float]:
    """When each request was due, in time.monotonic seconds. Every one must be answered with a 2xx."""
    return asyncio.run(_steady(load))


async def _steady(load: Steady) -> list[float]:
    target, loop = urlsplit(load.url), asyncio.get_running_loop()
    line = _Line(loop)
    for _ in range(load.connections):
        await loop.create_connection(lambda: _Connection(line), target.hostname or "", target.port or 80)
    requests = as_requests(load.url, load.headers, load.bodies)
    began = loop.time()
    for after, request in zip(load.after, requests, strict=True):
        await asyncio.sleep(max(0.0, began + after - loop.time()))
        line.submit(request)
    await asyncio.wait_for(line.quiet(), _PATIENCE)
    return [began + after for after in load.after]


class _Line:
    """Requests that wait for a connection, and connections that wait for a request."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._waiting: deque[bytes] = deque()
        self._free: list[_Connection] = []
        self._busy = 0
        self._failed: asyncio.Future[None] = loop.create_future()

    def submit(self, request: bytes) -> None:
        if self._free:
            self._busy += 1
            self._free.pop().send(request)
        else:
            self._waiting.append(request)

    def ready(self, connection: "_Connection", *, answered: bool) -> None:
        self._busy -= answered
        self._free.append(connection)
        if self._waiting:
            self.submit(self._waiting.popleft())

    def fail(self, error: Exception) -> None:
        if not self._failed.done():
            self._failed.set_exception(error)

    async def quiet(self) -> None:
        while self._busy or self._waiting:
            await asyncio.wait({self._failed}, timeout=0.01)
            if self._failed.done():
                self._failed.result()
        self._failed.cancel()


class _Connection(asyncio.Protocol):
    def __init__(self, line: _Line) -> None:
        self._line = line
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._line.ready(self, answered=False)

    def send(self, request: bytes) -> None:
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, ends, body = self._received.partition(b"\r\n\r\n")
        if not ends:
            return
        length = length_of(head)
        if head[9:10] != b"2" or length is None:
            self._line.fail(RuntimeError(f"refused: {self._received[:600]!r}"))
        elif len(body) == length:
            self._received = b""
            self._line.ready(self, answered=True)
