"""What a run has found: targets, medians over the rounds, and the ratios to the baseline."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from statistics import median
from typing import Any, Final

from tests.bench.figures import Figure, columns
from tests.bench.mailer import Sample

FAR_SECONDS: Final = 0.025  # about what SES takes from a machine of the same region

ONE: Final = "deliver, SendEmail"
FAR: Final = f"deliver, SendEmail, {FAR_SECONDS * 1000:.0f} ms away"
BULK: Final = "deliver, SendBulkEmail"
PIECE: Final = "a fixed piece of Python, CPU"
_TARGETS: Final = {
    "accept one by one, 8 connections": ">= 600",
    "accept one by one, 32 connections": ">= 600",
    "accept batches of 100, emails": ">= 10000",
    ONE: ">= 1400",
    BULK: ">= 5000",
    "immediate, request to provider, p50": "< 15",
    "immediate, request to provider, p99": "< 60",
    "worker's child, PSS": "< 120",
}
# What the baseline has instead.
_AGAINST: Final = {BULK: ONE}
_PARTS: Final = (
    *("web", "worker", "beat", "maintenance"),
    *("database", "broker", "redis", "provider", "load"),
)

Rows = Mapping[str, Sequence[Sample]]  # a sample for each round, by row


class Measured:
    """Everything that one run has found, of Mailgrid and of the baseline."""

    def __init__(self, facts: str, limits: Sequence[Figure], *, ours: Rows, baseline: Rows) -> None:
        self.facts = facts
        self._limits = limits
        self._ours = ours
        self._baseline = baseline

    def figures(self) -> list[Figure]:
        """Medians over the rounds, beside the baseline's."""
        compared = [
            _figure(row, taken, self._baseline.get(_AGAINST.get(row, row), []))
            for row, taken in self._ours.items()
        ]
        return [*compared, *self._limits]

    def cpu(self) -> str:
        """The table of CPU time."""
        return columns(list(self._cpu_rows()))

    def samples(self) -> dict[str, dict[str, list[dict[str, Any]]]]:
        """Every single one, for the JSON file."""
        both = {"mailgrid": self._ours, "conventional": self._baseline}
        return {
            name: {row: [asdict(sample) for sample in taken] for row, taken in rows.items()}
            for name, rows in both.items()
        }

    def _cpu_rows(self) -> Iterator[dict[str, str]]:
        for row, taken in self._ours.items():
            ours, theirs = _cpu(taken), _cpu(self._baseline.get(row, []))
            against = theirs or _cpu(self._baseline.get(_AGAINST.get(row, row), []))
            if ours:
                yield _cells(f"{row}: Mailgrid", ours, _ratio(ours, against))
            if theirs:
                yield _cells(f"{row}: conventional", theirs, "")


def _cpu(taken: Sequence[Sample]) -> dict[str, float]:
    used = [sample.cpu for sample in taken if sample.cpu is not None]
    return {part: median(cpu.get(part, 0.0) for cpu in used) for part in _PARTS} if used else {}


def _cells(title: str, parts: Mapping[str, float], ratio: str) -> dict[str, str]:
    whole = sum(parts.values())
    return {
        "CPU µs per email": title,
        **{part: f"{value:,.0f}" if value >= 0.5 else "" for part, value in parts.items()},
        "sum": f"{whole:,.0f}",
        "ratio": ratio,
        "at most": f"{(os.cpu_count() or 1) * 1e6 / whole:,.0f} /s",
    }


def _ratio(ours: Mapping[str, float], theirs: Mapping[str, float]) -> str:
    return f"{sum(theirs.values()) / sum(ours.values()):.1f}x" if theirs else ""


def _figure(row: str, ours: Sequence[Sample], theirs: Sequence[Sample]) -> Figure:
    values = [sample.value for sample in ours]
    others = [sample.others for sample in ours if sample.others is not None]
    loads = [sample.load_average for sample in ours if sample.load_average is not None]
    return Figure(
        row,
        median(values),
        ours[0].unit,
        _TARGETS.get(row, ""),
        conventional=median(sample.value for sample in theirs) if theirs else None,
        spread=(min(values), max(values)) if len(values) > 1 else None,
        others=median(others) if others else None,
        load_average=median(loads) if loads else None,
    )
