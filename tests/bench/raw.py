"""The raw limits of this machine: what remains if nobody thought."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Final

import psycopg
from kombu import Connection, Exchange, Producer, Queue

from tests.bench.mailer import Sample, load_average
from tests.bench.mails import mail
from tests.bench.stage import Stage

SINGLE: Final = "bare client, SendEmail"
BULK: Final = "bare client, SendBulkEmail"
COPIED: Final = "rows of 1.3 kB by COPY, 100 a commit"
PUBLISHED: Final = "messages published with confirms, one by one"
_PROCESSES: Final = 2  # as many as a worker's children
_SECONDS: Final = 3.0
_PIECE: Final = 2_000  # mails that are written as JSON and read again, about 20 ms of a core of 2023
_QUEUE: Final = "bench.limits"


class Machine:
    """What is measured here is the machine itself, whose turns these are."""

    name = "machine"

    def __init__(self, database_url: str, broker_url: str) -> None:
        self.database_url, self.broker_url = database_url, broker_url


def turn(stage: Stage, machine: Machine) -> Iterator[Sample]:
    """Provider, database, broker."""
    queued = load_average()
    for row, kind, delay_seconds in (
        (SINGLE, "single", 0.0),
        (f"{SINGLE}, 30 ms away", "single", 0.03),
        (BULK, "bulk", 0.0),
    ):
        yield Sample(row=row, value=_hammered(stage, kind, delay_seconds), unit="/s", load_average=queued)
    yield Sample(row=COPIED, value=_copied(machine), unit="/s")
    yield Sample(row=PUBLISHED, value=_published(machine), unit="/s")


def piece_of_python() -> float:
    """CPU milliseconds of a fixed piece of work: how to compare runs of different machines, or of a busy one."""
    body = mail(1, sender="Acme <hello@acme.test>", priority="high")
    began = time.process_time()
    for _ in range(_PIECE):
        json.loads(json.dumps(body))
    return (time.process_time() - began) * 1000


def _hammered(stage: Stage, kind: str, delay_seconds: float) -> float:
    """Mails a second from as many processes as a worker has children, each with a pool of kept connections."""
    stage.provider.forget(delay_seconds=delay_seconds)
    words = [sys.executable, "-m", "tests.bench.bare_client", stage.provider.url, kind, str(_SECONDS)]
    clients = [subprocess.Popen(words) for _ in range(_PROCESSES)]
    if any(client.wait(60) for client in clients):
        raise RuntimeError("a bare client failed")
    arrivals = stage.provider.arrivals()
    return (len(arrivals) - 1) / (arrivals[-1] - arrivals[0])


def _copied(machine: Machine) -> float:
    content = json.dumps(mail(1, sender="Acme <hello@acme.test>", priority="high"))
    with psycopg.connect(machine.database_url, autocommit=True) as connection:
        connection.execute(
            "CREATE TABLE IF NOT EXISTS bench_limits (number bigint PRIMARY KEY, content text)"
        )
        connection.execute("TRUNCATE bench_limits")
        rows, began = 0, time.monotonic()
        while time.monotonic() < began + _SECONDS:
            with connection.cursor() as cursor, cursor.copy("COPY bench_limits FROM STDIN") as copy:
                for number in range(rows, rows + 100):
                    copy.write_row((number, content))
            rows += 100
        seconds = time.monotonic() - began
        connection.execute("DROP TABLE bench_limits")
    return rows / seconds


def _published(machine: Machine) -> float:
    """To a quorum queue, as bells are, each confirmed before the next."""
    with Connection(machine.broker_url, transport_options={"confirm_publish": True}) as connection:
        queue = Queue(_QUEUE, Exchange(_QUEUE), _QUEUE, queue_arguments={"x-queue-type": "quorum"})
        queue = queue(connection.default_channel)
        queue.declare()
        producer = Producer(connection, exchange=queue.exchange, routing_key=_QUEUE)
        count, began = 0, time.monotonic()
        while time.monotonic() < began + _SECONDS:
            producer.publish({"ring": count}, delivery_mode=2)
            count += 1
        seconds = time.monotonic() - began
        queue.delete()
    return count / seconds
