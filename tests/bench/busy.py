"""End to end: latency by priority at half of what the machine can do, and urgent mail beside a draining backlog."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Final

from tests.bench import latency
from tests.bench.accept import queue
from tests.bench.figures import percentile
from tests.bench.mailer import Sample, explained, load_average, single_load
from tests.bench.mailgrid_fleet import MailgridFleet
from tests.bench.mails import SEED, marked, singles
from tests.bench.processes import children_of, pss_megabytes
from tests.bench.stage import Stage
from tests.bench.steady import Steady, poisson, run

CAPACITY: Final = "one by one to the provider, capacity"
BESIDE: Final = "immediate beside a backlog, request to provider"
DRAIN: Final = "backlog through SendBulkEmail"
MEMORY: Final = "worker's child, PSS after the backlog against after a tenth of it"
BACKLOG: Final = 200_000
_SHARES: Final = {"immediate": 0.1, "high": 0.3, "medium": 0.4, "low": 0.2}
_SATURATED_SECONDS: Final = 3.0
_STEADY_SECONDS: Final = 10.0
_WARM_SECONDS: Final = 1.0
_OTP_PER_SECOND: Final = 10.0


def half_load(stage: Stage, mailgrid: MailgridFleet) -> Iterator[Sample]:
    """Capacity with all workers running, then half of it at random moments, in four priorities."""
    workers = ("worker-immediate", "worker-send", "worker-bulk")
    with mailgrid.turn(), explained(mailgrid), mailgrid.workers(*workers):
        capacity = _capacity(stage, mailgrid)
        yield Sample(row=CAPACITY, value=capacity, unit="/s", load_average=load_average())
        for priority, waits in _at(stage, mailgrid, per_second=capacity / 2).items():
            for name, share in (("p50", 0.5), ("p99", 0.99)):
                row = f"half load, {priority}, request to provider, {name}"
                yield Sample(row=row, value=percentile(waits, share) * 1000, unit="ms")


def backlog(stage: Stage, mailgrid: MailgridFleet) -> Iterator[Sample]:
    """Urgent mail alone, and then while a campaign of the usual size goes out; the campaign's rate and memory."""
    emails = stage.size(BACKLOG)
    with mailgrid.turn(), explained(mailgrid):
        emails = queue(stage, mailgrid, emails=emails, priority="low", size=500)
        stage.tidy()
        with mailgrid.workers("worker-immediate"):
            idle = latency.alone(stage, mailgrid)
            stage.provider.forget()
            with mailgrid.workers("worker-bulk") as (bulk,):
                before = stage.read(mailgrid, worker=bulk)
                drained = _drain(stage, mailgrid, bulk=bulk, emails=emails)
                used = before.until(stage.read(mailgrid, worker=bulk))
    for name, share in (("p50", 0.5), ("p99", 0.99)):
        yield Sample(row=f"{latency.ALONE}, idle, {name}", value=percentile(idle, share) * 1000, unit="ms")
        value = percentile(drained.waits, share) * 1000
        yield Sample(row=f"{BESIDE}, {name}", value=value, unit="ms", others=used.others)
    cpu = {part: spent * 1e6 / emails for part, spent in used.by_part.items()}
    yield Sample(row=DRAIN, value=drained.rate, unit="/s", others=used.others, cpu=cpu)
    yield Sample(row=MEMORY, value=drained.growth * 100, unit="%")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Drained:
    """Seconds of each urgent mail, mails a second, and a child's memory at the end as a share of that before."""

    waits: list[float]
    rate: float
    growth: float


def _drain(stage: Stage, mailgrid: MailgridFleet, *, bulk: int, emails: int) -> _Drained:
    """Urgent mail at random moments until the last of the backlog is out."""
    stage.await_mails(1)
    due: list[float] = []
    early = 0.0
    while stage.provider.unmarked() < emails or not due:
        due += stage.load.begin(run, _urgent(mailgrid, first=len(due))).result()
        if not early and stage.provider.unmarked() >= emails // 10:
            early = _memory(bulk)
    stage.await_mails(emails + len(due))
    late = _memory(bulk)
    arrivals, marks = stage.provider.arrivals(), stage.provider.marked()
    of_backlog = Counter(arrivals) - Counter(marks.values())
    first, last = min(of_backlog), max(of_backlog)
    waits = [marks[mark] - at for mark, at in enumerate(due) if at < last]
    if not waits:
        raise RuntimeError(f"{emails} emails were gone before an urgent one came; take more")
    growth = late / (early or late) - 1
    return _Drained(waits=waits, rate=(emails - 1) / (last - first), growth=growth)


def _urgent(mailgrid: MailgridFleet, *, first: int) -> Steady:
    """Two seconds of urgent mail, their marks from `first` on."""
    marks = range(first, first + int(2 * _OTP_PER_SECOND))
    bodies = [marked(mark, **mailgrid.of_mail, priority="immediate") for mark in marks]
    return _steady(mailgrid, bodies, poisson(len(marks), per_second=_OTP_PER_SECOND, seed=SEED + first))


def _memory(worker: int) -> float:
    return max(map(pss_megabytes, children_of(worker)))


def _capacity(stage: Stage, mailgrid: MailgridFleet) -> float:
    """Emails a second that 16 clients, posting one by one, get to the provider."""
    stage.provider.forget()
    bodies = singles(2_000, **mailgrid.of_mail, priority="high")
    load = single_load(mailgrid, bodies=bodies, connections=16, seconds=_SATURATED_SECONDS, requests=stage.n)
    taken = stage.load.run(load)
    stage.await_mails(len(taken.latencies))
    arrivals = stage.provider.arrivals()
    return len(arrivals) / max(taken.seconds, arrivals[-1] - arrivals[0])


def _at(stage: Stage, mailgrid: MailgridFleet, *, per_second: float) -> dict[str, list[float]]:
    """Seconds from when a request was due until the provider had its mail, by priority."""
    stage.provider.forget()
    count = min(stage.n or 1_000_000, int(per_second * (_STEADY_SECONDS + _WARM_SECONDS)))
    random = Random(SEED)
    priorities = random.choices(list(_SHARES), weights=list(_SHARES.values()), k=count)
    bodies = [marked(mark, **mailgrid.of_mail, priority=one) for mark, one in enumerate(priorities)]
    after = poisson(count, per_second=per_second, seed=SEED)
    due = stage.load.begin(run, _steady(mailgrid, bodies, after)).result()
    stage.await_mails(count)
    marks, waits = stage.provider.marked(), defaultdict(list)
    for mark, (at, priority) in enumerate(zip(due, priorities, strict=True)):
        if after[mark] >= _WARM_SECONDS or stage.n:
            waits[priority].append(marks[mark] - at)
    return {priority: waits[priority] for priority in _SHARES if waits[priority]}


def _steady(mailgrid: MailgridFleet, bodies: Sequence[bytes], after: Sequence[float]) -> Steady:
    of_load: dict[str, Any] = {"url": mailgrid.url + mailgrid.single_path, "headers": mailgrid.headers}
    return Steady(**of_load, bodies=bodies, after=after)
