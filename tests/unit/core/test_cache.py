"""Facts remembered for a few seconds, and never too many."""

from datetime import UTC, datetime

import time_machine

from mailgrid.core.cache import BriefCache

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def cache(size: int = 3) -> BriefCache[str, int]:
    return BriefCache(seconds=5, size=size)


def test_a_value_is_found_until_it_is_too_old() -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        kept = cache()
        assert kept.get("a") is None
        kept.put("a", 1)
        clock.shift(4.9)
        assert kept.get("a") == 1
        clock.shift(0.1)
        assert kept.get("a") is None


def test_a_clock_set_back_does_not_prolong_it() -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        kept = cache()
        kept.put("a", 1)
        clock.shift(-3600)
        assert kept.get("a") is None


def test_putting_it_again_makes_it_young() -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        kept = cache()
        kept.put("a", 1)
        clock.shift(4)
        kept.put("a", 2)
        clock.shift(4)
        assert kept.get("a") == 2


def test_the_oldest_make_room() -> None:
    kept = cache(size=2)
    for key, value in (("a", 1), ("b", 2), ("a", 3), ("c", 4)):
        kept.put(key, value)
    assert [kept.get(key) for key in "abc"] == [3, None, 4]


def test_what_is_forgotten_is_gone() -> None:
    kept = cache()
    kept.put("a", 1)
    kept.forget("a")
    kept.forget("never there")
    assert kept.get("a") is None
