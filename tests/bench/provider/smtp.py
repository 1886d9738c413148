"""The SMTP sink: everybody may send anything to anybody, with PIPELINING, and without TLS."""

import asyncio
from typing import Final

from tests.bench.provider.counts import Counts

_GREETING: Final = b"220 sink ESMTP\r\n"
_OFFERS: Final = (
    b"250-sink\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-ENHANCEDSTATUSCODES\r\n250 SIZE 52428800\r\n"
)
_GO_ON: Final = b"354 go on\r\n"
_YES: Final = b"250 2.0.0 yes\r\n"
_BYE: Final = b"221 2.0.0 bye\r\n"
_END: Final = b"\r\n.\r\n"


class SmtpSession(asyncio.Protocol):
    """One client. Only the answer to a mail's final dot is delayed; what follows it waits, as the answers must."""

    def __init__(self, counts: Counts) -> None:
        self._counts = counts
        self._received = b""
        self._in_mail = self._waiting = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(_GREETING)

    def data_received(self, data: bytes) -> None:
        self._received += data
        if not self._waiting:
            self._go_on()

    def _go_on(self, said: bytes = b"") -> None:
        """Obey what has come completely; answers to what came together go together."""
        answers = [said]
        while not self._waiting and (answer := self._mail() if self._in_mail else self._command()):
            answers.append(answer)
        self._transport.write(b"".join(answers))
        if answers[-1] is _BYE:
            self._transport.close()

    def _command(self) -> bytes:
        line, ends, rest = self._received.partition(b"\r\n")
        if not ends:
            return b""
        self._received = rest
        match line[:4].upper():
            case b"EHLO":
                return _OFFERS
            case b"DATA":
                self._in_mail = True
                return _GO_ON
            case b"QUIT":
                return _BYE
        return _YES

    def _mail(self) -> bytes:
        end = self._received.find(_END)
        if end < 0:
            return b""
        content, self._received = self._received[:end], self._received[end + len(_END) :]
        self._in_mail = False
        self._counts.smtp += 1
        self._counts.take(content)
        if not self._counts.delay_seconds:
            return _YES
        self._waiting = True
        asyncio.get_running_loop().call_later(self._counts.delay_seconds, self._accept)
        return b""

    def _accept(self) -> None:
        self._waiting = False
        self._go_on(_YES)
