"""An account goes as fast as its provider allows, and slower after a "too fast"."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from emails.delivery import pacing
from emails.models import Attempt, Delivery, Transport
from mailgrid.core.bells import Priority
from mailgrid.core.clock import now
from tests.conftest import Actor, Api, Work
from tests.fakes.ses import FakeSes
from workers import surveying
from workers.process import holdings

pytestmark = pytest.mark.django_db


@pytest.fixture
def ses() -> Iterator[FakeSes]:
    """Amazon's stand-in, which allows 14 mails a second."""
    with FakeSes(max_send_rate=14) as running:
        yield running


@pytest.fixture
def account(acme: Actor, api: Callable[..., Api], ses: FakeSes, settings: Any) -> UUID:
    """acme's, through which all its streams send."""
    settings.UNSAFE_HOSTS = frozenset({"127.0.0.1"})
    own = api(acme)
    values = {
        "region": "eu-west-1",
        "access_key_id": "AKIDTEST",
        "secret_access_key": "secret",
        "endpoint_url": ses.url,
    }
    made = own.post("/api/transports", {"name": "main", "kind": "ses", "settings": values})
    assert made.status_code == 201, made.content
    for stream in own.get("/api/streams").json()["data"]:
        assert own.patch(f"/api/streams/{stream['id']}", {"transport": "main"}).status_code == 200
    yield UUID(made.json()["id"])
    holdings().transports.close()


def test_the_provider_is_asked_how_fast_and_the_claim_keeps_to_it(
    account: UUID, acme: Actor, api: Callable[..., Api], mail: dict[str, Any], work: Work, ses: FakeSes
) -> None:
    assert surveying.survey_accounts() == {"changed": 1}
    assert surveying.survey_accounts() == {"same": 1}
    assert Transport.across_tenants.get(pk=account).max_send_rate == 14
    batch = api(acme).post("/api/emails/batch", [mail] * 60)
    assert batch.status_code == 200, batch.content
    done = work.deliver(Priority.HIGH)
    # A fifth of the second's worth is kept for immediate mail; what comes in while we send is a few more.
    assert 11 <= done["sent"] <= 14 + 28
    assert ses.counters()["accepts"] == done["sent"]


def test_too_fast_means_seven_tenths_and_no_attempt_is_used_up(
    account: UUID, acme: Actor, api: Callable[..., Api], mail: dict[str, Any], work: Work, ses: FakeSes
) -> None:
    surveying.survey_accounts()
    ses.misbehave("throttle", count=1)
    assert api(acme).post("/api/emails", mail).status_code == 200
    assert work.deliver(Priority.HIGH)["deferred"] == 1
    row = Transport.across_tenants.get(pk=account)
    assert row.slowed_to == pytest.approx(14 * 0.7)
    assert Delivery.across_tenants.get().attempts == 0
    assert Attempt.objects.get().error_class == "throttled"


def test_a_few_refusals_among_many_mails_are_no_reason_to_go_slower(
    account: UUID, acme: Actor, api: Callable[..., Api], mail: dict[str, Any], work: Work, ses: FakeSes
) -> None:
    ses.misbehave("throttle", count=2)
    assert api(acme).post("/api/emails/batch", [mail] * 20).status_code == 200
    done = work.deliver(Priority.HIGH)
    assert (done["sent"], done["deferred"]) == (18, 2)
    assert Transport.across_tenants.get(pk=account).slowed_to is None


def test_more_than_a_tenth_of_them_is(
    account: UUID, acme: Actor, api: Callable[..., Api], mail: dict[str, Any], work: Work, ses: FakeSes
) -> None:
    ses.misbehave("throttle", count=3)
    assert api(acme).post("/api/emails/batch", [mail] * 20).status_code == 200
    assert work.deliver(Priority.HIGH)["deferred"] == 3
    assert Transport.across_tenants.get(pk=account).slowed_to is not None


def test_a_slowed_account_recovers_a_twentieth_every_ten_seconds_up_to_what_is_allowed(account: UUID) -> None:
    at = now()
    row = Transport.across_tenants.get(pk=account)
    row.max_send_rate, row.slowed_to, row.slowed_at = 14.0, 7.0, at

    def rate(seconds: float) -> float:
        bucket = pacing._bucket(row, None, now=at + timedelta(seconds=seconds))
        assert bucket is not None
        return bucket.rate

    assert rate(0) == pytest.approx(7.0)
    assert rate(10) == pytest.approx(7.35)
    assert rate(100) == pytest.approx(7.0 * 1.05**10)
    assert rate(300) == 14.0
    assert rate(601) == 14.0


def test_several_refusals_of_one_moment_slow_down_once(account: UUID) -> None:
    Transport.across_tenants.filter(pk=account).update(max_send_rate=100)
    at = now()
    pacing.slow_down([account, account], now=at)
    pacing.slow_down([account], now=at + timedelta(milliseconds=500))
    assert Transport.across_tenants.get(pk=account).slowed_to == pytest.approx(70)
    pacing.slow_down([account], now=at + timedelta(seconds=2))
    assert Transport.across_tenants.get(pk=account).slowed_to < 51
