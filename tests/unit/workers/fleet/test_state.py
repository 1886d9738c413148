"""What the fleet's rows say to people."""

from datetime import timedelta
from typing import Any

import pytest

from mailgrid.core import bells
from mailgrid.core.clock import now
from mailgrid.core.models import Pulse
from workers.fleet import state
from workers.fleet.models import QueueState, WorkerProcess
from workers.fleet.presence import Presence, forget_gone
from workers.queues import DEAD, GROUPS

pytestmark = pytest.mark.django_db


@pytest.fixture
def _whole_fleet(settings: Any) -> None:
    """Everybody alive, every queue listened to."""
    settings.BROKER_URL = "amqp://there"
    at = now()
    Pulse.objects.update_or_create(name="sweep", defaults={"at": at})
    for names in GROUPS.values():
        WorkerProcess.objects.create(host="a", pid=1, queues=list(names), started_at=at, seen_at=at)
        for name in names:
            QueueState.objects.create(name=name, bells=0, consumers=2, seen_at=at)


def test_a_silent_sweep_is_a_problem_everywhere(settings: Any) -> None:
    settings.BROKER_URL = ""
    told = "No sweep has run for 30 seconds: are beat and worker-maintenance running?"
    assert state.problems(now=now()) == [told]
    Pulse.objects.create(name="sweep", at=now())
    assert state.problems(now=now()) == []
    assert state.problems(now=now() + timedelta(seconds=31)) == [told]


@pytest.mark.usefixtures("_whole_fleet")
class TestAFleet:
    def test_a_whole_one_is_well(self) -> None:
        assert state.problems(now=now()) == []

    def test_a_group_without_a_living_process_is_named_with_its_queues(self) -> None:
        WorkerProcess.objects.filter(queues=["send.high", "send.medium"]).update(
            seen_at=now() - timedelta(seconds=31)
        )
        assert state.problems(now=now()) == [
            "No process of worker-send is alive: nobody works for send.high, send.medium."
        ]

    def test_a_queue_without_listeners_is_named(self) -> None:
        QueueState.objects.filter(name="send.low").update(consumers=0)
        assert state.problems(now=now()) == [
            "The queue send.low has no consumer at the broker: start worker-bulk, or read its log."
        ]

    def test_a_broker_that_nobody_looks_at_is_told_once(self) -> None:
        QueueState.objects.update(seen_at=now() - timedelta(minutes=3), consumers=0)
        (told,) = state.problems(now=now())
        assert told.startswith("Nobody has looked at the broker's queues for two minutes")


def test_a_process_renews_one_row_and_takes_it_along_at_its_end() -> None:
    presence = Presence(["send.low"], now=now())
    presence.renew(handed_over=3, now=now())
    (row,) = WorkerProcess.objects.all()
    assert (row.queues, row.handed_over) == (["send.low"], 3)
    presence.renew(handed_over=9, now=now())  # within five seconds: not written
    row.refresh_from_db()
    assert row.handed_over == 3
    presence.end()
    assert not WorkerProcess.objects.exists()


def test_rows_of_processes_that_died_are_kept_for_a_day() -> None:
    at = now()
    for age in (timedelta(hours=23), timedelta(hours=25)):
        WorkerProcess.objects.create(host="a", pid=1, queues=[], started_at=at - age, seen_at=at - age)
    assert forget_gone(now=at) == 1
    assert WorkerProcess.objects.count() == 1


def test_every_queue_belongs_to_one_group_and_dead_bells_to_none() -> None:
    served = [name for names in GROUPS.values() for name in names]
    assert sorted(served) == sorted(bells.QUEUES)
    assert len(served) == len(set(served))
    assert DEAD.name not in served
