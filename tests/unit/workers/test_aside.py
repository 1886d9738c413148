"""The watch waits for no host, and makes the rounds that nobody has made."""

import threading
from collections import Counter
from datetime import timedelta

import pytest

from emails.transports import checks
from emails.transports.models import SANDBOX_ID, Transport
from mailgrid.core.clock import now
from mailgrid.core.models import Pulse
from workers import aside, rounds

pytestmark = pytest.mark.django_db


@pytest.fixture
def started(monkeypatch) -> list[str]:
    """Threads that were started; none runs."""
    names: list[str] = []
    monkeypatch.setattr(threading.Thread, "start", lambda self: names.append(self.name))
    return names


@pytest.fixture
def made(monkeypatch) -> list[str]:
    """Rounds that were made; no host is called."""
    names: list[str] = []
    for name in list(rounds._WORK):
        monkeypatch.setitem(rounds._WORK, name, lambda name=name: names.append(name) or Counter(done=1))
    return names


def ago(seconds: float) -> None:
    Pulse.objects.update(at=now() - timedelta(seconds=seconds))


def test_a_thread_starts_only_when_something_is_due(started):
    aside.look_aside()
    assert started == []
    checks.ask(Transport.across_tenants.get(pk=SANDBOX_ID), now=now())
    with aside._busy:
        aside.look_aside()
    assert started == []
    aside.look_aside()
    assert started == ["aside"]


def test_a_round_that_was_never_made_counts_from_the_first_look():
    assert rounds.missed() == []
    assert set(Pulse.objects.values_list("name", flat=True)) == {"send-canaries", "survey-accounts"}
    ago(121)
    assert rounds.missed() == ["send-canaries"]
    ago(601)
    assert set(rounds.missed()) == {"send-canaries", "survey-accounts"}


def test_a_round_that_beat_rang_for_is_not_missed(made):
    rounds.missed()
    ago(121)
    rounds.make(rounds.SEND_CANARIES)
    assert (made, rounds.missed()) == (["send-canaries"], [])


def test_of_two_processes_one_makes_it(made):
    rounds.missed()
    ago(601)
    assert rounds.make_if_missed("survey-accounts") == {"done": 1}
    assert rounds.make_if_missed("survey-accounts") == {}
    assert made == ["survey-accounts"]


def test_what_is_due_is_done_though_one_part_fails(made, monkeypatch):
    rounds.missed()
    ago(601)
    monkeypatch.setattr(aside, "check_alone", lambda: 1 / 0)
    monkeypatch.setattr(aside.connection, "close", lambda: None)
    checks.ask(Transport.across_tenants.get(pk=SANDBOX_ID), now=now())
    aside._work(aside._due())
    assert sorted(made) == ["send-canaries", "survey-accounts"]
    assert not aside._busy.locked()
