"""A provider that takes everything at once: SES's SendEmail and SendBulkEmail, answered, counted and forgotten.

    with StandIn() as provider:
        client = boto3.client("sesv2", endpoint_url=provider.url, ...)
        provider.arrivals()     # when each mail came, in time.monotonic seconds

`tests.fakes.ses` is the stand-in for tests: it checks what it is given, and costs several times as much. This one
looks at no signature and at no content but the number of a bulk request's entries.
"""

import asyncio
import contextlib
import http.client
import json
import re
import subprocess
import sys
import time
from array import array
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, Final, Self

import orjson

_SEND: Final = b"/v2/email/outbound-emails"
_SEND_BULK: Final = b"/v2/email/outbound-bulk-emails"
_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


class StandIn:
    """The process, and what it has counted."""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.stand_in"], stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        self._port = int(self._process.stdout.readline())
        self._control = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._control.close()
        self._process.kill()
        self._process.communicate()

    @property
    def url(self) -> str:
        """Its endpoint."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    def forget(self, *, delay_seconds: float = 0.0) -> None:
        """Count from zero, and from now on answer after so long."""
        self._ask("POST", "/forget", {"delay_seconds": delay_seconds})

    def count(self) -> int:
        """Mails since then."""
        return int(self._ask("GET", "/count")["mails"])

    def requests(self) -> Mapping[str, int]:
        """Requests since then: `single` and `bulk`."""
        return dict(self._ask("GET", "/count")["requests"])

    def arrivals(self) -> list[float]:
        """When each mail came, in time.monotonic seconds."""
        return list(self._ask("GET", "/arrivals")["arrivals"])

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        self._control.request(method, path, json.dumps(body))
        return json.loads(self._control.getresponse().read())


class _Counts:
    """What the connections share."""

    def __init__(self) -> None:
        self.forget()

    def forget(self, delay_seconds: float = 0.0) -> None:
        self.arrivals = array("d")
        self.single = self.bulk = 0
        self.delay_seconds = delay_seconds

    def send(self, body: bytes) -> bytes:
        self.single += 1
        self.arrivals.append(time.monotonic())
        return b'{"MessageId":"%032x-000000"}' % len(self.arrivals)

    def send_bulk(self, body: bytes) -> bytes:
        self.bulk += 1
        at, first = time.monotonic(), len(self.arrivals)
        entries = orjson.loads(body)["BulkEmailEntries"]
        self.arrivals.extend([at] * len(entries))
        return orjson.dumps(
            {
                "BulkEmailEntryResults": [
                    {"Status": "SUCCESS", "MessageId": f"{first + place:032x}-000000"}
                    for place in range(1, len(entries) + 1)
                ]
            }
        )

    def control(self, path: bytes, body: bytes) -> bytes:
        match path:
            case b"/forget":
                self.forget(**orjson.loads(body))
                return b"{}"
            case b"/count":
                requests = {"single": self.single, "bulk": self.bulk}
                return orjson.dumps({"mails": len(self.arrivals), "requests": requests})
            case b"/arrivals":
                return orjson.dumps({"arrivals": self.arrivals.tolist()})
        raise LookupError(path)


class _Connection(asyncio.Protocol):
    """Kept open until the other side closes it; requests are answered in order."""

    def __init__(self, counts: _Counts) -> None:
        self._counts = counts
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        for path, body in self._requests():
            if path == _SEND:
                self._answer(self._counts.send(body), self._counts.delay_seconds)
            elif path == _SEND_BULK:
                self._answer(self._counts.send_bulk(body), self._counts.delay_seconds)
            else:
                self._answer(self._counts.control(path, body), 0.0)

    def _requests(self) -> Iterator[tuple[bytes, bytes]]:
        while (end := self._received.find(b"\r\n\r\n")) >= 0:
            length = _LENGTH.search(self._received, 0, end)
            last = end + 4 + (int(length[1]) if length else 0)
            if len(self._received) < last:
                return
            path = self._received.split(b" ", 2)[1]
            body, self._received = self._received[end + 4 : last], self._received[last:]
            yield path, body

    def _answer(self, body: bytes, delay_seconds: float) -> None:
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
        if delay_seconds:
            asyncio.get_running_loop().call_later(delay_seconds, self._transport.write, head + body)
        else:
            self._transport.write(head + body)


async def _serve() -> None:
    counts = _Counts()
    server = await asyncio.get_running_loop().create_server(
        lambda: _Connection(counts), "127.0.0.1", 0, backlog=512
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve())
