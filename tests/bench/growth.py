"""Growth: the same work where there are few messages already, and where there are many."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from statistics import median
from typing import Final, Self

from mailgrid.env import BASE_DIR
from tests.bench.accept import queue
from tests.bench.client import Connection
from tests.bench.growth_fill import fill, size_of
from tests.bench.mailer import Sample, explained, load_average, single_load
from tests.bench.mailgrid_fleet import MailgridFleet
from tests.bench.mails import singles
from tests.bench.stage import Factory, Stage

SMALL: Final = 10_000
LARGE: Final = 1_000_000
OPERATIONS: Final = (
    "accept one by one, 8 connections, each",
    "accept batches of 100, per email",
    "claim, per email",
    "settle, per email",
    "newest emails, a page",
    "events of an email",
)
STORED: Final = "database per message"
_ONE, _BATCHES, _CLAIM, _SETTLE, _LIST, _EVENTS = OPERATIONS
_SECONDS: Final = 1.5
_IN_BATCHES: Final = 3_000
_LOOKS: Final = 150


class GrownFleet(MailgridFleet):
    """Mailgrid with so many messages of the last month; web alone, so that nothing else happens."""

    def __init__(self, stage: Stage, directory: Path, *, messages: int) -> None:
        super().__init__(stage, directory, always=("web",))
        self._stage = stage
        self.name = name_of(messages)
        self._messages = messages

    def __enter__(self) -> Self:
        super().__enter__()
        with self.turn():
            model = self.must(200, "POST", "/api/emails", _mail(self))["id"]
            self._stage.provider.forget()
            with self.sending("high"):
                self._stage.await_mails(1)
        before = size_of(self.database_url)
        self.sampled = fill(self.database_url, model=model, messages=self._messages)
        self.stored = (size_of(self.database_url) - before) / self._messages
        return self


def sizes(large: int | None) -> list[int]:
    """Powers of ten between the small case and the large one, which is a million or as given."""
    end, found = large or LARGE, []
    size = min(SMALL, end)
    while size < end:
        found.append(size)
        size *= 10
    return [*found, end]


def name_of(messages: int) -> str:
    """A contestant's name."""
    return f"{messages:,} messages"


def contestants(large: int | None) -> dict[str, Factory]:
    """A fleet for each size."""
    return {name_of(size): partial(GrownFleet, messages=size) for size in sizes(large)}


def turn(stage: Stage, grown: GrownFleet) -> Iterator[Sample]:
    """Accept, claim, settle, list, look up."""
    with grown.turn(), explained(grown):
        queue(stage, grown, emails=500)
        queued = load_average()
        yield Sample(row=_ONE, value=_one_by_one(stage, grown), unit="ms", load_average=queued)
        yield Sample(row=_BATCHES, value=_batches(stage, grown), unit="µs")
        spent = _probe(grown)
        yield Sample(row=_CLAIM, value=spent["claim"], unit="µs")
        yield Sample(row=_SETTLE, value=spent["settle"], unit="µs")
        yield Sample(row=_LIST, value=_looks(grown, ["/api/emails?limit=20"] * _LOOKS), unit="ms")
        paths = [f"/api/emails/{email}/events" for email in grown.sampled]
        yield Sample(row=_EVENTS, value=_looks(grown, paths), unit="ms")
        yield Sample(row=STORED, value=grown.stored, unit="B")


def _one_by_one(stage: Stage, grown: GrownFleet) -> float:
    bodies = singles(1_000, **grown.of_mail, priority="high")
    taken = stage.load.run(single_load(grown, bodies=bodies, connections=8, seconds=_SECONDS))
    return median(taken.latencies) * 1000


def _batches(stage: Stage, grown: GrownFleet) -> float:
    began = time.monotonic()
    emails = queue(stage, grown, emails=_IN_BATCHES)
    return (time.monotonic() - began) / emails * 1e6


def _probe(grown: GrownFleet) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.growth_probe"],
        cwd=BASE_DIR,
        env=grown.environment | {"ROLE": "worker"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    return dict(json.loads(done.stdout.splitlines()[-1]))


def _looks(grown: GrownFleet, paths: list[str]) -> float:
    """Median milliseconds of a GET."""
    connection, spent = Connection(grown.url, grown.api_key), []
    for path in paths:
        began = time.perf_counter()
        status, answer = connection.call("GET", path)
        spent.append((time.perf_counter() - began) * 1000)
        if status != 200 or not answer["data"]:
            raise RuntimeError(f"{path}: {status} {answer}")
    return median(spent)


def _mail(grown: GrownFleet) -> dict[str, object]:
    return dict(json.loads(singles(1, **grown.of_mail, priority="high")[0]))
