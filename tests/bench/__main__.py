"""`python -m tests.bench [embedded|fleet|all]`: measure, print tables, keep them as JSON under var/bench/."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.bench import embedded, fleet
from tests.bench.figures import Figure, machine, save, show
from tests.services import Missing

_KEPT: Final = Path("var/bench")
_NOISE: Final = 0.1  # of the machine
_READING: Final = """\
measured      median of the rounds; their lowest and highest beside it
conventional  the baseline's median (tests/bench/conventional), measured in turn with ours
others        share of the machine that processes used which have nothing to do with this
load          load average when the row began, our own work included
at most       what these cores could do at this cost, if nobody else used them and nothing ever waited
Load generator and provider run on the same cores; what they cost is in the second table. Both databases are vacuumed
before each turn."""


def main() -> None:
    arguments = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    arguments.add_argument("what", nargs="?", choices=("embedded", "fleet", "all"), default="all")
    arguments.add_argument("--rounds", type=int, default=fleet.ROUNDS, help="of the fleet's rows")
    chosen = arguments.parse_args()
    print(machine())
    if chosen.what in ("embedded", "all"):
        _embedded()
    if chosen.what in ("fleet", "all"):
        _fleet(chosen.rounds)


def _embedded() -> None:
    measured = list(embedded.figures())
    print(f"\nOne process on SQLite\n\n{show(measured)}", flush=True)
    save(measured, _KEPT / "embedded.json")


def _fleet(rounds: int) -> None:
    try:
        measured = fleet.measure(rounds=rounds)
    except Missing as error:
        sys.exit(f"bench: {error}")
    print(f"\nA fleet, {rounds} rounds, {measured.facts}\n\n{show(measured.figures())}\n\n{measured.cpu()}")
    print(f"\n{_READING}{_busy(measured.figures())}")
    save(measured.figures(), _KEPT / "fleet.json", facts=measured.facts, samples=measured.samples())


def _busy(figures: Sequence[Figure]) -> str:
    worst = max(figure.others or 0.0 for figure in figures)
    if worst < _NOISE:
        return ""
    return (
        f"\n\nStrangers used up to {worst:.0%} of this machine: it can do more than the first table says. CPU time"
        " suffers least, so compare by the second one, or come back when it is quiet."
    )


if __name__ == "__main__":
    main()
