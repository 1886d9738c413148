"""Percentiles, the machine's facts, and one table."""

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table: what was measured, its value with unit, and what we aim at (`< 15` or `>= 600`).

    `conventional` is the baseline's value. `spread` are the lowest and the highest round of ours. `others` is the share
    of the machine that strangers used meanwhile, `load_average` that of the minute before.
    """

    name: str
    value: float
    unit: str
    target: str = ""
    conventional: float | None = None
    spread: tuple[float, float] | None = None
    others: float | None = None
    load_average: float | None = None

    @property
    def ratio(self) -> float | None:
        """How many times better than the baseline."""
        if not self.conventional:
            return None
        return self.value / self.conventional if self.unit == "/s" else self.conventional / self.value

    @property
    def missed(self) -> bool:
        """Whether the target was not met."""
        if not self.target:
            return False
        sign, number = self.target.split()
        return self.value >= float(number) if sign == "<" else self.value < float(number)


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which `share` (0 to 1) of the values lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def machine() -> str:
    """What the figures were taken on."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    return f"{os.cpu_count()} cores, {model}, Python {platform.python_version()}"


def resident_megabytes(pid: int) -> float:
    """Resident memory of a process now, in MB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise ProcessLookupError(pid)


def show(figures: Sequence[Figure]) -> str:
    """The table as text; a column that no line has a value for is left out."""
    rows = [
        {
            "": figure.name,
            "measured": f"{figure.value:,.1f} {figure.unit}".strip(),
            "rounds": "" if figure.spread is None else "–".join(f"{end:,.1f}" for end in figure.spread),
            "target": f"{figure.target}{'  MISSED' if figure.missed else ''}",
            "conventional": "" if figure.conventional is None else f"{figure.conventional:,.1f}",
            "ratio": "" if figure.ratio is None else f"{figure.ratio:.1f}x",
            "others": "" if figure.others is None else f"{figure.others:.0%}",
            "load": "" if figure.load_average is None else f"{figure.load_average:.1f}",
        }
        for figure in figures
    ]
    return columns(rows)


def columns(rows: Sequence[dict[str, str]]) -> str:
    """Rows of cells as text: the first column to the left, the others to the right, empty ones left out."""
    known = dict.fromkeys(name for row in rows for name in row)
    names = [name for name in known if any(row.get(name) for row in rows)]
    width = {name: max(len(name), *(len(row.get(name, "")) for row in rows)) for name in names}

    def line(cells: dict[str, str]) -> str:
        first, *others = names
        return "  ".join(
            [
                cells.get(first, "").ljust(width[first]),
                *(cells.get(name, "").rjust(width[name]) for name in others),
            ]
        ).rstrip()

    return "\n".join([line({name: name for name in names}), *map(line, rows)])


def save(figures: Sequence[Figure], path: Path, **more: Any) -> None:
    """The same as JSON, and whatever else is to be kept."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [{**asdict(figure), "ratio": figure.ratio} for figure in figures]
    path.write_text(json.dumps({"machine": machine(), "figures": rows, **more}, indent=2) + "\n")
