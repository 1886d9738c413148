"""What the faults do on the wire: nothing here decides, it only spoils an answer as its rule says."""

import asyncio
from contextlib import suppress
from dataclasses import replace

from tests.fakes.ses.faults import LIES, Mode, Rule
from tests.fakes.ses.http1 import Response
from tests.fakes.ses.refusals import Refusal

HANG_SECONDS = 600.0  # beyond any client's patience
HUGE_BYTES = 100 * 1024 * 1024
BEFORE_BODY = frozenset({Mode.HANG_BEFORE, Mode.CLOSE_BEFORE})
_CHUNK = b"x" * 64 * 1024


async def ignore(rule: Rule, stopping: asyncio.Event) -> None:
    """Strike before the body is read: leave it unread, for long or for good. The connection ends then."""
    if rule.mode is Mode.HANG_BEFORE:
        with suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), HANG_SECONDS)


async def write_answer(
    response: Response, rule: Rule, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> bool:
    """Write an answer, spoilt as the rule says; True when the connection stays open."""
    if rule.latency_ms:
        await asyncio.sleep(rule.latency_ms / 1000)
    match rule.mode:
        case Mode.HANG_AFTER:
            await _hang(reader)
        case Mode.CLOSE_AFTER:
            pass
        case Mode.CLOSE_MID_RESPONSE:
            await _write(writer, response.head + response.body[: len(response.body) // 2])
        case Mode.SLOW_DRIP:
            await _drip(response.head + response.body, rule.drip_ms / 1000, writer)
        case Mode.HUGE_ANSWER:
            await _write_huge(response, writer)
        case Mode.IDLE_CLOSE:
            await _write(writer, response.head + response.body)
        case _:
            await _write_whole(_spoilt(response, rule), writer)
            return True
    return False


def _spoilt(response: Response, rule: Rule) -> Response:
    if rule.mode in LIES:
        return Refusal(*LIES[rule.mode]).response()
    if rule.mode is Mode.TRUNCATED_JSON:
        return replace(response, body=response.body[: len(response.body) // 2])
    return response


async def _write_whole(response: Response, writer: asyncio.StreamWriter) -> None:
    await _write(writer, response.head + response.body)


async def _write(writer: asyncio.StreamWriter, data: bytes) -> None:
    writer.write(data)
    await writer.drain()


async def _hang(reader: asyncio.StreamReader) -> None:
    """Say nothing until the client gives up."""
    with suppress(TimeoutError):
        async with asyncio.timeout(HANG_SECONDS):
            while await reader.read(64 * 1024):
                pass


async def _drip(data: bytes, pause: float, writer: asyncio.StreamWriter) -> None:
    for byte in data:
        await _write(writer, bytes([byte]))
        await asyncio.sleep(pause)


async def _write_huge(response: Response, writer: asyncio.StreamWriter) -> None:
    """The right answer in 100 MB of JSON: one member of padding before it ends."""
    opening, closing = response.body[:-1] + b',"Padding":"', b'"}'
    await _write(writer, response.head_for(len(opening) + HUGE_BYTES + len(closing)) + opening)
    for _ in range(HUGE_BYTES // len(_CHUNK)):
        await _write(writer, _CHUNK)
    await _write(writer, closing)
