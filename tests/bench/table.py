"""The tables, as rows of cells: for the terminal in columns, for the documents in Markdown."""

import os
from collections.abc import Iterator, Sequence
from typing import Final

from tests.bench.mailgrid_fleet import MailgridFleet
from tests.bench.results import Results, is_better
from tests.bench.rows import ROWS
from tests.bench.targets import TARGETS

Cells = dict[str, str]
_PARTS: Final = (
    *("web", "worker", "beat", "maintenance"),
    *("database", "broker", "redis", "provider", "load"),
)


def values(results: Results, row: str) -> list[Cells]:
    """Medians of everybody, the spread of the first, and how many times better it is than each of the others."""
    return [_values(results, row, name) for name in results.measurements(row)]


def cpu(results: Results, row: str) -> list[Cells]:
    """CPU per email by process, and what these cores could do at most at this cost."""
    return list(_cpu(results, row))


def targets(results: Results) -> list[Cells]:
    """What was aimed at, and what was reached; targets whose rows were not measured are left out."""
    return [
        {
            "target": target.sentence,
            "bound": f"{'≥' if target.at_least else '≤'} {target.bound:g} {target.unit}",
            "measured": f"{value:,.2f} {target.unit}",
            "": "" if target.is_met(value) else "MISSED",
        }
        for target in TARGETS
        if (value := target.measure(results)) is not None
    ]


def others(results: Results) -> float:
    """The largest share of the machine that strangers used while something was measured."""
    shares = [
        sample.others
        for row in results.rows.values()
        for _, sample in row.samples()
        if sample.others is not None
    ]
    return max(shares, default=0.0)


def _values(results: Results, row: str, name: str) -> Cells:
    first, *rest = _ours_first(results.contestants(row))
    ours = results.samples(row, name, first)
    unit = next(
        samples[0].unit for one in results.contestants(row) if (samples := results.samples(row, name, one))
    )
    cells = {"measured": f"{name} ({unit})", first: _number(results.value(row, name, first))}
    if len(ours) > 1:
        values = [sample.value for sample in ours]
        cells["rounds"] = f"{_number(min(values))} – {_number(max(values))}"
    for other in rest:
        theirs = results.value(row, name, other)
        cells[other] = _number(theirs)
        if ours and theirs and first == MailgridFleet.name:
            cells[other] += f" ({is_better(unit, results.value(row, name, first) or 0.0, theirs):.1f}x)"
    shares = [sample.others for sample in ours if sample.others is not None]
    if shares:
        cells["strangers"] = f"{max(shares):.0%}"
    return cells


def _cpu(results: Results, row: str) -> Iterator[Cells]:
    for name in results.measurements(row):
        for contestant in results.contestants(row):
            parts = results.cpu(row, name, contestant)
            if not parts:
                continue
            whole = sum(parts.values())
            yield {
                "CPU µs per email": f"{name}: {contestant}",
                **{part: f"{parts.get(part, 0.0):,.0f}" for part in _PARTS if parts.get(part, 0.0) >= 0.5},
                "sum": f"{whole:,.0f}",
                "at most": f"{(os.cpu_count() or 1) * 1e6 / whole:,.0f} /s" if whole else "",
            }


def _ours_first(contestants: Sequence[str]) -> list[str]:
    return sorted(contestants, key=lambda name: name != MailgridFleet.name)


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:,.1f}" if abs(value) >= 10 else f"{value:,.2f}"


def markdown(cells: Sequence[Cells]) -> str:
    """A table of Markdown; columns that are empty everywhere are left out."""
    names = [
        name for name in dict.fromkeys(n for row in cells for n in row) if any(r.get(name) for r in cells)
    ]
    lines = [names, ["---", *["---:"] * (len(names) - 1)]]
    lines += [[row.get(name, "") for name in names] for row in cells]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def title(row: str) -> str:
    """For people."""
    return ROWS[row].title
