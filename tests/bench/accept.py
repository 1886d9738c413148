"""Accept: requests per second and their latency, with no worker running; what is accepted waits to be sent."""

from collections.abc import Iterator
from typing import Final

from tests.bench.figures import percentile
from tests.bench.load import Taken
from tests.bench.mailer import Bench, Mailer, Sample, batch_load, load_average, per_email, single_load
from tests.bench.mails import batches, singles

CONNECTIONS: Final = (1, 8, 32)
SECONDS: Final = 2.0
BATCH: Final = 100
BATCH_CONNECTIONS: Final = 8
_DIFFERENT: Final = 2_000  # mails; then they come again


def warm_up(bench: Bench, mailer: Mailer) -> int:
    """First requests open connections, fill caches and prepare statements; how many emails they were."""
    bodies = singles(_DIFFERENT, **mailer.of_mail, priority="high")
    one_by_one = bench.load.run(single_load(mailer, bodies=bodies, connections=8, seconds=0.5))
    return len(one_by_one.latencies) + queue(bench, mailer, emails=10 * BATCH)


def queue(bench: Bench, mailer: Mailer, *, emails: int) -> int:
    """Submit so many in batches, unmeasured, rounded up; how many it were."""
    count = -(-emails // BATCH)
    if count <= 0:
        return 0
    bodies = batches(count, BATCH, **mailer.of_mail, priority="high")
    bench.load.run(batch_load(mailer, bodies=bodies, connections=BATCH_CONNECTIONS))
    return count * BATCH


def one_by_one(bench: Bench, mailer: Mailer, connections: int) -> tuple[int, list[Sample]]:
    """Requests with one email of high priority; how many emails there were."""
    bodies = singles(_DIFFERENT, **mailer.of_mail, priority="high")
    load = single_load(mailer, bodies=bodies, connections=connections, seconds=SECONDS)
    before, queued = bench.read(mailer), load_average()
    taken = bench.load.run(load)
    used = before.until(bench.read(mailer))
    emails = len(taken.latencies)
    row = f"accept one by one, {connections} connection{'s' if connections > 1 else ''}"
    cpu = per_email(used, emails, load=taken.cpu_seconds)
    measured = Sample(
        row=row, value=taken.per_second, unit="/s", others=used.others, load_average=queued, cpu=cpu
    )
    return emails, [measured, *_latencies(row, taken)]


def in_batches(bench: Bench, mailer: Mailer) -> tuple[int, list[Sample]]:
    """Requests with a hundred emails of medium priority; how many emails there were."""
    bodies = batches(mailer.sizes.batches, BATCH, **mailer.of_mail, priority="medium")
    before, queued = bench.read(mailer), load_average()
    taken = bench.load.run(batch_load(mailer, bodies=bodies, connections=BATCH_CONNECTIONS))
    used = before.until(bench.read(mailer))
    emails = len(taken.latencies) * BATCH
    row = f"accept batches of {BATCH}, emails"
    cpu = per_email(used, emails, load=taken.cpu_seconds)
    measured = Sample(
        row=row, value=emails / taken.seconds, unit="/s", others=used.others, load_average=queued, cpu=cpu
    )
    return emails, [measured, *_latencies(f"accept batches of {BATCH}", taken)]


def _latencies(row: str, taken: Taken) -> Iterator[Sample]:
    for name, share in (("p50", 0.5), ("p99", 0.99)):
        yield Sample(row=f"{row}, {name}", value=percentile(taken.latencies, share) * 1000, unit="ms")
