"""The fleet on PostgreSQL, RabbitMQ and Redis of its own, and the conventional mailer, in turn."""

import os
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final
from urllib.parse import urlsplit

import psycopg

from tests.bench import accept, latency, raw
from tests.bench.conventional.fleet import ConventionalFleet
from tests.bench.deliver import deliver
from tests.bench.load import generator
from tests.bench.mailer import Bench, Mailer, Sample, explained
from tests.bench.mailgrid_fleet import MailgridFleet
from tests.bench.measured import BULK, FAR, FAR_SECONDS, ONE, PIECE, Measured
from tests.bench.processes import listener
from tests.bench.stand_in import StandIn
from tests.services import postgres, rabbitmq, redis

ROUNDS: Final = 3
_SERVICES: Final = {"database": "DATABASE_URL", "broker": "BROKER_URL", "redis": "REDIS_URL"}


def measure(*, rounds: int = ROUNDS) -> Measured:
    """Start everything, measure every row of both mailers in turn, stop everything. Raises `Missing`."""
    samples: dict[str, dict[str, list[Sample]]] = defaultdict(lambda: defaultdict(list))
    with _services() as services, ExitStack() as running:
        load = running.enter_context(generator())
        provider = running.enter_context(StandIn())
        bench = Bench(load=load, provider=provider, services=services)
        limits = list(raw.limits(load, provider))
        first, second = (Path(running.enter_context(TemporaryDirectory())) for _ in range(2))
        mailers: list[Mailer] = [
            running.enter_context(MailgridFleet(first, provider_url=provider.url)),
            running.enter_context(ConventionalFleet(second, provider_url=provider.url)),
        ]
        for number in range(rounds):
            for mailer in mailers if number % 2 == 0 else reversed(mailers):
                _say(f"round {number + 1} of {rounds}: {mailer.name}")
                with mailer.turn(), explained(mailer):
                    for sample in _turn(bench, mailer, mailers):
                        samples[mailer.name][sample.row].append(sample)
        ours, baseline = (samples[kind.name] for kind in (MailgridFleet, ConventionalFleet))
        return Measured(_facts(), limits, ours=ours, baseline=baseline)


def _turn(bench: Bench, mailer: Mailer, mailers: Sequence[Mailer]) -> Iterator[Sample]:
    """One round of one mailer. What is accepted is delivered, to the last mail, unless it is dropped."""
    waiting = accept.warm_up(bench, mailer)
    _tidy(mailers)
    yield Sample(row=PIECE, value=raw.piece_of_python(), unit="ms")
    for connections in accept.CONNECTIONS:
        emails, samples = accept.one_by_one(bench, mailer, connections)
        waiting += emails
        yield from samples
    waiting = mailer.drop_waiting(waiting)
    waiting += accept.queue(bench, mailer, emails=mailer.sizes.near - waiting)
    yield deliver(bench, mailer, ONE, emails=waiting, priority="high")[0]

    waiting = accept.queue(bench, mailer, emails=mailer.sizes.far)
    yield deliver(bench, mailer, FAR, emails=waiting, priority="high", delay_seconds=FAR_SECONDS)[0]

    waiting, samples = accept.in_batches(bench, mailer)
    yield from samples
    if waiting := mailer.drop_waiting(waiting):
        yield from deliver(bench, mailer, BULK, emails=waiting, priority="medium")
    yield from latency.alone(bench, mailer)


@contextmanager
def _services() -> Iterator[dict[str, int]]:
    """PostgreSQL that flushes its commits to disk, RabbitMQ and Redis; their processes where they are to be seen."""
    with postgres(durable=True) as database, rabbitmq() as broker, redis() as shared:
        os.environ |= {"DATABASE_URL": database, "BROKER_URL": broker, "REDIS_URL": shared}
        ports = {name: urlsplit(os.environ[variable]).port or 0 for name, variable in _SERVICES.items()}
        found = {name: listener(port) for name, port in ports.items()}
        yield {name: pid for name, pid in found.items() if pid is not None}


def _tidy(mailers: Sequence[Mailer]) -> None:
    """Nobody pays for what another one has left to clean up or to write.

    Not while the tables are empty: a foreign key's check that is planned then reads the whole of what they become.
    """
    for mailer in mailers:
        with psycopg.connect(mailer.database_url, autocommit=True) as connection:
            connection.execute("VACUUM (ANALYZE)")
            connection.execute("CHECKPOINT")


def _facts() -> str:
    """How the database keeps its promises."""
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
        names = ("server_version", "fsync", "synchronous_commit", "shared_buffers")
        values = [connection.execute(f"SHOW {name}").fetchone()[0] for name in names]  # type: ignore[index]
    return "PostgreSQL " + ", ".join(f"{name} {value}" for name, value in zip(names, values, strict=True))


def _say(words: str) -> None:
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {words}\n")
