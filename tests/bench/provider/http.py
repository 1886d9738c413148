"""SES over HTTP, and the benchmark's own questions; no more of the protocol than clients with kept connections need."""

import asyncio
import re
from collections.abc import Iterator
from typing import Final

import orjson

from tests.bench.provider.counts import Counts

_SEND: Final = b"/v2/email/outbound-emails"
_SEND_BULK: Final = b"/v2/email/outbound-bulk-emails"
_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


class HttpConnection(asyncio.Protocol):
    """Kept open until the other side closes it; requests are answered in order."""

    def __init__(self, counts: Counts) -> None:
        self._counts = counts
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        for path, body in self._requests():
            if path == _SEND:
                self._answer(_send(self._counts, body), self._counts.delay_seconds)
            elif path == _SEND_BULK:
                self._answer(_send_bulk(self._counts, body), self._counts.delay_seconds)
            else:
                self._answer(_tell(self._counts, path, body), 0.0)

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


def _send(counts: Counts, body: bytes) -> bytes:
    counts.single += 1
    return b'{"MessageId":"%032x-000000"}' % (counts.take(body) + 1)


def _send_bulk(counts: Counts, body: bytes) -> bytes:
    counts.bulk += 1
    mails = len(orjson.loads(body)["BulkEmailEntries"])
    first = counts.take(body, mails=mails) + 1
    results = [
        {"Status": "SUCCESS", "MessageId": f"{place:032x}-000000"} for place in range(first, first + mails)
    ]
    return orjson.dumps({"BulkEmailEntryResults": results})


def _tell(counts: Counts, path: bytes, body: bytes) -> bytes:
    match path:
        case b"/forget":
            counts.forget(**orjson.loads(body))
            return b"{}"
        case b"/count":
            requests = {"single": counts.single, "bulk": counts.bulk, "smtp": counts.smtp}
            return orjson.dumps(
                {"mails": len(counts.arrivals), "marked": len(counts.marked), "requests": requests}
            )
        case b"/arrivals":
            return orjson.dumps({"arrivals": counts.arrivals.tolist()})
        case b"/marked":
            return orjson.dumps({"marked": {str(mark): at for mark, at in counts.marked.items()}})
    raise LookupError(path)
