"""At most so many in any minute, hour or day; the rows decide."""

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
import time_machine

from mailgrid.core.windows import DAY, HOUR, MINUTE, LocalWindows, Taken, Window

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
def clock() -> Iterator[Any]:
    """`clock.shift(seconds)`; `clock()` is the time."""
    with time_machine.travel(NOON, tick=False) as traveller:
        yield traveller


class Journal:
    """Rows, and how often they were counted."""

    def __init__(self) -> None:
        self.rows: list[float] = []
        self.asked = 0

    def recount(self, since: float, slot_seconds: int) -> Mapping[int, int]:
        self.asked += 1
        return Counter(int(at // slot_seconds) for at in self.rows if at >= since)


class Sender:
    """A process that takes places and commits what it sends."""

    def __init__(self, journal: Journal, *, processes: int = 1, **limits: int) -> None:
        names = {"minute": MINUTE, "hour": HOUR, "day": DAY}
        self.limits: dict[Window, int] = {names[name]: limit for name, limit in limits.items()}
        self.windows = LocalWindows(processes=processes)
        self.journal = journal

    def take(self, places: int) -> Taken:
        return self.windows.take_up_to("a", self.limits, places=places, recount=self.journal.recount)

    def send(self, places: int) -> int:
        granted = self.take(places).granted
        self.journal.rows += [datetime.now(UTC).timestamp()] * granted
        return granted

    def give_back(self, places: int) -> None:
        self.windows.give_back("a", self.limits, places=places)


def test_a_limit_may_be_used_up_at_once(clock) -> None:
    sender = Sender(Journal(), day=120)
    assert [sender.send(50) for _ in range(4)] == [50, 50, 20, 0]


@pytest.mark.parametrize(
    ("limits", "seconds", "slot"),
    [({"minute": 10}, 60, 1), ({"hour": 10}, 3_600, 60), ({"day": 10}, 86_400, 900)],
    ids=["minute", "hour", "day"],
)
def test_a_place_is_free_when_its_slot_has_left_the_window(clock, limits, seconds, slot) -> None:
    sender = Sender(Journal(), **limits)
    assert sender.send(20) == 10
    clock.shift(seconds)
    assert sender.send(20) == 0
    clock.shift(slot)
    assert sender.send(20) == 10


def test_places_become_free_as_they_were_taken(clock) -> None:
    sender = Sender(Journal(), hour=10)
    for _ in range(2):
        assert sender.send(4) == 4
        clock.shift(600)
    assert sender.send(50) == 2
    clock.shift(3_600 - 1_200 + 60)
    assert [sender.send(50) for _ in range(2)] == [4, 0]
    clock.shift(600)
    assert sender.send(50) == 4


def test_in_no_window_are_there_more_than_its_limit(clock) -> None:
    journal = Journal()
    sender = Sender(journal, minute=7, hour=30)
    for step in range(400):
        sender.send(step % 5)
        clock.shift(13)
    for seconds, limit in ((60, 7), (3_600, 30)):
        most = max(sum(at - seconds < other <= at for other in journal.rows) for at in journal.rows)
        assert most == limit


def test_all_windows_of_a_limit_must_have_room(clock) -> None:
    sender = Sender(Journal(), minute=30, hour=40)
    assert [sender.send(50) for _ in range(2)] == [30, 0]
    clock.shift(61)
    assert [sender.send(50) for _ in range(2)] == [10, 0]


def test_whoever_gets_less_learns_that_the_limit_is_reached(clock) -> None:
    sender = Sender(Journal(), day=3)
    assert sender.take(5) == Taken(3, exhausted=True)
    assert sender.take(1) == Taken(0, exhausted=True)


class TestTheRowsDecide:
    def test_a_process_that_starts_counts_what_was_sent_before(self, clock) -> None:
        journal = Journal()
        assert Sender(journal, day=10).send(7) == 7
        assert Sender(journal, day=10).send(7) == 3
        assert Sender(journal, day=10).send(7) == 0

    def test_they_are_asked_once_and_again_after_ten_minutes(self, clock) -> None:
        sender = Sender(Journal(), day=1_000)
        for _ in range(10):
            sender.send(5)
            clock.shift(59)
        assert sender.journal.asked == 1
        clock.shift(10)
        sender.send(5)
        assert sender.journal.asked == 2

    def test_they_are_asked_after_a_minute_before_anybody_is_turned_away(self, clock) -> None:
        sender = Sender(Journal(), day=10)
        assert sender.take(10).granted == 10
        assert [sender.take(10).granted for _ in range(5)] == [0] * 5
        assert sender.journal.asked == 1
        clock.shift(60)
        sender.take(1)
        assert sender.journal.asked == 2

    def test_places_that_a_crash_left_behind_are_free_again_when_no_row_can_come(self, clock) -> None:
        sender = Sender(Journal(), day=10)
        assert sender.take(10).granted == 10  # and nothing was committed
        clock.shift(120)
        assert sender.send(10) == 0  # perhaps it still will be
        clock.shift(900)
        assert sender.send(20) == 10

    def test_places_that_nobody_took_here_are_found(self, clock) -> None:
        sender = Sender(Journal(), day=10)
        assert sender.send(1) == 1
        sender.journal.rows += [NOON.timestamp()] * 4  # sent while there was no limit
        clock.shift(900 + 120)
        assert sender.send(10) == 5

    def test_a_look_takes_nothing_and_spares_the_next_one_the_question(self, clock) -> None:
        sender = Sender(Journal(), day=10, hour=10)
        sender.windows.look("a", sender.limits, places=10, recount=sender.journal.recount)
        assert sender.journal.asked == 2
        assert sender.take(10) == Taken(10, exhausted=True)
        assert sender.journal.asked == 2


class TestGivingBack:
    def test_what_is_given_back_may_be_taken_again(self, clock) -> None:
        sender = Sender(Journal(), day=10)
        sender.take(10)
        sender.give_back(4)
        assert sender.take(10).granted == 4

    def test_it_comes_from_the_newest_slots_and_leaves_no_debt(self, clock) -> None:
        sender = Sender(Journal(), minute=10)
        sender.take(3)
        clock.shift(30)
        sender.take(3)
        clock.shift(1)
        sender.give_back(4)
        assert sender.take(10).granted == 8
        sender.give_back(8)
        clock.shift(32)  # the two that are left were taken at the beginning
        assert sender.take(20).granted == 10

    def test_never_more_than_was_taken(self, clock) -> None:
        sender = Sender(Journal(), day=10)
        sender.take(2)
        sender.give_back(9)
        assert sender.take(20).granted == 10


class TestOneOfSeveral:
    def test_it_takes_its_part_of_what_the_rows_leave_free(self, clock) -> None:
        journal = Journal()
        journal.rows += [NOON.timestamp()] * 20
        senders = [Sender(journal, processes=4, day=100) for _ in range(4)]
        assert [sender.take(50) for sender in senders] == [Taken(20, exhausted=False)] * 4

    def test_what_the_others_sent_is_news_every_minute(self, clock) -> None:
        journal = Journal()
        senders = [Sender(journal, processes=2, day=100) for _ in range(2)]
        for _ in range(20):
            for sender in senders:
                sender.send(50)
            clock.shift(60)
        assert 90 <= len(journal.rows) <= 100

    def test_it_knows_when_the_limit_is_really_reached(self, clock) -> None:
        journal = Journal()
        journal.rows += [NOON.timestamp()] * 100
        assert Sender(journal, processes=4, day=100).take(1) == Taken(0, exhausted=True)
