"""`python -m tests.chaos`: break things on purpose, and count what came of it. See `tests/chaos/__init__.py`."""

import argparse
import os
import random
import sys
import time
from collections.abc import Sequence

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mailgrid.settings.test")

from tests.chaos import runner, soak
from tests.chaos.mutations import MUTATIONS
from tests.chaos.registry import Row, rows
from tests.chaos.rig import Rig
from tests.services import Missing


def main() -> int:
    """0 when every row held within its budget."""
    arguments = _arguments()
    seed = arguments.seed if arguments.seed is not None else random.SystemRandom().randrange(10_000)
    print(f"seed {seed}: the same faults come with --seed {seed}", flush=True)
    try:
        if arguments.soak:
            return _rows([soak.row(arguments.n)], seed=seed, size=1)
        if arguments.mutations:
            return _mutations(arguments.only, seed=seed, size=arguments.size)
        return _rows(_chosen(arguments), seed=seed, size=arguments.size)
    except Missing as error:
        sys.exit(f"chaos: {error}")


def _rows(chosen: Sequence[Row], *, seed: int, size: float) -> int:
    began = time.monotonic()
    results = []
    with Rig(seed=seed, size=size) as rig:
        for result in runner.run(rig, chosen):
            print(result.line(), flush=True)
            results.append(result)
    print(f"\n{runner.table(results)}")
    path = runner.save(results, name=f"rows-{time.strftime('%Y%m%d-%H%M%S')}")
    failed = [result.row.name for result in results if result.trouble]
    print(f"\n{len(results)} rows in {time.monotonic() - began:.0f} s, seed {seed}, kept in {path}")
    print(f"failed: {', '.join(failed)}" if failed else "all of them hold")
    return 1 if failed else 0


def _mutations(only: str | None, *, seed: int, size: float) -> int:
    """0 when every mutation was seen by its row."""
    names = only.split(",") if only else list(MUTATIONS)
    survived = []
    with Rig(seed=seed, size=size) as rig:
        for name in names:
            mutation = MUTATIONS[name]
            rig.mutate(name)
            result = runner.run_one(rig, rows()[mutation.row])
            print(f"{name}  {'seen' if result.trouble else 'SURVIVED'} by {mutation.row}", flush=True)
            print(f"     {mutation.sentence}  {result.trouble}", flush=True)
            survived += [] if result.trouble else [name]
    print(f"survived: {', '.join(survived)}" if survived else "every mutation was seen")
    return 1 if survived else 0


def _chosen(arguments: argparse.Namespace) -> list[Row]:
    known = rows()
    if arguments.only:
        names = arguments.only.split(",")
        if strangers := [name for name in names if name not in known]:
            sys.exit(f"chaos: there is no row {', '.join(strangers)}; there are {', '.join(known)}")
        return [known[name] for name in names]
    return [row for row in known.values() if row.tier <= 1 and (row.quick or not arguments.quick)]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the rows that run for every change")
    parser.add_argument("--only", help="rows (or mutations) by name, with commas between them")
    parser.add_argument(
        "--mutations", action="store_true", help="break the product: each time a row must fail"
    )
    parser.add_argument("--soak", action="store_true", help="one long run with a fault every second")
    parser.add_argument("--n", type=int, default=100_000, help="mails of the soak")
    parser.add_argument("--seed", type=int, help="draws the same faults again; a random one is printed")
    parser.add_argument("--size", type=float, default=1.0, help="share of the rows' numbers of mails")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
