"""What a fleet needs for so many emails a day, from the measured cost of one.

`python -m tests.bench.scaling` prints the tables of docs/scaling.md. Pure but for reading the kept results. Costs are
CPU microseconds per email on the machine that measured; cores are cores of this kind, half loaded in the busiest hour.
"""

import math
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from tests.bench import accept, deliver, events, growth
from tests.bench.figures import columns
from tests.bench.mailgrid_fleet import MailgridFleet
from tests.bench.results import Results, newest
from tests.bench.table import Cells, markdown

VOLUMES: Final = (1_000_000, 100_000_000, 1_000_000_000)  # emails a day

# Assumptions. Change them here; the document is written anew.
PEAK_SHARE: Final = 0.1  # of a day's mail in its busiest hour
UTILISATION: Final = 0.5  # of a core, in that hour
SINGLE_SHARE: Final = (
    0.2  # of the mail comes one by one and leaves by SendEmail; the rest in batches and by bulk
)
NOTIFICATIONS: Final = 2.1  # per email: sent, delivered, and something more for one in ten
CONTENT_DAYS: Final = 30  # the default retention of content
EVENT_DAYS: Final = 90  # and of events, which here stands for all other rows
CONTENT_BYTES: Final = (
    1_400  # of one email's content row; the rest of what is stored per message are its other rows
)
WIRE_BYTES: Final = 1_500 + 4_000 + 2.1 * 2_500  # request in, request to SES, notifications
PRIMARY_CORES: Final = 64  # a large database server
PRIMARY_WAL: Final = 200e6  # bytes a second that it flushes with ease
SES_START: Final = 14  # mails a second of an account that has just left SES's sandbox
SES_LARGE: Final = (
    2_000  # of an account and region whose quota was raised; more is asked for account by account
)


_EACH: Final = ("per email", "each")  # how the rows call what the log got


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """Of one email, by process: CPU µs; of the log and of the tables: bytes.

    `single` and `bulk` are the two ways through accept and deliver; `event` is one notification, stored and applied.
    """

    single: Mapping[str, float]
    bulk: Mapping[str, float]
    event: Mapping[str, float]
    single_wal: float
    bulk_wal: float
    event_wal: float
    stored: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What `per_day` emails need; rates are per second in the busiest hour, cores are at half load."""

    per_day: int
    mean: float
    peak: float
    cores: Mapping[str, float]
    wal: float
    stored: float
    network: float
    shards: int
    accounts: int


def costs(results: Results) -> Costs | None:
    """From the rows accept, deliver, events and growth; None when one of them was not measured."""
    ours = MailgridFleet.name

    def cpu(*parts: tuple[str, str]) -> dict[str, float]:
        return _sum(results.cpu(row, name, ours) for row, name in parts)

    def log(*parts: tuple[str, str]) -> float | None:
        found = [results.value(row, f"{name}, WAL {each}", ours) for row, name in parts for each in _EACH]
        known = [value for value in found if value is not None]
        return sum(known) if len(known) == len(parts) else None

    single = (("accept", "accept batches of 100"), ("deliver", deliver.ONE))
    bulk = (("accept", "accept batches of 500"), ("deliver", deliver.BULK))
    event = (("events", events.STORED), ("events", events.APPLIED))
    singles = cpu(("accept", accept.one_by_one_row(32)), ("deliver", deliver.ONE))
    bulks = cpu(("accept", accept.batch_row(500)), ("deliver", deliver.BULK))
    single_wal, bulk_wal, event_wal = log(*single), log(*bulk), log(*event)
    stored = _stored(results)
    if not (singles and bulks and cpu(*event)) or stored is None:
        return None
    if single_wal is None or bulk_wal is None or event_wal is None:
        return None
    return Costs(
        single=singles,
        bulk=bulks,
        event=cpu(*event),
        single_wal=single_wal,
        bulk_wal=bulk_wal,
        event_wal=event_wal,
        stored=stored,
    )


def plan(of: Costs, per_day: int) -> Plan:
    """The arithmetic."""
    mean, peak = per_day / 86_400, per_day * PEAK_SHARE / 3_600
    cores = {part: peak * micro / 1e6 / UTILISATION for part, micro in _mixed(of).items()}
    wal = peak * _mix(of.single_wal, of.bulk_wal, of.event_wal)
    rows = max(0.0, of.stored - CONTENT_BYTES)
    stored = per_day * (CONTENT_BYTES * CONTENT_DAYS + rows * EVENT_DAYS)
    shards = max(1, math.ceil(cores["database"] / PRIMARY_CORES), math.ceil(wal / PRIMARY_WAL))
    return Plan(
        per_day=per_day,
        mean=mean,
        peak=peak,
        cores=cores,
        wal=wal,
        stored=stored,
        network=peak * WIRE_BYTES * 8,
        shards=shards,
        accounts=max(1, math.ceil(peak / SES_LARGE)),
    )


def limits(of: Costs) -> dict[str, float]:
    """Emails a second at which each thing of which there is one, at first, is used up."""
    database = _mixed(of)["database"]
    return {
        f"one PostgreSQL primary of {PRIMARY_CORES} cores, CPU at {UTILISATION:.0%}": PRIMARY_CORES
        * UTILISATION
        * 1e6
        / database,
        f"its log at {PRIMARY_WAL / 1e6:.0f} MB/s": PRIMARY_WAL
        / _mix(of.single_wal, of.bulk_wal, of.event_wal),
        "one Redis, one core": 1e6 * UTILISATION / max(_mixed(of)["redis"], 0.1),
        f"an SES account as it begins ({SES_START}/s)": SES_START,
        f"an SES account that has grown ({SES_LARGE}/s)": SES_LARGE,
    }


def document(of: Costs) -> str:
    """The tables in Markdown."""
    return "\n\n".join(markdown(list(cells)) for cells in _tables(of))


def _tables(of: Costs) -> list[list[Cells]]:
    return [list(_cost_cells(of)), list(_plan_cells(of)), list(_limit_cells(of))]


def _cost_cells(of: Costs) -> Iterator[Cells]:
    for way, parts, wal in (
        ("one by one, SendEmail", of.single, of.single_wal),
        ("in batches, SendBulkEmail", of.bulk, of.bulk_wal),
        ("one notification", of.event, of.event_wal),
    ):
        cpu = {
            part: f"{parts.get(part, 0.0):,.0f}" for part in ("web", "worker", "database", "broker", "redis")
        }
        yield {"CPU µs of one email": way, **cpu, "log, bytes": f"{wal:,.0f}"}


def _plan_cells(of: Costs) -> Iterator[Cells]:
    plans = [plan(of, per_day) for per_day in VOLUMES]

    def row(name: str, *values: str) -> Cells:
        return {"": name} | {f"{p.per_day:,} a day": value for p, value in zip(plans, values, strict=True)}

    yield row("mean, emails/s", *(f"{p.mean:,.0f}" for p in plans))
    yield row("busiest hour, emails/s", *(f"{p.peak:,.0f}" for p in plans))
    for part in ("web", "worker", "database", "broker", "redis"):
        yield row(f"{part}, cores", *(f"{p.cores[part]:,.1f}" for p in plans))
    yield row("log, MB/s", *(f"{p.wal / 1e6:,.1f}" for p in plans))
    yield row("stored, with default retention, TB", *(f"{p.stored / 1e12:,.2f}" for p in plans))
    yield row("network, Mbit/s", *(f"{p.network / 1e6:,.0f}" for p in plans))
    yield row("PostgreSQL primaries", *(f"{p.shards}" for p in plans))
    yield row(f"SES accounts of {SES_LARGE:,}/s", *(f"{p.accounts}" for p in plans))


def _limit_cells(of: Costs) -> Iterator[Cells]:
    for name, peak in sorted(limits(of).items(), key=lambda item: item[1]):
        yield {
            "what there is one of": name,
            "emails/s": f"{peak:,.0f}",
            "a day": f"{peak * 3_600 / PEAK_SHARE / 1e6:,.0f} million",
        }


def _mixed(of: Costs) -> dict[str, float]:
    """CPU µs per email by process, in the assumed mix, its notifications included."""
    parts = ("web", "worker", "database", "broker", "redis")
    return {
        part: _mix(of.single.get(part, 0.0), of.bulk.get(part, 0.0), of.event.get(part, 0.0))
        for part in parts
    }


def _mix(single: float, bulk: float, event: float) -> float:
    return SINGLE_SHARE * single + (1 - SINGLE_SHARE) * bulk + NOTIFICATIONS * event


def _sum(parts: Iterator[Mapping[str, float]]) -> dict[str, float]:
    """Of several steps; empty when one of them was not measured."""
    whole: dict[str, float] = {}
    for one in parts:
        if not one:
            return {}
        for name, value in one.items():
            whole[name] = whole.get(name, 0.0) + value
    return whole


def _stored(results: Results) -> float | None:
    if "growth" not in results.rows:
        return None
    found = [results.value("growth", growth.STORED, name) for name in results.contestants("growth")]
    return found[-1] if found else None


def main() -> None:
    """Print the tables of the newest run."""
    of = costs(newest(("accept", "deliver", "events", "growth")))
    if of is None:
        sys.exit("scaling: measure first: python -m tests.bench accept deliver events growth")
    for cells in _tables(of):
        print(f"{columns(cells)}\n")


if __name__ == "__main__":
    main()
