"""The control port: one JSON object on a line in, one out, `{"error": …}` for what is not understood.

{"do": "journal"} · "counts" · "heard" · "violations" · "ca_file"     what happened
{"do": "misbehave", "rules": [...], "seed": n}                       faults.Rule
{"do": "offer", …}                                                   options.Offer, as changes to what is offered now
{"do": "reset"}                                                      forget everything
"""

import asyncio
import json
from base64 import b64encode
from contextlib import suppress
from dataclasses import replace
from typing import Any

from tests.fakes.smtp.state import State


async def serve(state: State, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer until the other side leaves."""
    with suppress(ConnectionError):
        while line := await reader.readline():
            writer.write(json.dumps(answer(state, line)).encode() + b"\n")
            await writer.drain()
    writer.close()


def answer(state: State, line: bytes) -> Any:
    """Do one control call."""
    try:
        document = json.loads(line)
        return _do(state, document.pop("do"), document)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        return {"error": f"{type(error).__name__}: {error}"}


def _do(state: State, verb: str, document: dict[str, Any]) -> Any:
    match verb:
        case "journal":
            return state.journal.documents()
        case "counts":
            return state.counts
        case "heard":
            return [[number, b64encode(chunk).decode()] for number, chunk in state.heard]
        case "violations":
            return state.violations
        case "misbehave":
            state.faults.replace(document["rules"], seed=document.get("seed"))
        case "offer":
            state.offer = replace(state.offer, **document)
        case "reset":
            state.reset()
        case _:
            raise ValueError(f"unknown verb {verb}")
    return {}
