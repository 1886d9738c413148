"""Hits wait in a bounded buffer and are recorded together; a click never waits, and never fails."""

import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from django.db import DataError, OperationalError

from emails.tracking import buffer as buffers
from emails.tracking.buffer import AT_ONCE, HitBuffer
from emails.tracking.hits import Hit
from mailgrid.core import metrics
from tests.live import wait_until

NOW = datetime(2026, 11, 25, 20, 0, tzinfo=UTC)
SECONDS = 30  # patience


def hit() -> Hit:
    return Hit(recipient_id=uuid4(), at=NOW, ip="192.0.2.1", user_agent="x")


def dropped(reason: str) -> float:
    return metrics.hits_dropped.labels(reason=reason)._value.get()


class Database:
    """Takes hits in chunks, while it is there, and refuses what is poisoned."""

    def __init__(self) -> None:
        self.taken: list[Hit] = []
        self.chunks: list[int] = []
        self.away = False
        self.poison: set[Hit] = set()
        self.asked = threading.Event()

    def __call__(self, hits: Sequence[Hit], moment: datetime) -> None:
        self.asked.set()
        if self.away:
            raise OperationalError("the database is away")
        if self.poison & set(hits):
            raise DataError("a value that no column takes")
        self.chunks.append(len(hits))
        self.taken += hits


@pytest.fixture
def database() -> Database:
    return Database()


def test_what_was_added_is_recorded_in_order_and_once(database: Database) -> None:
    buffer = HitBuffer(record=database, clock=lambda: NOW)
    hits = [hit() for _ in range(AT_ONCE + 10)]
    assert all(map(buffer.add, hits))
    assert len(buffer) == len(hits)
    for _ in range(2):
        buffer.flush()
    assert database.taken == hits
    assert database.chunks == [AT_ONCE, 10]
    assert len(buffer) == 0


def test_a_full_buffer_drops_what_comes_and_counts_it(database: Database) -> None:
    buffer = HitBuffer(room=3, record=database, clock=lambda: NOW)
    before = dropped("no_room")
    first = [hit() for _ in range(3)]
    assert [buffer.add(one) for one in [*first, hit(), hit()]] == [True, True, True, False, False]
    assert dropped("no_room") - before == 2
    buffer.flush()
    assert database.taken == first
    assert buffer.add(hit())


def test_what_the_database_did_not_take_waits_in_its_order(database: Database) -> None:
    buffer = HitBuffer(record=database, clock=lambda: NOW)
    hits = [hit() for _ in range(5)]
    for one in hits[:3]:
        buffer.add(one)
    database.away = True
    with pytest.raises(OperationalError):
        buffer.flush()
    for one in hits[3:]:
        buffer.add(one)
    database.away = False
    buffer.flush()
    assert database.taken == hits


def test_one_hit_that_cannot_be_recorded_does_not_take_its_neighbours_along(database: Database) -> None:
    buffer = HitBuffer(record=database, clock=lambda: NOW)
    before = dropped("unrecordable")
    hits = [hit() for _ in range(9)]
    database.poison = {hits[4]}
    for one in hits:
        buffer.add(one)
    buffer.flush()
    assert database.taken == [*hits[:4], *hits[5:]]
    assert dropped("unrecordable") - before == 1


def running(buffer: HitBuffer) -> threading.Thread:
    thread = threading.Thread(target=buffer.run, daemon=True)
    thread.start()
    return thread


def test_the_thread_records_by_itself_and_goes_on_after_the_database_was_away(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(buffers, "GATHER_SECONDS", 0.01)
    monkeypatch.setattr(buffers, "REST_SECONDS", 0.01)
    database.away = True
    buffer = HitBuffer(record=database, clock=lambda: NOW)
    thread = running(buffer)
    hits = [hit() for _ in range(50)]
    for one in hits:
        buffer.add(one)
    assert database.asked.wait(SECONDS)
    assert database.taken == []
    database.away = False
    wait_until(lambda: len(database.taken) == len(hits), seconds=SECONDS)
    assert thread.is_alive()
    assert database.taken == hits
    buffer.end()
    thread.join(SECONDS)
    assert not thread.is_alive()


def test_the_end_of_the_process_records_what_is_left(database: Database) -> None:
    buffer = HitBuffer(record=database, clock=lambda: NOW)
    buffer.add(hit())
    buffer.end()
    assert len(database.taken) == 1


def test_the_end_of_the_process_says_what_it_could_not_record(database: Database) -> None:
    buffer = HitBuffer(record=database, clock=lambda: NOW)
    before = dropped("shutdown")
    for _ in range(3):
        buffer.add(hit())
    database.away = True
    buffer.end()
    assert dropped("shutdown") - before == 3


def test_adding_from_many_threads_loses_nothing(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buffers, "GATHER_SECONDS", 0.001)
    buffer = HitBuffer(record=database, clock=lambda: NOW)
    thread = running(buffer)
    adding = [threading.Thread(target=lambda: [buffer.add(hit()) for _ in range(500)]) for _ in range(4)]
    for one in adding:
        one.start()
    for one in adding:
        one.join()
    buffer.end()
    thread.join(SECONDS)
    assert len(database.taken) == len({one.id for one in database.taken}) == 2_000
