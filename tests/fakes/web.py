"""Web servers as tenants' URLs may lead to: good ones, and those that want to hold us up."""

import gzip
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Heard:
    """A request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]


@dataclass
class Web:
    """One server on this machine; `pages` are answered by path, everything else is 404."""

    context: ssl.SSLContext | None = None
    pages: dict[str, bytes] = field(default_factory=dict)
    heard: list[Heard] = field(default_factory=list)

    def __enter__(self) -> "Web":
        self._ended = threading.Event()
        web = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                web.heard.append(Heard(self.command, self.path, dict(self.headers.items())))
                web._answer(self)

            def log_message(self, *_: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: Any) -> None:
                pass

        self._server = Server(("127.0.0.1", 0), Handler)
        if self.context is not None:
            self._server.socket = self.context.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_address[1]
        self.url = f"{'https' if self.context else 'http'}://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._ended.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _answer(self, handler: Any) -> None:
        path = handler.path.partition("?")[0]
        if path in self.pages:
            return _whole(handler, 200, self.pages[path])
        trick: Callable[[Any], None] | None = getattr(self, f"_{path.strip('/').partition('/')[0]}", None)
        return trick(handler) if trick else _whole(handler, 404, b"not here")

    def _status(self, handler: Any) -> None:
        """/status/503"""
        _whole(handler, int(handler.path.rpartition("/")[2]), b"so be it", Location="http://169.254.169.254/")

    def _endless(self, handler: Any) -> None:
        """Chunks for ever."""
        _head(handler, 200, **{"Transfer-Encoding": "chunked"})
        while not self._ended.is_set():
            handler.wfile.write(b"10000\r\n" + bytes(0x10000) + b"\r\n")

    def _huge(self, handler: Any) -> None:
        """A length of 50 GB, and then nothing."""
        _head(handler, 200, **{"Content-Length": str(50 * 10**9)})
        self._ended.wait(60)

    def _drip(self, handler: Any) -> None:
        """A byte now and then."""
        _head(handler, 200, **{"Content-Length": "1000"})
        while not self._ended.wait(0.02):
            handler.wfile.write(b".")

    def _headers(self, handler: Any) -> None:
        """A head that never ends."""
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
        while not self._ended.wait(0.02):
            handler.wfile.write(b"X-More: 1\r\n" if handler.path.endswith("more") else b"X")

    def _continue(self, handler: Any) -> None:
        """100 Continue for ever."""
        while not self._ended.wait(0.02):
            handler.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _silent(self, _handler: Any) -> None:
        """Nothing."""
        self._ended.wait(60)

    def _short(self, handler: Any) -> None:
        """Ends before its length."""
        _head(handler, 200, **{"Content-Length": "1000"})
        handler.wfile.write(b"half")
        handler.close_connection = True

    def _zipped(self, handler: Any) -> None:
        """A megabyte in a thousand bytes, unasked."""
        _whole(handler, 200, gzip.compress(bytes(1_000_000)), **{"Content-Encoding": "gzip"})

    def _nonsense(self, handler: Any) -> None:
        """No HTTP."""
        handler.wfile.write(b"220 mail.example.com ESMTP\r\n")
        handler.close_connection = True


def _head(handler: Any, status: int, **headers: str) -> None:
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.end_headers()


def _whole(handler: Any, status: int, content: bytes, **headers: str) -> None:
    _head(handler, status, **{"Content-Length": str(len(content)), **headers})
    handler.wfile.write(content)
