"""When a process was last heard of."""

from datetime import timedelta

import pytest
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from mailgrid.core.clock import now
from tests.live_fleet import procfile
from workers.fleet.models import WorkerProcess
from workers.fleet.signs import BEAT, PROCESSES, WORKERS, last_sign, patience
from workers.watch import PERIODS

pytestmark = pytest.mark.django_db


def heard(host: str, queues: list[str], *, seconds_ago: int) -> WorkerProcess:
    at = now() - timedelta(seconds=seconds_ago)
    return WorkerProcess.objects.create(host=host, pid=1, queues=queues, started_at=at, seen_at=at)


def test_of_several_processes_the_last_sign_counts() -> None:
    heard("here", ["send.high", "send.medium"], seconds_ago=20)
    newer = heard("here", ["send.high", "send.medium"], seconds_ago=3)
    assert last_sign("worker-send", host="here") == newer.seen_at


def test_other_machines_and_other_groups_do_not_count() -> None:
    heard("there", ["send.high", "send.medium"], seconds_ago=1)
    heard("here", ["send.low"], seconds_ago=1)
    assert last_sign("worker-send", host="here") is None


@pytest.mark.parametrize("process", sorted(WORKERS))
def test_a_group_is_known_by_the_queues_that_its_processes_watch(process: str) -> None:
    row = heard("here", [queue for queue in PERIODS if queue in WORKERS[process]], seconds_ago=1)
    assert {name for name in WORKERS if last_sign(name, host="here") == row.seen_at} == {process}


def test_beat_is_heard_of_in_what_it_wrote_down() -> None:
    assert last_sign(BEAT, host="here") is None
    every_second = IntervalSchedule.objects.create(every=1, period=IntervalSchedule.SECONDS)
    at = now()
    for name, rung in (("sweep", at), ("observe-broker", at - timedelta(hours=1)), ("of an operator", None)):
        PeriodicTask.objects.create(name=name, task="t", interval=every_second, last_run_at=rung)
    assert last_sign(BEAT, host="here") == at


def test_beat_writes_more_seldom_than_workers() -> None:
    assert patience("worker-send") == timedelta(seconds=30)
    assert patience(BEAT) == timedelta(minutes=7)


def test_every_process_that_tells_nothing_over_http_can_be_asked_for() -> None:
    assert sorted(PROCESSES) == sorted(set(procfile()) - {"web", "flower"})
