"""The raw limits: what the stand-in takes from a bare client with kept connections, and how fast these cores are."""

import json
import time
from collections.abc import Iterator
from typing import Final

import orjson

from tests.bench.figures import Figure
from tests.bench.load import Generator, Load
from tests.bench.mails import mail
from tests.bench.stand_in import StandIn

_SECONDS: Final = 2.0
_ENTRIES: Final = 50
_CONNECTIONS: Final = 16
_PIECE: Final = 2_000  # mails that are written as JSON and read again, about 20 ms of a core of 2023


def limits(load: Generator, provider: StandIn) -> Iterator[Figure]:
    """Mails a second by either request, without a signature, nor anybody who thinks."""
    for name, path, body, mails in (
        ("SendEmail", "outbound-emails", _single(), 1),
        ("SendBulkEmail", "outbound-bulk-emails", _bulk(), _ENTRIES),
    ):
        provider.forget()
        taken = load.run(
            Load(
                url=f"{provider.url}/v2/email/{path}",
                headers={},
                bodies=[body],
                connections=_CONNECTIONS,
                seconds=_SECONDS,
            )
        )
        sent = len(taken.latencies) * mails
        if provider.count() != sent:
            raise RuntimeError(f"the stand-in counted {provider.count()} of {sent} mails")
        yield Figure(f"raw limit, bare client, {name}", sent / taken.seconds, "/s")


def piece_of_python() -> float:
    """CPU milliseconds of a fixed piece of work: how to compare runs of different machines, or of a busy one."""
    body = mail(1, sender="Acme <hello@acme.test>", priority="high")
    began = time.process_time()
    for _ in range(_PIECE):
        json.loads(json.dumps(body))
    return (time.process_time() - began) * 1000


def _single() -> bytes:
    body = mail(1, sender="Acme <hello@acme.test>", priority="high")
    content = {"Subject": {"Data": body["subject"]}, "Body": {"Html": {"Data": body["html"]}}}
    return orjson.dumps({"Destination": {"ToAddresses": body["to"]}, "Content": {"Simple": content}})


def _bulk() -> bytes:
    entries = [
        {
            "Destination": {"ToAddresses": body["to"]},
            "ReplacementEmailContent": {
                "ReplacementTemplate": {"ReplacementTemplateData": orjson.dumps(body).decode()}
            },
        }
        for body in (
            mail(place, sender="Acme <hello@acme.test>", priority="low") for place in range(_ENTRIES)
        )
    ]
    return orjson.dumps({"BulkEmailEntries": entries})
