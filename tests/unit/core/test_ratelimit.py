"""Buckets of one process."""

from collections.abc import Callable

import pytest

from mailgrid.core.ratelimit import Bucket, LocalBuckets

FULL = Bucket("full", rate=2, burst=10)


@pytest.fixture
def wait(monkeypatch) -> Callable[[float], None]:
    """Time stands still until told: `wait(seconds)`."""
    clock = {"now": 1_000.0}
    monkeypatch.setattr("mailgrid.core.ratelimit.time.monotonic", lambda: clock["now"])
    return lambda seconds: clock.update(now=clock["now"] + seconds)


def test_at_a_door_all_tokens_are_taken_or_none(wait) -> None:
    buckets = LocalBuckets()
    grants = [buckets.take("door", tokens=tokens, rate=2, burst=10) for tokens in (6, 5, 4)]
    assert [(grant.granted, grant.remaining) for grant in grants] == [(6, 4), (0, 4), (4, 0)]
    assert (grants[1].retry_after, grants[2].full_in) == (0.5, 5)
    wait(2)
    assert buckets.take("door", tokens=4, rate=2, burst=10).granted == 4


def test_of_a_pace_as_many_whole_tokens_are_taken_as_there_are(wait) -> None:
    buckets = LocalBuckets()
    assert [buckets.take_up_to([FULL], tokens=7) for _ in range(3)] == [7, 3, 0]
    wait(1.4)
    assert buckets.take_up_to([FULL], tokens=7) == 2


def test_of_several_buckets_the_emptiest_decides_and_all_are_charged(wait) -> None:
    buckets = LocalBuckets()
    small = Bucket("small", rate=1, burst=4)
    assert buckets.take_up_to([FULL, small], tokens=7) == 4
    assert buckets.take_up_to([FULL], tokens=7) == 6
    assert buckets.take_up_to([FULL, small], tokens=7) == 0


def test_what_must_stay_in_a_bucket_stays(wait) -> None:
    buckets = LocalBuckets()
    modest = Bucket("full", rate=2, burst=10, kept=3)
    assert [buckets.take_up_to([modest], tokens=20) for _ in range(2)] == [7, 0]
    assert buckets.take_up_to([FULL], tokens=20) == 3


def test_what_is_given_back_never_overflows(wait) -> None:
    buckets = LocalBuckets()
    buckets.take_up_to([FULL], tokens=4)
    buckets.give_back([FULL], tokens=3)
    assert buckets.take_up_to([FULL], tokens=20) == 9
    buckets.give_back([FULL, Bucket("never seen", 1, 1)], tokens=300)
    assert buckets.take_up_to([FULL], tokens=20) == 10


def test_one_of_several_processes_takes_its_part_of_a_pace_but_all_of_a_door(wait) -> None:
    buckets = LocalBuckets(processes=5)
    assert buckets.take_up_to([FULL], tokens=20) == 2
    wait(5)
    assert buckets.take_up_to([FULL], tokens=20) == 2
    assert buckets.take_slots(Bucket("stream", rate=5, burst=5), count=3, farthest=600) == [0, 1, 2]
    assert buckets.take("door", tokens=10, rate=2, burst=10).granted == 10


def test_even_the_smallest_part_gets_a_token_now_and_then(wait) -> None:
    buckets = LocalBuckets(processes=10)
    slow = Bucket("slow", rate=1, burst=2, kept=1)
    assert [buckets.take_up_to([slow], tokens=5) for _ in range(2)] == [1, 0]
    wait(10)
    assert buckets.take_up_to([slow], tokens=5) == 1


def test_a_process_that_takes_over_begins_with_empty_buckets_but_open_doors(wait) -> None:
    buckets = LocalBuckets(full=False)
    assert buckets.take_up_to([FULL], tokens=20) == 0
    assert buckets.take_slots(Bucket("stream", rate=2, burst=2), count=2, farthest=600) == [0.5, 1]
    assert buckets.take("door", tokens=10, rate=2, burst=10).granted == 10
    wait(2)
    assert buckets.take_up_to([FULL], tokens=20) == 4


def test_slots_go_on_where_the_last_ones_ended(wait) -> None:
    buckets = LocalBuckets()
    stream = Bucket("stream", rate=2, burst=2)
    assert buckets.take_slots(stream, count=4, farthest=600) == [0, 0, 0.5, 1]
    assert buckets.take_slots(stream, count=2, farthest=600) == [1.5, 2]
    wait(1)
    assert buckets.take_slots(stream, count=4, farthest=600) == [0, 0, 1.5, 2]
    assert buckets.take_slots(stream, count=9, farthest=3)[-3:] == [3, 3, 3]
