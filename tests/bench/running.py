"""Take turns: every round, every contestant of a row, in alternating order; each turn is kept when it is over."""

import sys
import time
import traceback
from collections.abc import Sequence
from typing import Final

from tests.bench import kept
from tests.bench.kept import Kept
from tests.bench.peers.environment import Unavailable
from tests.bench.rows import ROWS, Entry
from tests.bench.stage import Stage

ROUNDS: Final = 3


def run(stage: Stage, names: Sequence[str], *, rounds: int, resume: bool) -> list[str]:
    """Measure these rows; what went wrong. A turn that fails takes no other along."""
    failures: list[str] = []
    facts = stage.facts()
    for name in names:
        keep = kept.begin(name, facts=facts, n=stage.n, resume=resume)
        keep.absent = {}
        row = ROWS[name]
        for number in range(1, (row.rounds or rounds) + 1):
            entries = list(row.entries(stage.n).items())
            for contestant, entry in entries if number % 2 else reversed(entries):
                if contestant not in keep.absent and not keep.has(contestant, number):
                    _turn(stage, keep, contestant, entry, number, failures)
        keep.write()
    return failures


def _turn(stage: Stage, keep: Kept, contestant: str, entry: Entry, number: int, failures: list[str]) -> None:
    began = time.monotonic()
    try:
        samples = list(entry.turn(stage, stage.contestant(contestant, entry.factory)))
    except Unavailable as error:
        keep.absent[contestant] = str(error)
        say(f"{keep.row}: {contestant} cannot be had: {error}")
    except Exception as error:
        traceback.print_exc()
        failures.append(f"{keep.row}, {contestant}, round {number}: {error}")
    else:
        seconds = time.monotonic() - began
        keep.add(contestant, number, samples, seconds=seconds)
        say(f"{keep.row}, round {number}: {contestant}, {seconds:.0f} s")


def say(words: str) -> None:
    """For whoever waits."""
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {words}\n")
