"""Mail that is sent while Redis is emptied, killed, away and back: limits hold, nothing is lost, nothing goes twice."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings as django_settings

from emails.models import Delivery, Transport
from emails.transports.models import SANDBOX_ID
from mailgrid.core import shared
from mailgrid.core.bells import Priority
from tests.integration.redis_server import OwnRedis, restart

pytestmark = pytest.mark.services

HIGH = Priority.HIGH


@pytest.fixture
def limit(db) -> Callable[..., None]:
    """`limit(per_day=3)` for everybody's sandbox, in processes that have just begun."""

    def set_limits(**limits: Any) -> None:
        Transport.across_tenants.filter(pk=SANDBOX_ID).update(**limits)
        restart()

    return set_limits


@pytest.fixture
def send(acme, api, mail) -> Callable[[int], None]:
    """`send(5)`: so many mails, accepted."""

    def some(count: int) -> None:
        answer = api(acme).post("/api/emails/batch", [mail] * count)
        assert answer.status_code == 200, answer.content

    return some


def states() -> dict[str, int]:
    return dict(Counter(Delivery.across_tenants.values_list("state", flat=True)))


@pytest.mark.parametrize(
    ("over_limit", "rest"), [("reject", {"failed": 40}), ("defer", {"queued": 40})], ids=["reject", "defer"]
)
def test_processes_share_a_limit_through_a_flush(fleet, limit, send, work, over_limit, rest):
    limit(per_day=60, over_limit=over_limit)
    send(50)
    assert work.deliver(HIGH)["sent"] == 50
    restart()  # another process
    fleet.delete(*fleet.scan_iter(f"{django_settings.REDIS_PREFIX}*"))
    send(50)
    assert work.deliver(HIGH)["sent"] == 10
    assert states() == {"sent": 60} | rest


def test_a_pace_is_shared(fleet, limit, send, work):
    limit(per_minute=100)
    send(20)
    assert work.deliver(HIGH)["sent"] == 8
    restart()
    assert work.deliver(HIGH) == {}


def test_nothing_fails_that_the_other_processes_might_have_room_for(
    own_redis: OwnRedis, use_redis, limit, send, work, settings
):
    settings.SENDING_PROCESSES = 4
    use_redis(own_redis.url).close()
    limit(per_day=40, over_limit="reject")
    own_redis.kill()
    send(20)
    assert work.deliver(HIGH) == {"claimed": 10, "sent": 10, "deferred": 10}
    assert states() == {"sent": 10, "deferred": 10}


def test_killed_in_the_middle_and_back_again_the_limit_is_kept(
    own_redis: OwnRedis, use_redis, limit, send, work, monkeypatch
):
    monkeypatch.setattr(shared, "_FIRST_PAUSE", 0.01)
    monkeypatch.setattr(shared, "_LONGEST_PAUSE", 0.01)
    use_redis(own_redis.url).close()
    limit(per_day=100, over_limit="reject")
    for step in range(6):
        send(30)
        work.deliver(HIGH)
        if step % 2:
            own_redis.start()
        else:
            own_redis.kill()
    assert states() == {"sent": 100, "failed": 80}
    assert set(Delivery.across_tenants.filter(state="sent").values_list("fence", flat=True)) == {1}
