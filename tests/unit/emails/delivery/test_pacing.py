"""Our speed towards a provider."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
import time_machine

from emails.delivery.pacing import Allowance, allowance, give_back_unsent, take_slots
from emails.models import Transport
from mailgrid.core.bells import Priority
from mailgrid.core.cache import forget_everything

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
HIGH = Priority.HIGH


@pytest.fixture
def frozen(monkeypatch) -> Iterator[Any]:
    """A process whose time stands still until told."""
    with time_machine.travel(NOW, tick=False) as traveller:
        clock = {"now": 1_000.0}
        monkeypatch.setattr("mailgrid.core.ratelimit.time.monotonic", lambda: clock["now"])
        yield lambda seconds: (clock.update(now=clock["now"] + seconds), traveller.shift(seconds))


def account(**limits: Any) -> UUID:
    return Transport.across_tenants.create(name=f"t{uuid4().hex[:8]}", kind="memory", **limits).pk


def grant(accounts: Sequence[UUID], *, wanted: int = 50, priority: Priority = HIGH) -> dict[UUID, int]:
    """What a claim is granted, all of which it uses."""
    return Allowance().grant(accounts, wanted=wanted, priority=priority)


def places(one: UUID, wanted: int) -> tuple[int, bool]:
    """What a claim of an account that rejects gets for its rows, and whether the rest fails."""
    own = Allowance()
    assert own.grant([one], wanted=50, priority=HIGH) == {one: 50}
    taken = own.places(one, wanted)
    return taken.granted, taken.exhausted


class TestAMinute:
    def test_an_account_without_limits_gives_what_is_wanted(self, db):
        one = account()
        assert [grant([one]) for _ in range(2)] == [{one: 50}] * 2

    def test_it_gives_a_tenth_of_a_minute_at_once_and_then_its_rate(self, db, frozen):
        one = account(per_minute=120)
        assert grant([one], priority=Priority.IMMEDIATE) == {one: 12}
        assert grant([one], priority=Priority.IMMEDIATE) == {}
        frozen(2)
        assert grant([one], priority=Priority.IMMEDIATE) == {one: 4}

    @pytest.mark.parametrize("priority", [Priority.HIGH, Priority.MEDIUM, Priority.LOW])
    def test_the_last_fifth_of_a_bucket_is_for_immediate_mail(self, db, frozen, priority):
        one = account(per_minute=100)
        assert grant([one], priority=priority) == {one: 8}
        assert grant([one], priority=priority) == {}
        assert grant([one], priority=Priority.IMMEDIATE) == {one: 2}
        frozen(0.6)  # one token: it fills the reserve first
        assert grant([one], priority=priority) == {}
        assert grant([one], priority=Priority.IMMEDIATE) == {one: 1}

    @pytest.mark.parametrize(("per_minute", "first"), [(1, 1), (12, 1), (15, 1), (20, 1), (30, 2)])
    def test_a_slow_account_keeps_back_no_more_than_it_can(self, db, frozen, per_minute, first):
        one = account(per_minute=per_minute)
        assert grant([one]) == {one: first}

    def test_an_account_without_tokens_keeps_no_other_waiting(self, db, frozen):
        slow, fast = account(per_minute=10), account()
        assert grant([slow, fast]) == {slow: 1, fast: 49}
        assert grant([slow, fast]) == {fast: 50}

    def test_accounts_share_what_is_wanted(self, db, frozen):
        """The first one took all of it, and its backlog kept every other account waiting for ever."""
        first, slow, last = account(), account(per_minute=30), account()
        assert grant([first, slow, last]) == {first: 17, slow: 2, last: 31}
        many = [account() for _ in range(60)]
        assert Counter(grant(many).values()) == {1: 50}

    def test_never_more_than_wanted_in_all(self, db, frozen):
        accounts = [account(per_hour=5), account(per_minute=600), account(per_day=1), account()]
        assert sum(grant(accounts).values()) == 50


class TestHoursAndDays:
    def test_a_day_is_used_up_as_fast_as_its_mail_comes(self, db, frozen):
        one = account(per_day=120)
        assert [grant([one]) for _ in range(4)] == [{one: 50}, {one: 50}, {one: 20}, {}]

    def test_the_tightest_limit_counts_and_the_others_get_theirs_back(self, db, frozen):
        one = account(per_minute=6_000, per_hour=30, per_day=20)
        assert grant([one]) == {one: 20}
        Transport.across_tenants.update(per_day=None)
        forget_everything()
        assert grant([one]) == {one: 10}
        Transport.across_tenants.update(per_hour=None)
        forget_everything()
        for _ in range(9):  # of the 600 in the bucket 30 are used, and 120 reserved
            assert grant([one]) == {one: 50}
        assert grant([one]) == {}

    def test_limits_that_were_lowered_hold_at_once(self, db, frozen):
        one = account(per_day=100)
        assert grant([one]) == {one: 50}
        Transport.across_tenants.update(per_day=30)
        forget_everything()
        assert grant([one]) == {}

    def test_accounts_do_not_share_their_places(self, db, frozen):
        first, second = account(per_day=1), account(per_day=1)
        assert grant([first, second]) == {first: 1, second: 1}


class TestReject:
    def test_everything_is_claimed_and_what_has_no_place_is_told_so(self, db, frozen):
        one = account(per_hour=70, over_limit="reject")
        assert [places(one, 50) for _ in range(3)] == [(50, False), (20, True), (0, True)]

    def test_mail_does_not_fail_for_coming_together(self, db, frozen):
        one = account(per_minute=60, over_limit="reject")
        assert places(one, 50) == (50, False)
        assert places(one, 50) == (10, True)
        frozen(61)
        assert places(one, 50) == (50, False)

    def test_without_a_limit_nothing_fails(self, db, frozen):
        one = account(over_limit="reject")
        assert [places(one, 50) for _ in range(20)] == [(50, False)] * 20

    def test_an_account_that_defers_has_given_its_places_already(self, db, frozen):
        one = account(per_day=3)
        own = Allowance()
        assert own.grant([one], wanted=50, priority=HIGH) == {one: 3}
        assert own.places(one, 3).granted == 3
        assert grant([one]) == {}


class TestWhatIsNotUsed:
    def test_it_goes_back_at_the_end_of_the_claim(self, db, frozen):
        one = account(per_minute=120, per_hour=7)
        with allowance() as own:
            assert own.grant([one], wanted=50, priority=HIGH) == {one: 7}
            own.use([one, one])
        assert grant([one]) == {one: 5}
        assert grant([one]) == {}

    def test_it_goes_back_when_the_claim_fails(self, db, frozen):
        deferring, rejecting = account(per_hour=7), account(per_hour=9, over_limit="reject")
        with suppress(ZeroDivisionError), allowance() as own:
            own.grant([deferring, rejecting], wanted=50, priority=HIGH)
            own.places(rejecting, 5)
            raise ZeroDivisionError
        assert grant([deferring]) == {deferring: 7}
        assert places(rejecting, 50) == (9, True)

    def test_mail_that_was_provably_not_sent_frees_its_place_but_no_token(self, db, frozen):
        one, other = account(per_minute=120, per_day=9), account(per_day=9)
        assert grant([one, other]) == {one: 9, other: 9}
        give_back_unsent([one, one, other])
        frozen(30)
        assert grant([one, other]) == {one: 2, other: 1}

    def test_no_more_comes_back_than_was_taken(self, db, frozen):
        one = account(per_day=9)
        assert grant([one], wanted=2) == {one: 2}
        give_back_unsent([one] * 5)
        assert grant([one]) == {one: 9}


class TestStreams:
    def slots(self, stream: UUID, rate: float | None, count: int) -> list[datetime | None]:
        return take_slots(stream, rate, count=count, now=NOW)

    def test_a_stream_without_a_rate_never_waits(self):
        assert all(self.slots(uuid4(), rate, 2) == [None, None] for rate in (None, 0, 0.0))

    def test_it_sends_its_rate_and_the_rest_get_a_slot_each(self, frozen):
        slots = self.slots(uuid4(), 2.0, 6)
        assert slots[:2] == [None, None]
        late = [slot for slot in slots if slot]
        assert [slot - NOW for slot in late] == [timedelta(seconds=n / 2) for n in (1, 2, 3, 4)]

    def test_a_backlog_comes_back_row_by_row_whatever_the_batches(self, frozen):
        stream = uuid4()
        late = [slot - NOW for _ in range(60) for slot in self.slots(stream, 10.0, 50) if slot]
        assert len(set(late)) == 2_990
        assert timedelta(seconds=298) < max(late) <= timedelta(seconds=300)

    def test_no_slot_lies_so_far_ahead_that_a_change_goes_unnoticed(self, frozen):
        slots = self.slots(uuid4(), 1.0, 2_000)
        assert max(slot for slot in slots if slot) == NOW + timedelta(minutes=10)

    def test_a_stream_slower_than_one_a_second(self, frozen):
        stream = uuid4()
        assert self.slots(stream, 0.1, 2) == [None, NOW + timedelta(seconds=10)]
        frozen(10)
        assert self.slots(stream, 0.1, 1) == [None]

    def test_streams_do_not_share_their_slots(self, frozen):
        assert [self.slots(uuid4(), 1.0, 1) for _ in range(5)] == [[None]] * 5
