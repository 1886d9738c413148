"""A backlog through an account with a pace, and urgent mail beside it: what the simulation is held against.

Small, and limited by the account, not by the machine: it comes out the same on a busy one.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Final

from tests.bench.accept import queue
from tests.bench.figures import percentile
from tests.bench.latency import alone
from tests.bench.mailer import Sample, explained
from tests.bench.mailgrid_fleet import NEVER_REACHED, MailgridFleet
from tests.bench.mails import SEED, marked
from tests.bench.stage import Stage
from tests.bench.steady import Steady, poisson, run

PER_SECOND: Final = 60.0
URGENT_PER_SECOND: Final = 4.0
EMAILS: Final = 2_000
EVERY: Final = 2  # seconds between two looks
LEFT: Final = "left of the backlog after"
IDLE: Final = "urgent, idle"
BESIDE: Final = "urgent, beside"


def turn(stage: Stage, mailgrid: MailgridFleet) -> Iterator[Sample]:
    """What is left of the backlog every two seconds, and urgent mail's waits."""
    emails = stage.size(EMAILS)
    with mailgrid.turn(), explained(mailgrid):
        mailgrid.pace("ses", per_minute=round(PER_SECOND * 60))
        try:
            queue(stage, mailgrid, emails=emails, priority="low")
            with mailgrid.workers("worker-immediate"):
                yield from _waits(IDLE, alone(stage, mailgrid))
                stage.provider.forget()
                with mailgrid.workers("worker-bulk"):
                    stage.await_mails(1)
                    count = int(emails / PER_SECOND * URGENT_PER_SECOND * 0.8)
                    due = stage.load.begin(run, _urgent(mailgrid, count)).result()
                    stage.await_mails(emails + count)
        finally:
            mailgrid.pace("ses", per_minute=NEVER_REACHED)
    arrivals, marks = stage.provider.arrivals(), stage.provider.marked()
    yield from _waits(BESIDE, [marks[mark] - at for mark, at in enumerate(due)])
    of_backlog = sorted((Counter(arrivals) - Counter(marks.values())).elements())
    for second in range(0, int(of_backlog[-1] - of_backlog[0]) + EVERY + 1, EVERY):
        sent = sum(1 for at in of_backlog if at - of_backlog[0] <= second)
        yield Sample(row=f"{LEFT} {second} s", value=emails - sent, unit="emails")


def _urgent(mailgrid: MailgridFleet, count: int) -> Steady:
    return Steady(
        url=mailgrid.url + mailgrid.single_path,
        headers=mailgrid.headers,
        bodies=[marked(mark, **mailgrid.of_mail, priority="immediate") for mark in range(count)],
        after=poisson(count, per_second=URGENT_PER_SECOND, seed=SEED),
    )


def _waits(row: str, waits: list[float]) -> Iterator[Sample]:
    for name, share in (("p50", 0.5), ("p99", 0.99)):
        yield Sample(row=f"{row}, {name}", value=percentile(waits, share) * 1000, unit="ms")
