"""Quota counters that processes share through Redis: never past the quota, never from zero again."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.conf import settings as django_settings
from redis import Redis

from mailgrid.core.ids import uuid7
from tenants.quotas.services import (
    DailyQuotaExceeded,
    MonthlyQuotaExceeded,
    allowance_left,
    consume,
    refund,
)
from tenants.tenancy.models import Tenant
from tenants.tenancy.selectors import TenantFacts
from tenants.tenancy.settings import Limits, TenantSettings
from tests.integration.redis_server import restart
from tests.integration.test_redis_limits import in_processes, in_threads
from tests.journeys.conftest_tenants import Counted

pytestmark = pytest.mark.services

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
MIDNIGHT = datetime(2026, 11, 22, tzinfo=UTC)
FIRST = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _rows(settings: Any) -> None:
    """What the database would say: `Counted.answers`."""
    settings.QUOTA_COUNTER = f"{Counted.__module__}.count_accepted"
    Counted.answers, Counted.asked = {}, []


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


def spend(facts: TenantFacts, count: int, now: datetime = NOON) -> bool:
    return consume(tenant=facts, test=False, count=count, now=now)


def left(facts: TenantFacts, now: datetime = NOON) -> int | None:
    return allowance_left(tenant=facts, test=False, now=now)


def spend_all(facts: TenantFacts) -> int:
    """One by one, until there is nothing left; how many."""
    for spent in range(10_000):
        try:
            spend(facts, 1)
        except DailyQuotaExceeded:
            return spent
    raise AssertionError("no end")


def keys(fleet: Redis, tenant_id: UUID) -> dict[str, int]:
    """A tenant's numbers."""
    prefix = f"{django_settings.REDIS_PREFIX}quota:{tenant_id}:"
    return {key.removeprefix(prefix): int(fleet.get(key) or 0) for key in fleet.scan_iter(f"{prefix}*")}


def test_both_periods_are_counted_or_none(fleet):
    facts = tenant(daily_quota=10, monthly_quota=15)
    assert spend(facts, 8)
    with pytest.raises(DailyQuotaExceeded):
        spend(facts, 3)
    with pytest.raises(MonthlyQuotaExceeded):
        spend(facts, 8, NOON + timedelta(days=1))
    assert keys(fleet, facts.id) == {
        "daily:2026-11-22": 8,
        "daily:2026-11-23": 0,
        "monthly:2026-11-01": 8,
    }
    assert (left(facts), left(facts, NOON + timedelta(days=1))) == (2, 7)


def test_what_one_process_counts_every_process_sees(fleet):
    facts = tenant(daily_quota=10)
    spend(facts, 4)
    restart()
    assert left(facts) == 6
    assert len(Counted.asked) == 1


def test_eight_threads_never_pass_the_quota(fleet):
    facts = tenant(daily_quota=500)
    assert sum(in_threads(lambda: spend_all(facts))) == 500


def test_two_processes_never_pass_the_quota(fleet):
    facts = tenant(daily_quota=301, monthly_quota=1_000)
    Counted.answers = {MIDNIGHT: 1, FIRST: 1}
    assert sum(in_processes(lambda: sum(in_threads(lambda: spend_all(facts), 2)))) == 300
    assert left(facts) == 0


def test_a_missing_number_is_counted_from_the_rows(fleet):
    facts = tenant(daily_quota=10, monthly_quota=100)
    Counted.answers = {MIDNIGHT: 7, FIRST: 60}
    assert left(facts) == 3
    assert sorted(Counted.asked) == sorted([(facts.id, MIDNIGHT), (facts.id, FIRST)])
    spend(facts, 2)
    assert keys(fleet, facts.id) == {"daily:2026-11-22": 9, "monthly:2026-11-01": 62}


def test_after_a_flush_no_quota_counts_from_zero_again(fleet):
    facts = tenant(daily_quota=10)
    spend(facts, 9)
    Counted.answers = {MIDNIGHT: 9}
    fleet.delete(*fleet.scan_iter(f"{django_settings.REDIS_PREFIX}*"))
    with pytest.raises(DailyQuotaExceeded):
        spend(facts, 2)
    assert spend(facts, 1)
    assert left(facts) == 0


def test_the_first_count_of_several_stays(fleet):
    """Another process has counted, and added, since this one asked the rows."""
    facts = tenant(daily_quota=10)
    key = f"{django_settings.REDIS_PREFIX}quota:{facts.id}:daily:2026-11-22"

    class Slow(dict[datetime, int]):
        def get(self, *_: Any) -> int:
            fleet.set(key, 8)
            return 3

    Counted.answers = Slow()
    assert left(facts) == 2


def test_a_number_lives_ten_minutes_and_is_counted_again(fleet):
    facts = tenant(daily_quota=10, monthly_quota=100)
    spend(facts, 4)
    prefix = f"{django_settings.REDIS_PREFIX}quota:{facts.id}:"
    names = [f"{prefix}daily:2026-11-22", f"{prefix}monthly:2026-11-01"]
    for change in (
        lambda: spend(facts, 1),
        lambda: refund(tenant=facts, test=False, count=2, now=NOON),
    ):
        assert all(0 < fleet.ttl(name) <= 600 for name in names)
        change()
    fleet.delete(*names)  # as when they end
    Counted.answers = {MIDNIGHT: 6, FIRST: 6}
    assert left(facts) == 4


def test_a_refund_frees_what_was_not_accepted_and_never_more(fleet):
    facts = tenant(daily_quota=10, monthly_quota=10)
    spend(facts, 10)
    refund(tenant=facts, test=False, count=4, now=NOON)
    assert left(facts) == 4
    refund(tenant=facts, test=False, count=400, now=NOON)
    assert left(facts) == 10


def test_a_refund_of_yesterday_does_not_free_today(fleet):
    facts = tenant(daily_quota=10)
    tomorrow = NOON + timedelta(days=1)
    spend(facts, 3)
    spend(facts, 10, tomorrow)
    refund(tenant=facts, test=False, count=3, now=NOON)
    assert left(facts, tomorrow) == 0


def test_a_number_that_stood_still_while_there_was_no_quota_is_dropped(fleet):
    facts = tenant(daily_quota=10)
    spend(facts, 1)
    without = replace(facts, limits=Limits(monthly_quota=10))
    spend(without, 5)
    Counted.answers = {MIDNIGHT: 6}
    assert left(facts) == 4


def test_a_quota_changed_at_once_applies_to_what_is_used(fleet):
    facts = tenant(daily_quota=10)
    spend(facts, 8)
    with pytest.raises(DailyQuotaExceeded):
        spend(replace(facts, limits=Limits(daily_quota=5)), 1)


def test_without_a_quota_redis_is_not_asked(fleet):
    facts = tenant()
    assert spend(facts, 1_000) is False
    assert (left(facts), keys(fleet, facts.id)) == (None, {})
