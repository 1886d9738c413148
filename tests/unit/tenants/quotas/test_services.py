"""Tokens per minute, and recipients per day and month."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Thread

import pytest

from mailgrid.core.ids import uuid7
from tenants.quotas import counters
from tenants.quotas.services import (
    DailyQuotaExceeded,
    MonthlyQuotaExceeded,
    RateLimited,
    allowance_left,
    consume,
    give_back_recipients,
    refund,
    take_recipients,
    take_request,
)
from tenants.tenancy.models import Tenant
from tenants.tenancy.selectors import TenantFacts
from tenants.tenancy.settings import Limits, TenantSettings
from tests.journeys.conftest_tenants import Counted

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
MIDNIGHT = datetime(2026, 11, 22, tzinfo=UTC)
FIRST = datetime(2026, 11, 1, tzinfo=UTC)


def tenant(**limits: int | None) -> TenantFacts:
    return TenantFacts(
        id=uuid7(),
        name="Acme",
        slug="acme",
        status=Tenant.Status.ACTIVE,
        paused=False,
        operator=False,
        limits=Limits(**limits),
        settings=TenantSettings(),
    )


def spend(facts: TenantFacts, count: int, now: datetime = NOON, *, test: bool = False) -> bool:
    return consume(tenant=facts, test=test, count=count, now=now)


def left(facts: TenantFacts, now: datetime = NOON, *, test: bool = False) -> int | None:
    return allowance_left(tenant=facts, test=test, now=now)


class TestRates:
    def test_a_bucket_belongs_to_a_tenant_and_a_mode(self) -> None:
        mine, other = uuid7(), uuid7()
        takes = [(mine, False), (mine, False), (mine, True), (other, False)]
        granted = [
            take_request(tenant_id=tenant_id, test=test, requests_per_minute=1).granted
            for tenant_id, test in takes
        ]
        assert granted == [1, 0, 1, 1]

    def test_recipients_have_a_bucket_of_their_own(self) -> None:
        facts = tenant(recipients_per_minute=100, requests_per_minute=1)
        take_recipients(tenant_id=facts.id, test=False, limits=facts.limits, count=100)
        with pytest.raises(RateLimited) as refused:
            take_recipients(tenant_id=facts.id, test=False, limits=facts.limits, count=50)
        assert refused.value.name == "rate_limit_exceeded"
        assert refused.value.retry_after == pytest.approx(30, abs=1)
        take_recipients(tenant_id=facts.id, test=True, limits=facts.limits, count=100)
        assert take_request(tenant_id=facts.id, test=False, requests_per_minute=1).granted

    def test_all_recipients_are_taken_or_none(self) -> None:
        facts = tenant(recipients_per_minute=100)
        with pytest.raises(RateLimited):
            take_recipients(tenant_id=facts.id, test=False, limits=facts.limits, count=101)
        take_recipients(tenant_id=facts.id, test=False, limits=facts.limits, count=100)

    def test_recipients_that_were_not_accepted_are_given_back(self) -> None:
        facts = tenant(recipients_per_minute=100)
        for _ in range(3):
            take_recipients(tenant_id=facts.id, test=False, limits=facts.limits, count=100)
            give_back_recipients(tenant_id=facts.id, test=False, limits=facts.limits, count=100)


class TestQuotas:
    def test_without_a_quota_nothing_is_counted(self) -> None:
        facts = tenant()
        assert spend(facts, 1_000_000) is False
        assert left(facts) is None
        assert Counted.asked == []

    def test_test_mode_uses_no_quota(self) -> None:
        facts = tenant(daily_quota=1, monthly_quota=1)
        assert spend(facts, 50, test=True) is False
        assert left(facts, test=True) is None
        assert left(facts) == 1

    def test_the_daily_quota_ends_at_midnight_utc(self) -> None:
        facts = tenant(daily_quota=10)
        assert spend(facts, 10) is True
        with pytest.raises(DailyQuotaExceeded) as refused:
            spend(facts, 1)
        assert refused.value.name == "daily_quota_exceeded"
        assert refused.value.retry_after == 12 * 3600
        assert left(facts) == 0
        assert spend(facts, 10, MIDNIGHT + timedelta(days=1))

    @pytest.mark.parametrize(
        ("now", "end"),
        [
            (NOON, datetime(2026, 12, 1, tzinfo=UTC)),
            (datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)),
            (datetime(2028, 2, 29, 5, tzinfo=UTC), datetime(2028, 3, 1, tzinfo=UTC)),
            (datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)),
        ],
    )
    def test_the_monthly_quota_ends_with_the_month_utc(self, now: datetime, end: datetime) -> None:
        facts = tenant(monthly_quota=10)
        assert spend(facts, 10, now)
        with pytest.raises(MonthlyQuotaExceeded) as refused:
            spend(facts, 1, now)
        assert refused.value.name == "monthly_quota_exceeded"
        assert refused.value.retry_after == (end - now).total_seconds()
        with pytest.raises(MonthlyQuotaExceeded):
            spend(facts, 1, end - timedelta(microseconds=1))
        assert spend(facts, 10, end)

    def test_what_does_not_fit_one_quota_is_counted_in_neither(self) -> None:
        facts = tenant(daily_quota=5, monthly_quota=100)
        with pytest.raises(DailyQuotaExceeded):
            spend(facts, 6)
        assert left(facts) == 5
        facts = tenant(daily_quota=100, monthly_quota=5)
        with pytest.raises(MonthlyQuotaExceeded):
            spend(facts, 6)
        assert left(facts) == 5

    def test_the_smaller_allowance_counts(self) -> None:
        facts = tenant(daily_quota=10, monthly_quota=15)
        spend(facts, 8)
        assert left(facts) == 2
        assert left(facts, NOON + timedelta(days=1)) == 7

    def test_a_quota_of_zero_allows_nothing(self) -> None:
        with pytest.raises(DailyQuotaExceeded):
            spend(tenant(daily_quota=0), 1)

    def test_a_refund_frees_what_was_not_accepted(self) -> None:
        facts = tenant(daily_quota=10, monthly_quota=10)
        spend(facts, 10)
        refund(tenant=facts, test=False, count=4, now=NOON)
        assert left(facts) == 4
        refund(tenant=facts, test=True, count=4, now=NOON)
        assert left(facts) == 4

    def test_a_refund_never_frees_more_than_was_used(self) -> None:
        facts = tenant(daily_quota=10)
        spend(facts, 1)
        refund(tenant=facts, test=False, count=5, now=NOON)
        assert left(facts) == 10

    def test_a_refund_of_yesterday_does_not_free_today(self) -> None:
        facts = tenant(daily_quota=10)
        spend(facts, 3)
        tomorrow = NOON + timedelta(days=1)
        spend(facts, 10, tomorrow)
        refund(tenant=facts, test=False, count=3, now=NOON)
        assert left(facts, tomorrow) == 0

    def test_tenants_do_not_share(self) -> None:
        first, second = tenant(daily_quota=1), tenant(daily_quota=1)
        assert spend(first, 1)
        assert spend(second, 1)


class TestLostCounters:
    def test_they_are_rebuilt_from_the_database(self) -> None:
        facts = tenant(daily_quota=10, monthly_quota=100)
        Counted.answers = {MIDNIGHT: 7, FIRST: 60}
        assert left(facts) == 3
        assert sorted(Counted.asked) == sorted([(facts.id, MIDNIGHT), (facts.id, FIRST)])
        spend(facts, 2)
        assert left(facts) == 1
        assert len(Counted.asked) == 2  # asked once, counted since

    def test_a_restart_resets_no_quota(self) -> None:
        facts = tenant(daily_quota=10)
        spend(facts, 10)
        counters.counters.cache_clear()
        Counted.answers = {MIDNIGHT: 10}
        with pytest.raises(DailyQuotaExceeded):
            spend(facts, 1)

    def test_a_quota_that_comes_back_counts_what_was_accepted_meanwhile(self) -> None:
        facts = tenant(daily_quota=10)
        spend(facts, 1)
        spend(replace(facts, limits=Limits(monthly_quota=10)), 5)
        Counted.answers = {MIDNIGHT: 6}
        assert left(facts) == 4

    def test_a_quota_changed_at_once_applies_to_what_is_used(self) -> None:
        facts = tenant(daily_quota=10)
        spend(facts, 8)
        with pytest.raises(DailyQuotaExceeded):
            spend(replace(facts, limits=Limits(daily_quota=5)), 1)
        assert spend(replace(facts, limits=Limits(daily_quota=20)), 12)


def test_many_threads_never_pass_the_quota() -> None:
    facts = tenant(daily_quota=100)
    taken: list[bool] = []

    def work() -> None:
        for _ in range(50):
            try:
                taken.append(spend(facts, 1))
            except DailyQuotaExceeded:
                return

    threads = [Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) == 100
    assert left(facts) == 0
