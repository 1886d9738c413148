"""The rows of the fault suite that run for every change; they share a rig. Their seed is printed with what fails."""

import os
import random
from collections.abc import Iterator

import pytest

from tests.chaos import runner
from tests.chaos.registry import Row, rows
from tests.chaos.rig import Rig

pytestmark = pytest.mark.services


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    """CHAOS_SEED repeats a run."""
    seed = int(os.environ.get("CHAOS_SEED") or random.SystemRandom().randrange(10_000))
    with Rig(seed=seed) as rig:
        yield rig


@pytest.mark.parametrize("row", [pytest.param(row, id=row.name) for row in rows().values() if row.quick])
def test_a_row_holds(rig: Rig, row: Row) -> None:
    result = runner.run_one(rig, row)
    assert not result.trouble, f"{row.name} with --seed {rig.seed}: {result.trouble}\n{row.sentence}"
