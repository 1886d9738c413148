"""What the kept rows say: medians over the rounds, by row, measurement and contestant."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from statistics import median

from tests.bench import kept
from tests.bench.kept import Kept
from tests.bench.mailer import Sample

Cpu = Mapping[str, float]


class Results:
    """Everything that was kept of these rows; rows without a file are left out."""

    def __init__(self, rows: Iterable[Kept]) -> None:
        self.rows = {row.row: row for row in rows}
        self._samples: dict[tuple[str, str, str], list[Sample]] = defaultdict(list)
        for row in self.rows.values():
            for contestant, sample in row.samples():
                self._samples[row.row, sample.row, contestant].append(sample)

    def measurements(self, row: str) -> list[str]:
        """The names of what was measured in a row, in their order."""
        return list(dict.fromkeys(name for of, name, _ in self._samples if of == row))

    def contestants(self, row: str) -> list[str]:
        """Who took turns, in the order of the first."""
        return list(dict.fromkeys(turn["contestant"] for turn in self.rows[row].turns))

    def samples(self, row: str, name: str, contestant: str) -> Sequence[Sample]:
        """One for each round; none where it was not measured."""
        return self._samples.get((row, name, contestant), ())

    def value(self, row: str, name: str, contestant: str) -> float | None:
        """The median over the rounds."""
        values = [sample.value for sample in self.samples(row, name, contestant)]
        return median(values) if values else None

    def cpu(self, row: str, name: str, contestant: str) -> Cpu:
        """Median µs per email by part; empty where it was not measured."""
        used = [sample.cpu for sample in self.samples(row, name, contestant) if sample.cpu is not None]
        parts = dict.fromkeys(part for one in used for part in one)
        return {part: median(one.get(part, 0.0) for one in used) for part in parts}

    def best(self, row: str, name: str, *, but: str) -> tuple[float, str] | None:
        """The highest median among the others, and whose it is."""
        others = [one for one in self.contestants(row) if one != but] if row in self.rows else []
        found = [(value, one) for one in others if (value := self.value(row, name, one)) is not None]
        return max(found, default=None)


def newest(names: Iterable[str]) -> Results:
    """Of the files under var/bench/."""
    return Results(row for name in names if (row := kept.load(name)) is not None)


def is_better(unit: str, ours: float, theirs: float) -> float:
    """How many times better ours is: more of a rate, less of anything else."""
    return ours / theirs if unit == "/s" else theirs / ours
