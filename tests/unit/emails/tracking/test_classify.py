"""Who opened or clicked, case by case: hits.csv is the list."""

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emails.tracking.agents import Agent, agent_of
from emails.tracking.classify import Circumstances, Reason, classify, says_prefetch
from mailgrid.core.vocabulary import HitClass

with (Path(__file__).parent / "hits.csv").open() as file:
    CASES = list(csv.DictReader(file))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["what"])
def test_a_hit_has_its_class_and_the_reason(case: dict[str, str]) -> None:
    verdict = classify(
        Circumstances(
            click=case["click"] == "yes",
            user_agent=case["user_agent"],
            prefetched=case["prefetched"] == "yes",
            since_delivery=float(case["since_delivery"]) if case["since_delivery"] else None,
            links_nearby=int(case["links_nearby"]),
        )
    )
    assert (verdict.kind, verdict.reason) == (case["class"], case["reason"])


def test_the_cases_cover_every_class_and_every_reason() -> None:
    assert {case["class"] for case in CASES} == set(HitClass)
    assert {case["reason"] for case in CASES} == set(Reason)


@given(st.text(max_size=600))
def test_whatever_calls_itself_is_something(user_agent: str) -> None:
    assert agent_of(user_agent) in Agent


@pytest.mark.parametrize("purpose", ["prefetch", "Prefetch;prerender", "preview", "prerender"])
def test_browsers_say_when_nobody_has_asked_yet(purpose: str) -> None:
    assert says_prefetch("", purpose)


def test_other_purposes_are_none() -> None:
    assert not says_prefetch("", "navigation", "")
