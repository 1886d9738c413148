"""`python -m tests.bench [embedded|fleet|all|ROW …] [--rounds R] [N=…] [--resume]`: measure, and print the tables.

    python -m tests.bench                     everything, about 25 minutes
    python -m tests.bench accept deliver      these rows; the tables show all that is kept
    python -m tests.bench growth N=100000     with so many messages (emails, in other rows) instead of the row's own
    python -m tests.bench all --resume        only the turns that are missing, of this code and this size
    python -m tests.bench --tables            measure nothing
    python -m tests.bench --document          write tables and pictures of the newest run into docs/

Every turn is kept under var/bench/, a file for each row.
"""

import argparse
import sys
from typing import Final

from tests.bench import table
from tests.bench.document import write
from tests.bench.figures import columns
from tests.bench.results import Results, newest
from tests.bench.rows import ALL, GROUPS, ROWS
from tests.bench.running import ROUNDS, run
from tests.bench.stage import stage
from tests.services import Missing

_NOISE: Final = 0.1  # of the machine
_READING: Final = """\
The first is Mailgrid: its median over the rounds, their lowest and highest beside it. (3.1x): so many times better
than this one. strangers: the largest share of the machine that others' processes used meanwhile. at most: what these
cores could do at this cost if nobody else used them and nothing ever waited. Load generator and provider run on the
same cores."""


def main() -> int:
    """0 when every turn went well."""
    chosen = _arguments()
    failures: list[str] = []
    if not (chosen.document or chosen.tables):
        names = [name for word in chosen.rows or ["all"] for name in GROUPS.get(word, (word,))]
        try:
            with stage(n=chosen.n) as around:
                failures = run(around, names, rounds=chosen.rounds, resume=chosen.resume)
        except Missing as error:
            sys.exit(f"bench: {error}")
    results = newest(ALL)
    _print(results)
    if chosen.document:
        write(results)
    for failure in failures:
        print(f"FAILED {failure}")
    return 1 if failures else 0


def _print(results: Results) -> None:
    for name, row in results.rows.items():
        print(
            f"\n{table.title(name)} ({row.facts['at']}, {row.facts['commit']}{f', N={row.n}' if row.n else ''})\n"
        )
        print(columns(table.values(results, name)))
        if cpu := table.cpu(results, name):
            print(f"\n{columns(cpu)}")
        for absent, why in row.absent.items():
            print(f"\n{absent} cannot be had: {why}")
    if results.rows:
        facts = next(iter(results.rows.values())).facts
        print(f"\nTargets\n\n{columns(table.targets(results))}\n")
        print(f"{facts['machine']}, load {facts['load']}; {facts['database']}\n{_READING}")
    if (busiest := table.others(results)) > _NOISE:
        print(
            f"\nStrangers used up to {busiest:.0%} of this machine: it can do more than the tables say."
            " CPU time suffers least; or come back when it is quiet."
        )


def _arguments() -> argparse.Namespace:
    words = [("--n=" + word[2:]) if word.startswith("N=") else word for word in sys.argv[1:]]
    arguments = argparse.ArgumentParser(
        prog="python -m tests.bench",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    arguments.add_argument("rows", nargs="*", metavar="row", help=f"{', '.join([*GROUPS, *ROWS])}")
    arguments.add_argument("--rounds", type=int, default=ROUNDS)
    arguments.add_argument("--n", type=int, help="N=…, emails or messages of each row")
    arguments.add_argument("--resume", action="store_true")
    arguments.add_argument("--tables", action="store_true")
    arguments.add_argument("--document", action="store_true")
    chosen = arguments.parse_args(words)
    for word in chosen.rows:
        if word not in GROUPS and word not in ROWS:
            arguments.error(f"no row {word!r}; there are {', '.join([*GROUPS, *ROWS])}")
    return chosen


if __name__ == "__main__":
    sys.exit(main())
