"""Runs rows one after another, stops what passes its budget, prints a line for each and one table at the end."""

import json
import signal
import time
import traceback
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from mailgrid.env import BASE_DIR
from tests.bench.figures import columns, machine
from tests.chaos.case import Case
from tests.chaos.registry import Row
from tests.chaos.rig import Rig

KEPT: Final = BASE_DIR / "var" / "chaos"
_COUNTS: Final = ("sends", "lost", "dups", "bound", "phantom", "cross", "unknown")
_GRACE: Final = 10.0  # seconds after the budget in which a row may still end by itself


class OverBudget(Exception):
    """The row was stopped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What came of a row. `trouble` is empty when it holds."""

    row: Row
    seed: int
    seconds: float
    kills: int
    counts: dict[str, int]
    trouble: str = ""
    figures: dict[str, Any] = field(default_factory=dict)
    verdict: dict[str, Any] | None = None

    def cells(self) -> dict[str, str]:
        """One line of the table."""
        counts = {name: str(self.counts.get(name, "")) for name in _COUNTS}
        return {
            "row": self.row.name,
            "seed": str(self.seed),
            "sends": counts.pop("sends"),
            "kills": str(self.kills),
            **counts,
            "seconds": f"{self.seconds:.0f}/{self.row.budget:.0f}",
            "ok": "no" if self.trouble else "yes",
        }

    def line(self) -> str:
        """As it ends, for people who wait."""
        told = " ".join(f"{name}={value}" for name, value in self.counts.items())
        extra = " ".join(f"{name}={value}" for name, value in self.figures.items())
        end = f"  FAILED: {self.trouble}" if self.trouble else ""
        head = f"{self.row.name}  {'no ' if self.trouble else 'yes'} {self.seconds:5.1f} s  kills={self.kills} {told}"
        return f"{head} {extra}".rstrip() + f"\n     {self.row.sentence}{end}"


def run(rig: Rig, chosen: Sequence[Row]) -> Iterator[Result]:
    """Each row's result as it ends; those that share a fleet come first."""
    for row in sorted(chosen, key=lambda row: row.own):
        yield run_one(rig, row)


def run_one(rig: Rig, row: Row) -> Result:
    """One row; what it broke is mended, and after trouble the next one gets a new fleet."""
    began = time.monotonic()
    trouble = ""
    case = Case(rig, row)
    try:
        if not row.own:
            _ = rig.fleet
            began = time.monotonic()  # its start is nobody's budget
        with _at_most(row.budget + _GRACE):
            case.begin()
            row.body(case)
    except AssertionError as error:
        trouble = str(error) or _where(error)
    except OverBudget as error:
        trouble = f"stopped after {row.budget:.0f} s, {_where(error)}"
    except Exception as error:  # one row's defect is told, the others run
        trouble = _where(error)
    seconds = time.monotonic() - began
    if not trouble and seconds > row.budget:
        trouble = f"took {seconds:.0f} s"
    case.close()
    if trouble:
        trouble += f" [{case.so_far()}]{_kept_logs(rig, row)}"
        rig.end_fleet()
    verdict = case.verdict
    return Result(
        row=row,
        seed=rig.seed,
        seconds=seconds,
        kills=case.kills,
        counts={name: getattr(verdict, name) for name in _COUNTS} if verdict else {},
        trouble=trouble,
        figures=case.figures,
        verdict=verdict.document() if verdict else None,
    )


def table(results: Iterable[Result]) -> str:
    """All of them."""
    return columns([result.cells() for result in results])


def save(results: Sequence[Result], *, name: str) -> Path:
    """As JSON under var/chaos/, the newest run by its name and every run by its time."""
    KEPT.mkdir(parents=True, exist_ok=True)
    document = {
        "machine": machine(),
        "rows": [
            {
                "row": one.row.name,
                "sentence": one.row.sentence,
                "seed": one.seed,
                "seconds": round(one.seconds, 1),
                "budget": one.row.budget,
                "kills": one.kills,
                "trouble": one.trouble,
                "figures": one.figures,
                "verdict": one.verdict,
            }
            for one in results
        ],
    }
    path = KEPT / f"{name}.json"
    path.write_text(json.dumps(document, indent=2, default=str) + "\n")
    return path


@contextmanager
def _at_most(seconds: float) -> Iterator[None]:
    """Raises `OverBudget` in the main thread when the block takes longer."""

    def stop(_number: int, _frame: Any) -> None:
        raise OverBudget

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _where(error: BaseException) -> str:
    """The error, and the line of the row in which it came up."""
    frames = traceback.extract_tb(error.__traceback__)
    of_rows = [frame for frame in frames if Path(frame.filename).parent.name == "rows"] or frames
    words = f"{type(error).__name__}: {error}".removesuffix(": ")
    return f"{words} (line {of_rows[-1].lineno}: {of_rows[-1].line})"


def _kept_logs(rig: Rig, row: Row) -> str:
    """Keep what the processes said; where, in words."""
    folder = KEPT / "logs" / row.name
    kept = rig.keep_logs(folder)
    return f" [logs of {kept} processes in {folder.relative_to(BASE_DIR)}]" if kept else ""
