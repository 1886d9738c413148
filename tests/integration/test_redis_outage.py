"""Redis killed, hung, emptied and back again: slower, never open, never closed, and no count begins anew."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from prometheus_client import REGISTRY
from redis import Redis

from mailgrid.core import shared
from mailgrid.core.ratelimit import Bucket, limiter
from mailgrid.core.windows import DAY, Taken
from tenants.quotas.services import DailyQuotaExceeded
from tests.integration.redis_server import OwnRedis, restart
from tests.integration.test_redis_limits import SLOW, in_threads
from tests.integration.test_redis_quotas import MIDNIGHT, left, spend, tenant
from tests.journeys.conftest_tenants import Counted
from tests.live import wait_until

pytestmark = pytest.mark.services

PACE = Bucket("pace", rate=SLOW, burst=10)


def errors() -> float:
    """Questions to Redis that failed so far."""
    return REGISTRY.get_sample_value("mailgrid_redis_errors_total") or 0


def is_away() -> bool:
    return REGISTRY.get_sample_value("mailgrid_redis_away") == 1


@pytest.fixture
def server(own_redis: OwnRedis, use_redis: Callable[[str], Any], monkeypatch) -> Iterator[OwnRedis]:
    """A Redis of our own that this process uses; its absence is forgiven soon."""
    monkeypatch.setattr(shared, "_FIRST_PAUSE", 0.05)
    monkeypatch.setattr(shared, "_LONGEST_PAUSE", 0.1)
    use_redis(own_redis.url).close()
    yield own_redis
    own_redis.wake()


def back() -> None:
    """Wait until Redis answers this process again."""

    def asked() -> bool:
        limiter().take("ask", tokens=1, rate=1, burst=1)
        return not is_away()

    wait_until(asked)


def nobody_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Until told otherwise, this process goes on without it."""
    monkeypatch.setattr(shared.shared(), "_next_try", float("inf"))


def recount(rows: list[float]) -> Callable[[float, int], Mapping[int, int]]:
    return lambda since, slot: Counter(int(at // slot) for at in rows if at >= since)


class TestTheBreaker:
    def test_a_dead_redis_is_asked_once_and_not_by_every_request(self, server, monkeypatch):
        monkeypatch.setattr(shared, "_FIRST_PAUSE", 600.0)
        server.kill()
        before = errors()
        for _ in range(200):
            limiter().take("door", tokens=1, rate=1, burst=1_000)
        assert errors() - before == 1
        assert is_away()

    def test_a_hung_redis_holds_up_one_caller_at_a_time(self, server, monkeypatch):
        limiter().take("door", tokens=1, rate=1, burst=1_000)
        server.hang()
        limiter().take("door", tokens=1, rate=1, burst=1_000)
        assert is_away()
        monkeypatch.setattr(shared.shared(), "_pause", 600.0)
        monkeypatch.setattr(shared.shared(), "_next_try", 0.0)
        before = errors()
        in_threads(lambda: limiter().take("door", tokens=1, rate=1, burst=1_000))
        assert errors() - before == 1

    def test_it_grows_to_its_longest_pause_and_ends_with_the_first_answer(self, server, monkeypatch):
        monkeypatch.setattr(shared, "_LONGEST_PAUSE", 0.2)
        one = shared.shared()
        server.kill()
        pauses = []
        for _ in range(4):
            with pytest.raises(shared.Away):
                one.run("return 1", keys=[])
            pauses.append(one._pause)
            monkeypatch.setattr(one, "_next_try", 0.0)
        assert pauses == [0.05, 0.1, 0.2, 0.2]
        server.start()
        assert one.run("return 1", keys=[]) == 1
        assert (one._pause, is_away()) == (0, False)

    def test_what_was_asked_before_it_went_away_says_nothing_new(self, server):
        one = shared.shared()
        one.run("return 1", keys=[])
        server.hang()
        before = errors()

        def ask() -> None:
            with pytest.raises(shared.Away):
                one.run("return 1", keys=[])

        in_threads(ask)
        assert errors() - before == 8
        assert one._pause == 0.05

    def test_a_line_that_the_server_has_closed_is_opened_again_unnoticed(self, server):
        assert shared.shared().run("return 1", keys=[]) == 1
        with Redis.from_url(server.url) as client:
            client.client_kill_filter(_type="normal", skipme=True)
        before = errors()
        assert shared.shared().run("return 2", keys=[]) == 2
        assert errors() == before

    def test_an_answer_that_came_too_late_answers_nothing_else(self, server, monkeypatch):
        one = shared.shared()
        server.hang()
        with pytest.raises(shared.Away):
            one.run("return 'late'", keys=[])
        server.wake()
        monkeypatch.setattr(one, "_next_try", 0.0)
        assert one.run("return 'in time'", keys=[]) == "in time"

    def test_a_server_that_refuses_is_away_too(self, server):
        with Redis.from_url(server.url) as client:
            client.config_set("requirepass", "secret")
        with pytest.raises(shared.Away):
            shared.shared().run("return redis.call('TIME')", keys=[])

    def test_the_next_client_does_not_inherit_what_the_last_one_saw(self, server):
        server.kill()
        with pytest.raises(shared.Away):
            shared.shared().run("return 1", keys=[])
        assert is_away()
        restart()
        shared.shared()
        assert not is_away()


class TestPace:
    def test_slow_neither_open_nor_closed(self, server, settings):
        settings.SENDING_PROCESSES = 4
        assert limiter().take_up_to([PACE], tokens=20) == 10
        server.kill()
        fast = Bucket("fast", rate=400, burst=40)
        assert limiter().take_up_to([fast], tokens=40) == 0  # an empty bucket, not a full one
        began = time.monotonic()
        granted = 0
        while granted < 20:
            granted += limiter().take_up_to([fast], tokens=40)
        assert time.monotonic() - began > 19 / 100  # a quarter of the rate at most
        assert limiter().take_up_to([PACE], tokens=20) == 0

    def test_slots_lie_farther_apart(self, server, settings):
        settings.SENDING_PROCESSES = 4
        server.kill()
        waits = limiter().take_slots(Bucket("stream", rate=4, burst=4), count=3, farthest=600)
        assert waits == pytest.approx([1, 2, 3], abs=0.1)

    def test_back_again_after_a_restart_it_is_one_burst_more(self, server):
        assert limiter().take_up_to([PACE], tokens=20) == 10
        server.kill()
        assert limiter().take_up_to([PACE], tokens=20) == 0
        server.start()
        back()
        assert [limiter().take_up_to([PACE], tokens=20) for _ in range(3)] == [10, 0, 0]

    def test_a_second_absence_begins_with_an_empty_bucket_too(self, server):
        fast = Bucket("fast", rate=100_000, burst=1_000)
        server.kill()
        wait_until(lambda: limiter().take_up_to([fast], tokens=1) == 1)
        server.start()
        back()
        assert limiter().take_up_to([fast], tokens=1) == 1
        server.kill()
        assert limiter().take_up_to([fast], tokens=1_000) == 0


class TestDoors:
    def test_nobody_is_turned_away_for_our_trouble(self, server, settings):
        settings.SENDING_PROCESSES = 50
        server.kill()
        grants = [limiter().take("door", tokens=1, rate=SLOW, burst=100).granted for _ in range(101)]
        assert grants == [1] * 100 + [0]

    def test_mail_is_accepted_and_sent(self, server, acme, api, mail, work):
        server.kill()
        answer = api(acme).post("/api/emails", mail)
        assert answer.status_code == 200
        assert work.deliver()["sent"] == 1
        assert api(acme).get(f"/api/emails/{answer.json()['id']}").json()["status"] == "sent"

    def test_a_wrong_key_is_refused_and_locked_out(self, server, db, api):
        server.kill()
        wrong = api("mg_live_" + "a" * 12 + "_" + "b" * 43)
        codes = [wrong.get("/api/emails").status_code for _ in range(21)]
        assert codes == [403] * 20 + [429]


class TestWindows:
    def test_each_process_takes_its_part_of_what_the_rows_leave(self, server, settings):
        settings.SENDING_PROCESSES = 4
        rows = [datetime.now(UTC).timestamp()] * 20
        server.kill()
        taken = limiter().windows.take_up_to("a", {DAY: 100}, places=50, recount=recount(rows))
        assert taken == Taken(20, exhausted=False)  # what is missing waits, and does not fail

    def test_what_was_sent_meanwhile_is_counted_when_it_returns(self, server, monkeypatch):
        rows: list[float] = []

        def take(places: int) -> Taken:
            return limiter().windows.take_up_to("a", {DAY: 100}, places=places, recount=recount(rows))

        def send(places: int) -> None:
            rows.extend([datetime.now(UTC).timestamp()] * take(places).granted)

        send(30)
        server.hang()  # and keeps what it knows
        send(1)  # this one it will count when it wakes
        nobody_asks(monkeypatch)
        send(39)
        assert (is_away(), len(rows)) == (True, 70)
        server.wake()
        monkeypatch.setattr(shared.shared(), "_next_try", 0.0)
        back()
        send(50)
        assert len(rows) == 100
        assert take(1) == Taken(0, exhausted=True)

    def test_killed_and_started_again_it_never_counts_from_zero(self, server):
        rows = [datetime.now(UTC).timestamp()] * 90

        def take() -> Taken:
            return limiter().windows.take_up_to("a", {DAY: 100}, places=50, recount=recount(rows))

        assert take().granted == 10
        rows += rows[:10]
        server.kill()
        assert take() == Taken(0, exhausted=True)
        server.start()
        back()
        assert take() == Taken(0, exhausted=True)


class TestQuotas:
    @pytest.fixture(autouse=True)
    def _rows(self, settings):
        settings.QUOTA_COUNTER = f"{Counted.__module__}.count_accepted"
        Counted.answers, Counted.asked = {}, []

    def test_a_quota_holds_and_is_counted_from_the_rows(self, server):
        facts = tenant(daily_quota=10)
        spend(facts, 4)
        server.kill()
        Counted.answers = {MIDNIGHT: 4}
        assert left(facts) == 6
        assert spend(facts, 6)
        with pytest.raises(DailyQuotaExceeded):
            spend(facts, 1)

    def test_what_other_processes_accept_meanwhile_is_seen_after_five_seconds(self, server, monkeypatch):
        facts = tenant(daily_quota=10)
        server.kill()
        assert left(facts) == 10
        Counted.answers = {MIDNIGHT: 7}
        assert left(facts) == 10
        clock = time.monotonic() + 5
        monkeypatch.setattr("tenants.quotas.counters.time.monotonic", lambda: clock)
        assert left(facts) == 3

    def test_what_was_accepted_meanwhile_is_counted_when_it_returns(self, server, monkeypatch):
        facts = tenant(daily_quota=10)
        spend(facts, 2)
        Counted.answers = {MIDNIGHT: 2}
        server.hang()  # and keeps its 2
        spend(facts, 1)  # this one it will count when it wakes
        nobody_asks(monkeypatch)
        spend(facts, 4)
        assert is_away()
        Counted.answers = {MIDNIGHT: 7}
        server.wake()
        monkeypatch.setattr(shared.shared(), "_next_try", 0.0)
        back()
        assert left(facts) == 3

    def test_killed_and_started_again_it_never_counts_from_zero(self, server):
        facts = tenant(daily_quota=10)
        spend(facts, 10)
        Counted.answers = {MIDNIGHT: 10}
        server.kill()
        server.start()
        back()
        with pytest.raises(DailyQuotaExceeded):
            spend(facts, 1)


def test_under_load_a_kill_and_a_restart_lose_no_answer(server):
    """Eight threads go on through it: nobody sees an error, and everybody is on Redis again afterwards."""
    stop = threading.Event()

    def work() -> int:
        calls = 0
        while not stop.is_set():
            limiter().take("door", tokens=1, rate=1_000, burst=1_000)
            limiter().take_up_to([PACE], tokens=1)
            calls += 1
        return calls

    def interrupt() -> None:
        try:
            for _ in range(2):
                time.sleep(0.2)
                server.kill()
                wait_until(is_away)
                server.start()
                wait_until(lambda: not is_away())
        finally:
            stop.set()  # else a failure here would never end

    disturbance = threading.Thread(target=interrupt)
    disturbance.start()
    assert min(in_threads(work)) > 0
    disturbance.join(60)
    assert not is_away()
