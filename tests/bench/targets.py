"""The targets, and whether a run reaches them: each is a number out of the results with its bound."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from tests.bench import accept, busy, deliver, embedded, growth, latency, raw
from tests.bench.conventional.fleet import ConventionalFleet
from tests.bench.mailgrid_fleet import MailgridFleet
from tests.bench.peers import turn as peers
from tests.bench.results import Results

_OURS: Final = MailgridFleet.name
_BASELINE: Final = ConventionalFleet.name
_ONE_PROCESS: Final = embedded.Itself.name
_MACHINE: Final = raw.Machine.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """`measure` finds the number, which must be at least, or at most, `bound`; None where it was not measured."""

    sentence: str
    bound: float
    unit: str
    measure: Callable[[Results], float | None]
    at_least: bool = True

    def is_met(self, value: float) -> bool:
        """Whether this number will do."""
        return value >= self.bound if self.at_least else value <= self.bound


def _ratio(ours: float | None, theirs: float | None) -> float | None:
    return ours / theirs if ours is not None and theirs else None


def _ours(row: str, name: str) -> Callable[[Results], float | None]:
    return lambda results: results.value(row, name, _OURS)


def _against_baseline(results: Results) -> float | None:
    rates = [results.value("deliver", deliver.ONE, one) for one in (_OURS, _BASELINE)]
    return _ratio(*rates)


def _against_peers(row: str, name: str, of_peers: str) -> Callable[[Results], float | None]:
    """Our rate in a row against the best peer's in theirs."""

    def measure(results: Results) -> float | None:
        best = results.best("peers", of_peers, but=_OURS)
        return _ratio(results.value(row, name, _OURS), best[0] if best else None)

    return measure


def _against_raw(results: Results) -> float | None:
    return _ratio(results.value("deliver", deliver.ONE, _OURS), results.value("limits", raw.SINGLE, _MACHINE))


def _against_bare_view(results: Results) -> float | None:
    row = accept.one_by_one_row(8)
    return _ratio(results.value("accept", row, _OURS), results.value("accept", row, "bare view"))


def _worker_cpu(name: str) -> Callable[[Results], float | None]:
    return lambda results: results.cpu("deliver", name, _OURS).get("worker")


def _database_cpu(results: Results) -> float | None:
    parts = [
        results.cpu("accept", accept.batch_row(100), _OURS).get("database"),
        results.cpu("deliver", deliver.ONE, _OURS).get("database"),
    ]
    return sum(part for part in parts if part is not None) if None not in parts else None


def _beside_backlog(results: Results) -> float | None:
    beside = results.value("backlog", f"{busy.BESIDE}, p99", _OURS)
    return _ratio(beside, results.value("backlog", f"{latency.ALONE}, idle, p99", _OURS))


def _memory(results: Results) -> float | None:
    growth = results.value("backlog", busy.MEMORY, _OURS)
    return None if growth is None else abs(growth)


def growth_ratios(results: Results) -> dict[str, float]:
    """By operation, how many times slower the largest case is than the smallest."""
    if "growth" not in results.rows or len(names := sorted(results.contestants("growth"), key=_messages)) < 2:
        return {}
    return {
        operation: large / small
        for operation in growth.OPERATIONS
        if (small := results.value("growth", operation, names[0]))
        and (large := results.value("growth", operation, names[-1]))
    }


def _messages(name: str) -> int:
    return int(name.split(maxsplit=1)[0].replace(",", ""))


def _worst_growth(results: Results) -> float | None:
    return max(growth_ratios(results).values(), default=None)


def _embedded(name: str) -> Callable[[Results], float | None]:
    return lambda results: results.value("embedded", name, _ONE_PROCESS)


TARGETS: Final = (
    Target(
        sentence="SendEmail against the conventional mailer", bound=15, unit="x", measure=_against_baseline
    ),
    Target(
        sentence="SendEmail against the best peer over SMTP",
        bound=4,
        unit="x",
        measure=_against_peers("deliver", deliver.ONE, peers.SMTP),
    ),
    Target(
        sentence="our SMTP transport against the best peer",
        bound=1,
        unit="x",
        measure=_against_peers("peers", peers.SMTP, peers.SMTP),
    ),
    Target(
        sentence="SendBulkEmail against the best peer over SMTP",
        bound=10,
        unit="x",
        measure=_against_peers("deliver", deliver.BULK, peers.SMTP),
    ),
    Target(sentence="SendEmail against the bare client", bound=0.6, unit="x", measure=_against_raw),
    Target(
        sentence="accept in batches of 100 against the best peer's bulk enqueue",
        bound=3,
        unit="x",
        measure=_against_peers("accept", accept.batch_row(100), peers.ENQUEUE),
    ),
    Target(
        sentence="single POST, 8 connections, against the bare view",
        bound=0.7,
        unit="x",
        measure=_against_bare_view,
    ),
    Target(
        sentence="worker CPU per email, SendEmail",
        bound=300,
        unit="µs",
        measure=_worker_cpu(deliver.ONE),
        at_least=False,
    ),
    Target(
        sentence="worker CPU per email, SendBulkEmail",
        bound=80,
        unit="µs",
        measure=_worker_cpu(deliver.BULK),
        at_least=False,
    ),
    Target(
        sentence="database CPU per email, accept to sent",
        bound=150,
        unit="µs",
        measure=_database_cpu,
        at_least=False,
    ),
    Target(
        sentence="urgent mail's p99 beside the backlog against idle",
        bound=3,
        unit="x",
        measure=_beside_backlog,
        at_least=False,
    ),
    Target(
        sentence="a worker's start to its first mail",
        bound=3,
        unit="s",
        measure=_ours("deliver", deliver.START),
        at_least=False,
    ),
    Target(
        sentence="a worker's memory over the backlog, change",
        bound=5,
        unit="%",
        measure=_memory,
        at_least=False,
    ),
    Target(
        sentence="the slowest growth, largest against smallest",
        bound=1.3,
        unit="x",
        measure=_worst_growth,
        at_least=False,
    ),
    Target(
        sentence="one process: lone email to sent, p50",
        bound=25,
        unit="ms",
        measure=_embedded(f"{embedded.LONE_SENT}, p50"),
        at_least=False,
    ),
    Target(
        sentence="one process: 24 clients, accepted and sent",
        bound=250,
        unit="/s",
        measure=_embedded(embedded.MANY_SENT),
    ),
)
