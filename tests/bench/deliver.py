"""Deliver: emails wait, the worker starts, and the provider's clock tells from the first mail to the last."""

import time
from collections.abc import Iterator
from typing import Final

from tests.bench.accept import queue, warm_up
from tests.bench.load import Load
from tests.bench.mailer import Acceptor, Mailer, Sample, Sender, explained, load_average, per_email
from tests.bench.mails import with_attachment
from tests.bench.processes import children_of, pss_megabytes
from tests.bench.stage import Stage, wal_bytes

ONE: Final = "deliver, SendEmail"
FAR_SECONDS: Final = 0.03  # about what SES takes from a machine of the same region
FAR: Final = f"{ONE}, {FAR_SECONDS * 1000:.0f} ms away"
BULK: Final = "deliver, SendBulkEmail"
ATTACHED: Final = "deliver, SendEmail, attachment of 20 kB"
START: Final = "worker's start to its first mail"

_ONE_EMAILS: Final = 6_000
_FAR_EMAILS: Final = 1_500
_BULK_EMAILS: Final = 20_000
_ATTACHED_EMAILS: Final = 1_000
_ATTACHMENT: Final = 20_000  # bytes


def turn(stage: Stage, mailer: Mailer) -> Iterator[Sample]:
    """Through SES's API. The baseline has no bulk request and no attachments."""
    ours = mailer.share == 1.0
    with mailer.turn(), explained(mailer):
        waiting = mailer.drop_waiting(warm_up(stage, mailer))
        stage.tidy()
        wanted = int(stage.size(_ONE_EMAILS) * mailer.share)
        waiting += queue(stage, mailer, emails=wanted - waiting)
        yield from deliver(stage, mailer, ONE, emails=waiting)

        waiting = queue(stage, mailer, emails=int(stage.size(_FAR_EMAILS) * mailer.share))
        yield from deliver(stage, mailer, FAR, emails=waiting, delay_seconds=FAR_SECONDS, more=False)
        if ours:
            waiting = queue(stage, mailer, emails=stage.size(_BULK_EMAILS), priority="medium")
            yield from deliver(stage, mailer, BULK, emails=waiting, priority="medium", more=False)
            waiting = _queue_attached(stage, mailer, emails=stage.size(_ATTACHED_EMAILS))
            yield from deliver(stage, mailer, ATTACHED, emails=waiting, more=False)


def deliver(
    stage: Stage,
    sender: Sender,
    row: str,
    *,
    emails: int,
    priority: str = "high",
    delay_seconds: float = 0.0,
    more: bool = True,
) -> Iterator[Sample]:
    """The rate of so many emails that wait; with `more`, the worker's start and a child's memory, too.

    Raises RuntimeError unless the provider got exactly these.
    """
    stage.provider.forget(delay_seconds=delay_seconds)
    started = time.monotonic()
    with sender.sending(priority) as worker:
        stage.await_mails(1)
        before, sent_before = stage.read(sender, worker=worker), stage.provider.count()
        written, queued = wal_bytes(sender.database_url), load_average()
        stage.await_mails(emails)
        used = before.until(stage.read(sender, worker=worker))
        written = wal_bytes(sender.database_url) - written
        time.sleep(0.5)  # for a mail too many
        if (arrived := stage.provider.count()) != emails:
            raise RuntimeError(f"{sender.name}: {arrived} mails at the provider instead of {emails}")
        memory = max(map(pss_megabytes, children_of(worker))) if more else 0.0
    arrivals, rest = stage.provider.arrivals(), max(1, emails - sent_before)
    cpu = per_email(used, rest)
    yield Sample(row=row, value=_rate(arrivals), unit="/s", others=used.others, load_average=queued, cpu=cpu)
    yield Sample(row=f"{row}, WAL per email", value=written / rest, unit="B")
    if more:
        yield Sample(row=START, value=arrivals[0] - started, unit="s")
        yield Sample(row="worker's child, PSS", value=memory, unit="MB")


def _rate(arrivals: list[float]) -> float:
    """Mails a second after the first ones, which came at one time when they came in one request."""
    first, last = arrivals[0], arrivals[-1]
    return sum(1 for arrival in arrivals if arrival > first) / max(last - first, 1e-6)


def _queue_attached(stage: Stage, mailer: Acceptor, *, emails: int) -> int:
    bodies = with_attachment(emails, _ATTACHMENT, **mailer.of_mail, priority="high")
    stage.load.run(
        Load(
            url=mailer.url + mailer.single_path,
            headers=mailer.headers,
            bodies=bodies,
            connections=8,
            requests=emails,
        )
    )
    return emails
