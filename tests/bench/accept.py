"""Accept: requests per second and their latency, with no worker running."""

from collections.abc import Iterator
from typing import Final

from tests.bench.figures import percentile
from tests.bench.load import Taken
from tests.bench.mailer import (
    Acceptor,
    Mailer,
    Sample,
    batch_load,
    explained,
    load_average,
    per_email,
    single_load,
)
from tests.bench.mails import batches, singles
from tests.bench.processes import Used
from tests.bench.raw import piece_of_python
from tests.bench.stage import Stage, wal_bytes

CONNECTIONS: Final = (1, 8, 32)
SECONDS: Final = 2.0
BATCHES: Final = (100, 500)
BATCH: Final = 100
BATCH_CONNECTIONS: Final = 8
IN_BATCHES: Final = 20_000  # emails
PIECE: Final = "a fixed piece of Python, CPU"
_DIFFERENT: Final = 2_000  # mails; then they come again


def one_by_one_row(connections: int) -> str:
    """The row's name."""
    return f"accept one by one, {connections} connection{'s' if connections > 1 else ''}"


def batch_row(size: int) -> str:
    """The row's name."""
    return f"accept batches of {size}, emails"


def turn(stage: Stage, mailer: Mailer) -> Iterator[Sample]:
    """Everything of one mailer; what it accepted is dropped, or sent unmeasured."""
    with mailer.turn(), explained(mailer):
        waiting = warm_up(stage, mailer)
        stage.tidy()
        yield Sample(row=PIECE, value=piece_of_python(), unit="ms")
        for connections in CONNECTIONS:
            emails, samples = _one_by_one(stage, mailer, connections)
            waiting += emails
            yield from samples
        for size in BATCHES:
            emails, samples = _in_batches(stage, mailer, size)
            waiting += emails
            yield from samples
        _send_away(stage, mailer, mailer.drop_waiting(waiting))


def bare_turn(stage: Stage, view: Acceptor) -> Iterator[Sample]:
    """The single requests alone."""
    with view.turn(), explained(view):
        _first_requests(stage, view)
        stage.tidy()
        for connections in CONNECTIONS:
            yield from _one_by_one(stage, view, connections)[1]


def warm_up(stage: Stage, mailer: Mailer) -> int:
    """First requests open connections, fill caches and prepare statements; how many emails they were."""
    return _first_requests(stage, mailer) + queue(stage, mailer, emails=min(stage.size(1_000), 1_000))


def queue(stage: Stage, mailer: Acceptor, *, emails: int, priority: str = "high", size: int = BATCH) -> int:
    """Submit exactly so many in batches, unmeasured; how many it were: none when there are fewer than none."""
    if emails <= 0:
        return 0
    bodies = batches(emails, size, **mailer.of_mail, priority=priority)
    stage.load.run(batch_load(mailer, bodies=bodies, connections=BATCH_CONNECTIONS))
    return emails


def _first_requests(stage: Stage, mailer: Acceptor) -> int:
    bodies = singles(_DIFFERENT, **mailer.of_mail, priority="high")
    load = single_load(mailer, bodies=bodies, connections=8, seconds=0.5, requests=stage.n)
    return len(stage.load.run(load).latencies)


def _one_by_one(stage: Stage, mailer: Acceptor, connections: int) -> tuple[int, list[Sample]]:
    """Requests with one email of high priority; how many emails there were."""
    bodies = singles(_DIFFERENT, **mailer.of_mail, priority="high")
    load = single_load(mailer, bodies=bodies, connections=connections, seconds=SECONDS, requests=stage.n)
    before, queued = stage.read(mailer), load_average()
    taken = stage.load.run(load)
    used = before.until(stage.read(mailer))
    row, emails = one_by_one_row(connections), len(taken.latencies)
    measured = _rate(row, taken.per_second, used, taken, emails=emails, queued=queued)
    return emails, [measured, *_latencies(row, taken)]


def _in_batches(stage: Stage, mailer: Mailer, size: int) -> tuple[int, list[Sample]]:
    """Requests with so many emails of medium priority; how many emails there were."""
    emails = max(size, round(stage.size(IN_BATCHES) * mailer.share))
    bodies = batches(emails, size, **mailer.of_mail, priority="medium")
    before, written, queued = stage.read(mailer), wal_bytes(mailer.database_url), load_average()
    taken = stage.load.run(batch_load(mailer, bodies=bodies, connections=BATCH_CONNECTIONS))
    used = before.until(stage.read(mailer))
    written = wal_bytes(mailer.database_url) - written
    row = batch_row(size)
    measured = _rate(row, emails / taken.seconds, used, taken, emails=emails, queued=queued)
    log = Sample(row=f"accept batches of {size}, WAL per email", value=written / emails, unit="B")
    return emails, [measured, *_latencies(f"accept batches of {size}", taken), log]


def _rate(row: str, value: float, used: Used, taken: Taken, *, emails: int, queued: float) -> Sample:
    cpu = per_email(used, emails, load=taken.cpu_seconds)
    return Sample(row=row, value=value, unit="/s", others=used.others, load_average=queued, cpu=cpu)


def _latencies(row: str, taken: Taken) -> Iterator[Sample]:
    for name, share in (("p50", 0.5), ("p99", 0.99)):
        yield Sample(row=f"{row}, {name}", value=percentile(taken.latencies, share) * 1000, unit="ms")


def _send_away(stage: Stage, mailer: Mailer, waiting: int) -> None:
    """So that the next row begins with nothing waiting."""
    if waiting:
        stage.provider.forget()
        with mailer.sending("high"):
            stage.await_mails(waiting)
