"""Commands out and replies in, each bounded by a deadline and in size."""

import socket
import ssl
import time

from workers.dialing import seconds_left
from workers.transports.smtp_replies import MAX_REPLY_BYTES, BadReply, Reply, read_line

REPLY_TIMEOUT = 30.0  # seconds for a whole reply, however it drips
_PIECE = 256 * 1024
_READ = 4_096


class Channel:
    """A connected socket that speaks SMTP. Raises OSError (TimeoutError among them) and `BadReply`."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._buffer = bytearray()

    @property
    def is_encrypted(self) -> bool:
        return isinstance(self._sock, ssl.SSLSocket)

    @property
    def local_address(self) -> str:
        """Our end's address."""
        return str(self._sock.getsockname()[0])

    def encrypt(self, context: ssl.SSLContext, host: str, *, deadline: float) -> None:
        """Go on in TLS with the server of this name. What came before in the clear is nobody's answer any more."""
        if self._buffer:  # RFC 3207 6: somebody on the way wrote it to be read as if it were encrypted
            raise BadReply("The server went on in the clear after it had agreed to encrypt.")
        self._sock.settimeout(min(REPLY_TIMEOUT, seconds_left(deadline)))
        self._sock = context.wrap_socket(self._sock, server_hostname=host)

    def write(self, data: bytes, *, deadline: float) -> None:
        """Write all of it, in pieces: a reader that stalls must not hold us up."""
        rest = memoryview(data)
        for start in range(0, len(data), _PIECE):
            self._sock.settimeout(seconds_left(deadline))
            self._sock.sendall(rest[start : start + _PIECE])

    def read_reply(self, *, deadline: float, patience: float | None = None) -> Reply:
        """The next reply, within `patience` seconds (`REPLY_TIMEOUT`) and before the deadline."""
        until = min(deadline, time.monotonic() + (REPLY_TIMEOUT if patience is None else patience))
        lines: list[str] = []
        codes: set[int] = set()
        size, last = 0, False
        while not last:
            line = self._line(until)
            size += len(line)
            code, last, text = read_line(line)
            codes.add(code)
            lines.append(text)
            if size > MAX_REPLY_BYTES or len(codes) > 1:
                raise BadReply("The server's answer is too long, or several in one.")
        return Reply(code, tuple(lines))

    def is_quiet(self) -> bool:
        """Whether nothing is there that nobody asked for: neither words nor the end of the connection."""
        if self._buffer:
            return False
        try:
            self._sock.settimeout(0)
            self._buffer += self._sock.recv(_READ)
        except (BlockingIOError, ssl.SSLWantReadError):
            return True
        except OSError:
            pass
        return False

    def close(self) -> None:
        """Close the socket; twice is fine."""
        self._sock.close()

    def _line(self, until: float) -> bytes:
        while (end := self._buffer.find(b"\n")) < 0:
            if len(self._buffer) > MAX_REPLY_BYTES:
                raise BadReply("The server's answer has no end.")
            self._sock.settimeout(seconds_left(until))
            received = self._sock.recv(_READ)
            if not received:
                raise ConnectionResetError("the server closed the connection")
            self._buffer += received
        line = bytes(self._buffer[: end + 1])
        del self._buffer[: end + 1]
        return line
