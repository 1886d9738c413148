"""Ids rise within a process, whatever the clock does, and never meet those of another."""

import time
from concurrent.futures import ThreadPoolExecutor
from uuid import RFC_4122

from mailgrid.core import ids
from mailgrid.core.ids import uuid7


def milliseconds(id_):
    return id_.int >> 80


def test_an_id_is_a_uuid_of_version_7_that_begins_with_the_time(monkeypatch):
    monkeypatch.setattr(ids, "_last_tick", 0)  # tests before this one have been in the future
    before = time.time_ns() // 1_000_000
    made = uuid7()
    assert before <= milliseconds(made) <= time.time_ns() // 1_000_000
    assert (made.version, made.variant) == (7, RFC_4122)


def test_ids_rise():
    made = [uuid7() for _ in range(5_000)]
    assert made == sorted(set(made))


def test_ids_rise_also_when_the_clock_is_set_back(monkeypatch):
    first = uuid7()
    monkeypatch.setattr(ids.time, "time_ns", lambda: 1_000_000_000)  # 1970
    made = [first, *(uuid7() for _ in range(5_000))]
    assert made == sorted(set(made))
    assert milliseconds(made[-1]) - milliseconds(first) <= 2  # 4,096 of them share a millisecond


def test_threads_share_no_tick(monkeypatch):
    monkeypatch.setattr(ids.time, "time_ns", lambda: 1_800_000_000_000_000_000)
    with ThreadPoolExecutor(8) as threads:
        made = [
            id_ for some in threads.map(lambda _: [uuid7() for _ in range(500)], range(8)) for id_ in some
        ]
    assert len({id_.int >> 64 for id_ in made}) == len(made)


def test_what_is_not_the_time_is_chance(monkeypatch):
    """As in two processes that begin at the same moment."""
    monkeypatch.setattr(ids.time, "time_ns", lambda: 1_800_000_000_000_000_000)
    made = set()
    for _ in range(200):
        monkeypatch.setattr(ids, "_last_tick", 0)
        made.add(uuid7())
    assert len({id_.int >> 64 for id_ in made}) == 1
    assert len(made) == 200
