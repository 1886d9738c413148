"""What was measured, in a file for each row: written after every turn, so that a run can go on where it ended."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.bench.mailer import Sample

FOLDER: Final = Path("var/bench")


@dataclass(slots=True, kw_only=True)
class Kept:
    """One row's turns. `facts` say on what; `absent` why a contestant has no turns."""

    row: str
    facts: dict[str, str] = field(default_factory=dict)
    n: int | None = None
    turns: list[dict[str, Any]] = field(default_factory=list)
    absent: dict[str, str] = field(default_factory=dict)

    def has(self, contestant: str, number: int) -> bool:
        """Whether this turn was taken."""
        return any(turn["contestant"] == contestant and turn["round"] == number for turn in self.turns)

    def add(self, contestant: str, number: int, samples: Sequence[Sample], *, seconds: float) -> None:
        """A turn was taken; it is on disk when this returns."""
        measured = [
            {name: value for name, value in asdict(one).items() if value is not None} for one in samples
        ]
        self.turns.append(
            {"contestant": contestant, "round": number, "seconds": round(seconds, 1), "samples": measured}
        )
        self.write()

    def write(self) -> None:
        """Keep it."""
        FOLDER.mkdir(parents=True, exist_ok=True)
        path = _path(self.row)
        path.with_suffix(".new").write_text(json.dumps(asdict(self), indent=1) + "\n")
        path.with_suffix(".new").replace(path)

    def samples(self) -> Iterator[tuple[str, Sample]]:
        """Each with its contestant."""
        for turn in self.turns:
            for values in turn["samples"]:
                yield turn["contestant"], Sample(**values)


def load(row: str) -> Kept | None:
    """The newest run of a row, or None."""
    path = _path(row)
    return Kept(**json.loads(path.read_text())) if path.exists() else None


def begin(row: str, *, facts: dict[str, str], n: int | None, resume: bool) -> Kept:
    """Anew; or, to resume, what there is of this row, this code and this size."""
    known = load(row) if resume else None
    if known is not None and known.n == n and known.facts.get("commit") == facts["commit"]:
        return known
    return Kept(row=row, facts=facts, n=n)


def _path(row: str) -> Path:
    return FOLDER / f"{row}.json"
