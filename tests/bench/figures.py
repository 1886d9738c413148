"""Percentiles, the machine's facts, and one table."""

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table: what was measured, its value with unit, and what we aim at."""

    name: str
    value: float
    unit: str
    target: str = ""


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
    """The table as text."""
    width = max(len(figure.name) for figure in figures)
    lines = [f"{'':{width}}  {'measured':>14}  target"]
    lines += [f"{f.name:{width}}  {f.value:>9.1f} {f.unit:<4}  {f.target}" for f in figures]
    return "\n".join(lines)


def save(figures: Sequence[Figure], path: Path) -> None:
    """The same as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [{"name": f.name, "value": round(f.value, 3), "unit": f.unit, "target": f.target} for f in figures]
    path.write_text(json.dumps({"machine": machine(), "figures": rows}, indent=2) + "\n")
