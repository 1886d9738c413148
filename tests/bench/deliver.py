"""Deliver: emails wait, the worker starts, and the provider's clock tells from the first mail to the last."""

import time
from typing import Final

from tests.bench.mailer import Bench, Mailer, Sample, load_average, per_email
from tests.bench.processes import children_of, pss_megabytes

_PATIENCE: Final = 120.0  # seconds
_LOOK: Final = 0.05


def deliver(
    bench: Bench, mailer: Mailer, row: str, *, emails: int, priority: str, delay_seconds: float = 0.0
) -> tuple[Sample, Sample]:
    """The rate of so many emails that wait, and the memory of a worker's child after it.

    Raises RuntimeError unless the provider got exactly these.
    """
    bench.provider.forget(delay_seconds=delay_seconds)
    with mailer.sending(priority) as worker:
        _await(bench, 1)
        before, sent_before, queued = (
            bench.read(mailer, worker=worker),
            bench.provider.count(),
            load_average(),
        )
        _await(bench, emails)
        used = before.until(bench.read(mailer, worker=worker))
        time.sleep(0.5)  # for a mail too many
        if (arrived := bench.provider.count()) != emails:
            raise RuntimeError(f"{mailer.name}: {arrived} mails at the provider instead of {emails}")
        memory = max(map(pss_megabytes, children_of(worker)))
    arrivals = bench.provider.arrivals()
    cpu = per_email(used, max(1, emails - sent_before))
    return (
        Sample(row=row, value=_rate(arrivals), unit="/s", others=used.others, load_average=queued, cpu=cpu),
        Sample(row="worker's child, PSS", value=memory, unit="MB"),
    )


def _rate(arrivals: list[float]) -> float:
    """Mails a second after the first ones, which came at one time when they came in one request."""
    first, last = arrivals[0], arrivals[-1]
    return sum(1 for arrival in arrivals if arrival > first) / (last - first)


def _await(bench: Bench, emails: int) -> None:
    until = time.monotonic() + _PATIENCE
    while (count := bench.provider.count()) < emails:
        if time.monotonic() > until:
            raise RuntimeError(f"{count} of {emails} mails after {_PATIENCE:.0f} seconds")
        time.sleep(_LOOK)
