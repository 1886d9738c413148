"""What a session says, well or spoilt as a rule wants it."""

import asyncio

from tests.fakes.smtp.faults import Action, Rule, Stage
from tests.fakes.smtp.lines import Gone
from tests.fakes.smtp.state import State

_OVERSIZED = b"250-" + b"x" * 508 + b"\r\n"
_READ = 64 * 1024
_STALL_SECONDS = 600.0  # beyond any client's patience


class Voice:
    """The server's side of one session."""

    def __init__(self, state: State, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._state, self._reader, self._writer = state, reader, writer

    async def answer(self, stage: Stage, usual: str, address: str = "") -> bool:
        """Say the usual, or what a rule has for this point; whether the client was told yes."""
        rule = self._state.faults.pick(stage, address)
        if rule is None:
            await self.say(usual)
            return usual[0] in "23"
        return await self.spoil(rule, usual)

    async def say(self, text: str) -> None:
        """A whole reply."""
        await self._write(text.encode() + b"\r\n")

    async def spoil(self, rule: Rule, usual: str) -> bool:
        """What the rule wants in the place of the usual; whether the client was told yes. Raises `Gone`."""
        self._state.counts["faults"] += 1
        match rule.action:
            case Action.REPLY:
                await self.say(rule.text)
                if rule.text.startswith("421"):
                    raise Gone
                return not rule.refuses
            case Action.CUT:
                raise Gone
            case Action.HANG:
                await self._hang()
            case Action.STALL:
                await asyncio.sleep(_STALL_SECONDS)
            case Action.DRIP:
                await self._drip(usual, rule.drip_ms / 1000)
            case Action.GARBAGE:
                await self._write(b"\x00\x16\x03\x01 \xff\xfe no reply at all\r\n")
            case Action.OVERSIZED:
                await self._write(_OVERSIZED * 2_048)
                await self._hang()
            case Action.ENDLESS:
                await self._write(b"250 " + b"x" * len(_OVERSIZED) * 2_048)
                await self._hang()
            case Action.TWICE:
                await self._write(f"{usual}\r\n{usual}\r\n".encode())
            case Action.LEAVE:
                await self.say(usual)
                raise Gone
        return True

    async def _hang(self) -> None:
        """Say nothing until the client gives up."""
        while await self._reader.read(_READ):
            pass
        raise Gone

    async def _drip(self, text: str, pause: float) -> None:
        for byte in text.encode() + b"\r\n":
            await self._write(bytes([byte]))
            await asyncio.sleep(pause)

    async def _write(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()
