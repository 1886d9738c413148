"""Turns are kept one by one, and a run goes on where it ended."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bench import kept
from tests.bench.kept import Kept
from tests.bench.mailer import Sample
from tests.bench.results import Results, newest

_SAMPLE = Sample(row="accept", value=100.0, unit="/s", cpu={"web": 5.0})
_FACTS = {"commit": "abc", "machine": "two cores"}


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(tmp_path)
    yield
    os.chdir(before)


def _begun(*, n: int | None = None, commit: str = "abc", resume: bool = True) -> Kept:
    return kept.begin("accept", facts=_FACTS | {"commit": commit}, n=n, resume=resume)


def test_a_turn_is_on_disk_when_it_is_over() -> None:
    _begun().add("Mailgrid", 1, [_SAMPLE], seconds=1.0)

    assert newest(["accept"]).value("accept", "accept", "Mailgrid") == 100.0
    assert newest(["accept"]).cpu("accept", "accept", "Mailgrid") == {"web": 5.0}


def test_a_resumed_run_has_the_turns_of_before() -> None:
    _begun().add("Mailgrid", 1, [_SAMPLE], seconds=1.0)

    assert _begun().has("Mailgrid", 1)
    assert not _begun().has("Mailgrid", 2)
    assert not _begun().has("conventional", 1)


def test_a_run_that_is_not_resumed_begins_anew() -> None:
    _begun().add("Mailgrid", 1, [_SAMPLE], seconds=1.0)

    assert _begun(resume=False).turns == []


def test_other_code_and_other_sizes_are_not_resumed() -> None:
    _begun().add("Mailgrid", 1, [_SAMPLE], seconds=1.0)

    assert _begun(commit="def").turns == []
    assert _begun(n=500).turns == []


def test_results_are_medians_over_the_rounds() -> None:
    keep = _begun()
    for number, value in enumerate((100.0, 300.0, 110.0), start=1):
        keep.add("Mailgrid", number, [Sample(row="accept", value=value, unit="/s")], seconds=1.0)

    assert Results([keep]).value("accept", "accept", "Mailgrid") == 110.0


def test_the_best_of_the_others_is_named() -> None:
    keep = _begun()
    for name, value in (("Mailgrid", 900.0), ("slow", 10.0), ("fast", 30.0)):
        keep.add(name, 1, [Sample(row="accept", value=value, unit="/s")], seconds=1.0)

    assert Results([keep]).best("accept", "accept", but="Mailgrid") == (30.0, "fast")
