"""Percentiles, the machine's facts, and columns of text."""

import os
import platform
from collections.abc import Sequence
from pathlib import Path


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
    return f"{os.cpu_count()} cores, {model}, Linux {platform.release()}, Python {platform.python_version()}"


def resident_megabytes(pid: int) -> float:
    """Resident memory of a process now, in MB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise ProcessLookupError(pid)


def columns(rows: Sequence[dict[str, str]]) -> str:
    """Rows of cells as text: the first column to the left, the others to the right, empty ones left out."""
    known = dict.fromkeys(name for row in rows for name in row)
    names = [name for name in known if any(row.get(name) for row in rows)]
    if not names:
        return ""
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
