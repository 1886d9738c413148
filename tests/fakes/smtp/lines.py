"""What a client writes, as commands and mails. Strict: only CRLF ends a line, only CRLF.CRLF a mail."""

import asyncio
from collections.abc import Callable

_READ = 64 * 1024
_END = b"\r\n.\r\n"


class Gone(Exception):
    """The session is over."""


class Lines:
    """Reads from a client; `heard` is told every read that is not content."""

    def __init__(self, reader: asyncio.StreamReader, heard: Callable[[bytes], None]) -> None:
        self._reader = reader
        self._heard = heard
        self._buffer = b""

    @property
    def is_ahead(self) -> bool:
        """Whether the client has written more than was read so far."""
        return bool(self._buffer)

    def forget(self) -> None:
        """Drop what came in the clear before TLS."""
        self._buffer = b""

    async def command(self) -> bytes:
        """The next line, with its end. Raises `Gone` at the end of the connection."""
        while b"\n" not in self._buffer:
            chunk = await self._more()
            self._heard(chunk)
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line + b"\n"

    async def content(self, *, half: bool) -> bytes | None:
        """A mail up to its final dot, dots still doubled; with `half` only some of it, and None."""
        buffer = bytearray(b"\r\n" + self._buffer)  # the line end before it may be the one of DATA
        searched = 0
        while (end := buffer.find(_END, searched)) < 0:
            if half and len(buffer) > 2:
                return None
            searched = max(0, len(buffer) - len(_END))
            buffer += await self._more(keep=False)
        self._buffer = bytes(buffer[end + len(_END) :])
        return None if half else bytes(buffer[2 : end + 2])

    async def _more(self, *, keep: bool = True) -> bytes:
        try:
            chunk = await self._reader.read(_READ)
        except OSError:
            raise Gone from None
        if not chunk:
            raise Gone
        if keep:
            self._buffer += chunk
        return chunk
