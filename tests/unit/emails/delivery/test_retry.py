"""When to try again: never too soon, never for ever, never in step."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emails.delivery.ports import ErrorClass
from emails.delivery.retry import SCHEDULES, delay

KINDS = st.sampled_from(sorted(SCHEDULES))
LOTS = st.floats(min_value=0, max_value=1, exclude_max=True)


def test_every_class_that_is_not_settled_otherwise_has_a_schedule():
    assert set(ErrorClass) - set(SCHEDULES) == {
        ErrorClass.CONTENT,
        ErrorClass.DOUBT,
        ErrorClass.QUOTA,
        ErrorClass.PAUSED,
    }


@given(kind=KINDS, attempts=st.integers(0, 10_000), lot=LOTS)
def test_the_wait_lies_between_half_and_all_of_the_longest(kind, attempts, lot):
    wait = delay(kind, attempts, random=lambda: lot)
    limit = SCHEDULES[kind].attempts
    if limit is not None and attempts >= limit:
        assert wait is None
        return
    longest = SCHEDULES[kind].delays[min(max(attempts, 1), len(SCHEDULES[kind].delays)) - 1]
    assert wait is not None
    assert timedelta(seconds=longest / 2) <= wait <= timedelta(seconds=longest)
    assert wait > timedelta(0)


@given(kind=KINDS, attempts=st.integers(1, 50), lot=LOTS)
def test_the_wait_never_shrinks_from_try_to_try(kind, attempts, lot):
    first, second = (delay(kind, count, random=lambda: lot) for count in (attempts, attempts + 1))
    assert first is None or second is None or first <= second


@pytest.mark.parametrize(
    ("kind", "counts", "attempts"),
    [
        ("throttled", False, None),
        ("auth", False, None),
        ("identity", True, 5),
        ("network", True, None),
        ("bug", True, 3),
    ],
)
def test_what_counts_and_how_often(kind, counts, attempts):
    schedule = SCHEDULES[ErrorClass(kind)]
    assert (schedule.counts, schedule.attempts) == (counts, attempts)
    if attempts:
        assert delay(ErrorClass(kind), attempts - 1, random=lambda: 0) is not None
        assert delay(ErrorClass(kind), attempts, random=lambda: 0) is None


def test_the_waits_of_two_deliveries_differ():
    lots = iter((0.1, 0.9))
    first, second = (delay(ErrorClass.NETWORK, 3, random=lambda: next(lots)) for _ in range(2))
    assert first != second
