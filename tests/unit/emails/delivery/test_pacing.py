"""Our speed towards a provider."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
import time_machine

from emails.delivery import pacing
from emails.delivery.pacing import take_slot
from emails.models import Transport

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
def frozen(monkeypatch) -> Iterator[Any]:
    """A process whose time stands still until told."""
    with time_machine.travel(NOW, tick=False) as traveller:
        clock = {"now": 1_000.0}
        monkeypatch.setattr("mailgrid.core.ratelimit.time.monotonic", lambda: clock["now"])
        yield lambda seconds: (clock.update(now=clock["now"] + seconds), traveller.shift(seconds))


def account(**limits: Any) -> UUID:
    return Transport.across_tenants.create(name=f"t{uuid4().hex[:8]}", kind="memory", **limits).pk


def test_an_account_without_limits_gives_what_is_wanted(db):
    one = account()
    assert pacing.grant([one], wanted=50) == {one: 50}
    assert pacing.grant([one], wanted=50) == {one: 50}


def test_an_account_gives_a_tenth_of_a_minute_at_once_and_then_its_rate(db, frozen):
    one = account(per_minute=120)
    assert pacing.grant([one], wanted=50) == {one: 12}
    assert pacing.grant([one], wanted=50) == {}
    frozen(2)
    assert pacing.grant([one], wanted=50) == {one: 4}


def test_the_tightest_limit_counts_and_the_others_get_their_tokens_back(db, frozen):
    one = account(per_minute=6_000, per_hour=100, per_day=50)
    assert pacing.grant([one], wanted=50) == {one: 5}
    frozen(3_600)  # two of the day, ten of the hour
    assert pacing.grant([one], wanted=50) == {one: 2}


def test_a_very_slow_account_still_sends(db, frozen):
    one = account(per_day=1)
    assert pacing.grant([one], wanted=50) == {one: 1}
    frozen(86_000)
    assert pacing.grant([one], wanted=50) == {}
    frozen(400)
    assert pacing.grant([one], wanted=50) == {one: 1}


def test_an_account_without_tokens_keeps_no_other_waiting(db, frozen):
    slow, fast = account(per_minute=10), account()
    assert pacing.grant([slow, fast], wanted=50) == {slow: 1, fast: 49}
    assert pacing.grant([slow, fast], wanted=50) == {fast: 50}


def test_accounts_share_what_is_wanted(db, frozen):
    """The first one took all of it, and its backlog kept every other account waiting for ever."""
    first, slow, last = account(), account(per_minute=30), account()
    assert pacing.grant([first, slow, last], wanted=50) == {first: 17, slow: 3, last: 30}
    many = [account() for _ in range(60)]
    assert Counter(pacing.grant(many, wanted=50).values()) == {1: 50}


def test_never_more_than_wanted_in_all(db, frozen):
    accounts = [account(), account(per_minute=600), account()]
    granted = pacing.grant(accounts, wanted=50)
    assert sum(granted.values()) == 50


def test_tokens_that_nobody_used_come_back(db, frozen):
    one = account(per_minute=120, per_hour=7_200)
    assert pacing.grant([one], wanted=50) == {one: 12}
    pacing.give_back(one, unused=7)
    pacing.give_back(one, unused=0)
    assert pacing.grant([one], wanted=50) == {one: 7}


def test_a_stream_without_a_rate_never_waits():
    assert all(take_slot(uuid4(), rate, now=NOW) is None for rate in (None, 0, 0.0))


def test_a_stream_sends_its_rate_and_the_rest_get_a_slot_each(frozen):
    stream = uuid4()
    slots = [take_slot(stream, 2.0, now=NOW) for _ in range(6)]
    assert slots[:2] == [None, None]
    late = [slot for slot in slots if slot]
    assert late == sorted(set(late))
    assert [slot - NOW for slot in late] == [timedelta(seconds=n / 2) for n in (1, 2, 3, 4)]


def test_a_backlog_comes_back_row_by_row_whatever_the_batches(frozen):
    stream = uuid4()
    slots = [take_slot(stream, 10.0, now=NOW) for _ in range(3_000)]
    late = [slot - NOW for slot in slots if slot]
    assert len(set(late)) == 2_990
    assert timedelta(seconds=298) < max(late) <= timedelta(seconds=300)


def test_no_slot_lies_so_far_ahead_that_a_change_goes_unnoticed(frozen):
    stream = uuid4()
    slots = [take_slot(stream, 1.0, now=NOW) for _ in range(2_000)]
    assert max(slot for slot in slots if slot) == NOW + timedelta(minutes=10)


def test_a_stream_slower_than_one_a_second(frozen):
    stream = uuid4()
    assert take_slot(stream, 0.1, now=NOW) is None
    assert take_slot(stream, 0.1, now=NOW) == NOW + timedelta(seconds=10)
    frozen(10)
    assert take_slot(stream, 0.1, now=NOW) is None


def test_streams_do_not_share_their_slots(frozen):
    assert [take_slot(uuid4(), 1.0, now=NOW) for _ in range(5)] == [None] * 5
