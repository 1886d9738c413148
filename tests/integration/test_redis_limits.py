"""Buckets, slots and windows that threads and processes share through Redis."""

import multiprocessing
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from redis import Redis

from mailgrid.core.ratelimit import Bucket, limiter
from mailgrid.core.shared import shared
from mailgrid.core.windows import DAY, HOUR, MINUTE, Taken, Window
from tests.integration.redis_server import restart
from tests.live import wait_until

pytestmark = pytest.mark.services

SLOW = 1e-6  # tokens per second: a bucket that does not fill while a test runs
FORK = multiprocessing.get_context("fork")


def in_threads(work: Callable[[], Any], count: int = 8) -> list[Any]:
    """What each of `count` threads gets from `work`, all begun at once."""
    start = threading.Barrier(count)

    def one() -> Any:
        start.wait()
        return work()

    with ThreadPoolExecutor(count) as threads:
        return [future.result() for future in [threads.submit(one) for _ in range(count)]]


def in_processes(work: Callable[[], Any], count: int = 2) -> list[Any]:
    """What each of `count` forked processes gets from `work`, all begun at once."""
    start, results = FORK.Barrier(count), FORK.Queue()

    def one() -> None:
        start.wait()
        results.put(work())

    processes = [FORK.Process(target=one) for _ in range(count)]
    for process in processes:
        process.start()
    answers = [results.get(timeout=60) for _ in processes]
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    return answers


def keys(fleet: Redis) -> list[str]:
    """Everything of this test that lies in Redis."""
    return sorted(fleet.scan_iter(f"{shared()._prefix}*"))


class TestBuckets:
    def test_at_a_door_all_tokens_are_taken_or_none(self, fleet):
        grants = [limiter().take("door", tokens=tokens, rate=SLOW, burst=10) for tokens in (6, 5, 4, 1)]
        assert [grant.granted for grant in grants] == [6, 0, 4, 0]
        assert [round(grant.remaining, 3) for grant in grants] == [4, 4, 0, 0]
        assert grants[1].retry_after == pytest.approx(1 / SLOW, rel=0.01)
        assert grants[2].full_in == pytest.approx(10 / SLOW, rel=0.01)

    def test_of_a_pace_as_many_whole_tokens_are_taken_as_there_are(self, fleet):
        bucket = Bucket("pace", rate=SLOW, burst=10.5)
        assert [limiter().take_up_to([bucket], tokens=7) for _ in range(3)] == [7, 3, 0]

    def test_of_several_buckets_the_emptiest_decides_and_all_are_charged(self, fleet):
        large, small = Bucket("large", SLOW, 10), Bucket("small", SLOW, 4)
        assert limiter().take_up_to([large, small], tokens=7) == 4
        assert limiter().take_up_to([large], tokens=7) == 6
        assert limiter().take_up_to([large, small], tokens=7) == 0

    def test_all_buckets_of_an_account_are_asked_in_one_round_trip(self, fleet):
        buckets = [Bucket(f"b{number}", SLOW, 10) for number in range(4)]
        limiter().take_up_to(buckets, tokens=1)  # the script is known from here on
        with fleet.monitor() as monitor:
            limiter().take_up_to(buckets, tokens=1)
            fleet.set("the-end", 1)
            seen: list[str] = []
            for command in monitor.listen():
                if command["client_type"] != "lua":
                    seen.append(command["command"].split()[0])
                if "the-end" in command["command"]:
                    break
        assert seen == ["EVALSHA", "SET"]

    def test_immediate_mail_finds_its_reserve(self, fleet):
        others = Bucket("pace", SLOW, 10, kept=2)
        assert [limiter().take_up_to([others], tokens=50) for _ in range(2)] == [8, 0]
        assert limiter().take_up_to([Bucket("pace", SLOW, 10)], tokens=50) == 2

    def test_what_is_given_back_never_overflows(self, fleet):
        bucket = Bucket("pace", SLOW, 10)
        limiter().take_up_to([bucket], tokens=4)
        limiter().give_back([bucket], tokens=3)
        assert limiter().take_up_to([bucket], tokens=20) == 9
        limiter().give_back([bucket, Bucket("never seen", SLOW, 1)], tokens=300)
        assert limiter().take_up_to([bucket], tokens=20) == 10

    def test_a_bucket_fills_at_its_rate(self, fleet):
        bucket = Bucket("pace", rate=200, burst=5)
        assert limiter().take_up_to([bucket], tokens=5) == 5
        wait_until(lambda: limiter().take_up_to([bucket], tokens=5) == 5)

    def test_eight_threads_never_take_more_than_there_is(self, fleet):
        bucket = Bucket("pace", SLOW, 500)

        def work() -> int:
            return sum(limiter().take_up_to([bucket], tokens=3) for _ in range(50))

        assert sum(in_threads(work)) == 500

    def test_two_processes_never_take_more_than_there_is(self, fleet):
        limiter().take(
            "door", tokens=1, rate=SLOW, burst=301
        )  # with a connection that the fork must not share

        def take() -> int:
            return sum(limiter().take("door", tokens=1, rate=SLOW, burst=301).granted > 0 for _ in range(200))

        taken = in_processes(lambda: sum(in_threads(take, 2)))
        assert sum(taken) == 300
        assert limiter().take("door", tokens=1, rate=SLOW, burst=301).granted == 0

    def test_a_bucket_that_is_full_again_leaves_nothing_behind(self, fleet):
        limiter().take("door", tokens=1, rate=100, burst=5)
        limiter().take_up_to([Bucket("pace", 100, 5)], tokens=1)
        limiter().take_slots(Bucket("stream", 100, 1), count=3, farthest=60)
        wait_until(lambda: keys(fleet) == [])

    def test_one_that_fills_slowly_is_kept_for_as_long(self, fleet):
        limiter().take("door", tokens=5, rate=0.01, burst=10)
        (key,) = keys(fleet)
        assert 490 < fleet.ttl(key) <= 500

    def test_a_server_that_has_forgotten_the_scripts_gets_them_again(self, fleet):
        bucket = Bucket("pace", SLOW, 10)
        assert limiter().take_up_to([bucket], tokens=4) == 4
        fleet.script_flush()
        assert limiter().take_up_to([bucket], tokens=20) == 6

    def test_a_wrong_clock_of_a_machine_moves_nothing(self, fleet):
        bucket = Bucket("pace", 0.001, 10)
        assert limiter().take_up_to([bucket], tokens=20) == 10
        with time_machine.travel(datetime.now(UTC) + timedelta(days=30)):
            restart()
            assert limiter().take_up_to([bucket], tokens=20) == 0

    def test_a_bucket_whose_limit_was_lowered_holds_no_more_than_that(self, fleet):
        assert limiter().take_up_to([Bucket("pace", SLOW, 100)], tokens=10) == 10
        assert limiter().take_up_to([Bucket("pace", SLOW, 20)], tokens=90) == 20


class TestSlots:
    def test_a_stream_sends_its_rate_and_the_rest_get_a_slot_each(self, fleet):
        stream = Bucket("stream", rate=0.5, burst=2)
        waits = limiter().take_slots(stream, count=5, farthest=600)
        assert waits[:2] == [0, 0]
        assert [round(wait, 1) for wait in waits[2:]] == [2, 4, 6]
        later = limiter().take_slots(stream, count=2, farthest=600)
        assert [round(wait) for wait in later] == [8, 10]

    def test_no_slot_lies_farther_ahead_than_asked(self, fleet):
        waits = limiter().take_slots(Bucket("stream", 0.1, 1), count=40, farthest=60)
        assert [round(wait) for wait in waits[-3:]] == [60, 60, 60]

    def test_processes_never_give_out_the_same_slot(self, fleet):
        stream = Bucket("stream", rate=1, burst=4)
        began = fleet.time()[0]

        def work() -> int:
            return sum(limiter().take_slots(stream, count=4, farthest=600).count(0) for _ in range(5))

        at_once = sum(sum(own) for own in in_processes(lambda: in_threads(work, 2)))
        assert at_once >= 4
        (key,) = keys(fleet)  # a second lies between any two of those who wait
        assert float(fleet.hget(key, "last") or 0) > began + (2 * 2 * 5 * 4 - at_once) - 1


NAMES: dict[str, Window] = {"minute": MINUTE, "hour": HOUR, "day": DAY}


class Sender:
    """Who takes places of one limit, and the rows that the fleet has committed."""

    def __init__(self, **limits: int) -> None:
        self.limits = {NAMES[name]: limit for name, limit in limits.items()}
        self.rows: list[float] = []
        self.asked = 0

    def recount(self, since: float, slot_seconds: int) -> Mapping[int, int]:
        self.asked += 1
        return Counter(int(at // slot_seconds) for at in self.rows if at >= since)

    def take(self, places: int) -> Taken:
        return limiter().windows.take_up_to("a", self.limits, places=places, recount=self.recount)

    def sent(self, count: int, *, ago: float = 0) -> None:
        """Rows appear."""
        self.rows += [datetime.now(UTC).timestamp() - ago] * count


def make_old(fleet: Redis, *, seconds: float) -> None:
    """The counts are as they would be, had nobody asked the rows for so long."""
    for key in keys(fleet):
        fleet.hset(key, "checked", float(fleet.hget(key, "checked") or 0) - seconds)


class TestWindows:
    def test_a_limit_may_be_used_up_at_once_and_then_it_is_reached(self, fleet):
        sender = Sender(day=120)
        assert [sender.take(50) for _ in range(4)] == [
            Taken(50, exhausted=False),
            Taken(50, exhausted=False),
            Taken(20, exhausted=True),
            Taken(0, exhausted=True),
        ]
        assert sender.asked == 1

    def test_all_windows_of_a_limit_must_have_room(self, fleet):
        sender = Sender(minute=30, hour=70, day=40)
        assert [sender.take(50).granted for _ in range(2)] == [30, 0]
        assert sender.asked == 3

    def test_a_place_is_free_when_its_slot_has_left_the_window(self, fleet):
        sender = Sender(minute=10)
        sender.sent(4, ago=62)
        sender.sent(3, ago=30)
        assert sender.take(20).granted == 7

    def test_a_slot_that_has_left_the_window_is_dropped(self, fleet):
        sender = Sender(minute=10)
        assert sender.take(10).granted == 10
        (key,) = keys(fleet)
        (slot,) = {*fleet.hkeys(key)} - {"checked"}
        fleet.hdel(key, slot)
        fleet.hset(key, str(int(slot) - 62), 10)
        assert sender.take(20).granted == 10
        assert str(int(slot) - 62) not in fleet.hkeys(key)

    def test_it_begins_with_what_the_rows_say(self, fleet):
        sender = Sender(hour=50, day=100)
        sender.sent(80, ago=7_200)
        sender.sent(15, ago=1_800)
        assert sender.take(50).granted == 5

    def test_after_a_flush_it_never_counts_from_zero_again(self, fleet):
        sender = Sender(day=100)
        assert sender.take(60).granted == 60
        sender.sent(60)
        fleet.delete(*keys(fleet))
        assert [sender.take(60) for _ in range(2)] == [Taken(40, exhausted=True), Taken(0, exhausted=True)]

    def test_eight_threads_never_take_more_than_there_is(self, fleet):
        sender = Sender(day=500, hour=1_000)
        assert sum(in_threads(lambda: sum(sender.take(3).granted for _ in range(50)))) == 500

    def test_processes_that_count_at_the_same_time_do_not_count_twice(self, fleet):
        sender = Sender(day=301)
        sender.sent(100, ago=60)

        def work() -> int:
            return sum(sender.take(2).granted for _ in range(100))

        assert sum(in_processes(lambda: sum(in_threads(work, 2)))) == 201

    def test_what_is_given_back_may_be_taken_again(self, fleet):
        sender = Sender(minute=10, day=10)
        sender.take(10)
        limiter().windows.give_back("a", sender.limits, places=4)
        assert sender.take(10).granted == 4
        limiter().windows.give_back("a", sender.limits, places=400)
        assert sender.take(20).granted == 10

    def test_a_look_takes_nothing_and_spares_the_next_one_the_question(self, fleet):
        sender = Sender(day=10)
        limiter().windows.look("a", sender.limits, places=10, recount=sender.recount)
        assert (sender.take(10), sender.asked) == (Taken(10, exhausted=False), 1)

    def test_before_anybody_is_turned_away_the_rows_are_asked_again(self, fleet):
        sender = Sender(hour=10)
        assert sender.take(10).granted == 10
        make_old(fleet, seconds=59)
        assert (sender.take(1).granted, sender.asked) == (0, 1)
        make_old(fleet, seconds=5)
        assert (sender.take(1).granted, sender.asked) == (0, 2)  # what was taken may still be committed

    def test_of_the_last_two_minutes_the_rows_know_too_little(self, fleet):
        sender = Sender(hour=10)
        assert sender.take(10).granted == 10
        sender.sent(2)  # of which two are committed
        make_old(fleet, seconds=61)
        assert (sender.take(1).granted, sender.asked) == (0, 2)

    def test_places_that_a_crash_left_behind_are_free_again_when_no_row_can_come(self, fleet):
        sender = Sender(hour=10)
        sender.sent(7, ago=600)
        sender.sent(3, ago=900)
        assert sender.take(1).granted == 0
        sender.rows = sender.rows[:7]  # the others a dead process never wrote
        make_old(fleet, seconds=61)
        assert sender.take(10) == Taken(3, exhausted=True)

    def test_places_that_nobody_took_here_are_found_after_ten_minutes(self, fleet):
        sender = Sender(hour=100)
        assert sender.take(1).granted == 1
        sender.sent(90, ago=600)
        make_old(fleet, seconds=601)
        assert sender.take(50).granted == 9

    def test_a_window_that_nobody_uses_leaves_nothing_behind(self, fleet):
        Sender(minute=10, hour=10, day=10).take(1)
        assert sorted(fleet.ttl(key) for key in keys(fleet)) == [61, 3_660, 87_300]

    def test_a_wrong_clock_of_a_machine_moves_nothing(self, fleet):
        sender = Sender(day=10)
        assert sender.take(20).granted == 10
        with time_machine.travel(datetime.now(UTC) + timedelta(days=3)):
            assert sender.take(20).granted == 0


def test_a_forked_process_has_a_connection_of_its_own(fleet):
    parents = shared()
    assert limiter().take("door", tokens=1, rate=SLOW, burst=10).granted
    assert in_processes(lambda: shared() is parents) == [False, False]
    assert shared() is parents


def test_everything_lies_under_the_prefix_of_the_installation(fleet):
    before = set(fleet.scan_iter("*"))
    limiter().take("door", tokens=1, rate=SLOW, burst=10)
    limiter().take_up_to([Bucket("pace", SLOW, 10)], tokens=1)
    limiter().take_slots(Bucket("stream", SLOW, 10), count=1, farthest=1)
    Sender(day=10).take(1)
    prefix = shared()._prefix
    mine = {key for key in set(fleet.scan_iter("*")) - before if key.startswith(prefix)}
    assert {key.removeprefix(prefix) for key in mine} == {
        "bucket:door",
        "bucket:pace",
        "bucket:stream",
        "window:a:day",
    }
