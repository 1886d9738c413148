"""An account's limits from the outside: mail waits for its hour or day, or ends `failed: over_limit`."""

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import DatabaseError

from emails.delivery import claim as claims
from emails.delivery.ports import ErrorClass, TransportError
from emails.messages.queue import claiming, counting
from emails.models import Attempt, Delivery, Event, Recipient, Transport
from emails.transports.models import SANDBOX_ID
from mailgrid.core import ratelimit
from mailgrid.core.bells import Priority
from mailgrid.core.cache import forget_everything
from mailgrid.core.clock import now
from workers.transports.sandbox import SandboxTransport

HIGH = Priority.HIGH


@pytest.fixture
def limit(db) -> Callable[..., None]:
    """`limit(per_day=3, over_limit="reject")` for everybody's sandbox; this process learns of it at once."""

    def set_limits(**limits: Any) -> None:
        Transport.across_tenants.filter(pk=SANDBOX_ID).update(**limits)
        forget_everything()

    return set_limits


@pytest.fixture
def send(acme, api, mail) -> Callable[..., list[str]]:
    """`send(5)`: so many mails, accepted; their ids, oldest first."""

    def some(count: int, **more: Any) -> list[str]:
        answer = api(acme).post("/api/emails/batch", [{**mail, **more}] * count)
        assert answer.status_code == 200, answer.content
        return [one["id"] for one in answer.json()["data"]]

    return some


def restart() -> None:
    """A process that has just begun."""
    forget_everything()
    ratelimit._limiter.cache_clear()


def states() -> dict[str, int]:
    return dict(Counter(Delivery.across_tenants.values_list("state", flat=True)))


class TestReject:
    def test_what_is_over_the_limit_fails_and_says_so(self, acme, api, limit, send, work):
        limit(per_day=3, over_limit="reject")
        ids = send(5)
        assert work.deliver(HIGH) == {"claimed": 3, "sent": 3, "failed": 2}
        client = api(acme)
        shown = [client.get(f"/api/emails/{one}").json() for one in ids]
        assert Counter(one["status"] for one in shown) == {"sent": 3, "failed": 2}
        (lost, _) = [one for one in shown if one["status"] == "failed"]
        assert [recipient["reason"] for recipient in lost["recipients"]] == ["over_limit"]
        events = Event.across_tenants.filter(message_id=lost["id"]).order_by("seq")
        assert [event.type for event in events] == ["email.queued", "email.failed"]
        assert events[1].data["failed"] == {
            "reason": "over_limit",
            "message": "The limit of its transport is used up.",
        }

    def test_there_was_no_attempt_and_no_claim(self, limit, send, work):
        limit(per_day=1, over_limit="reject")
        send(3)
        work.deliver(HIGH)
        assert Attempt.objects.count() == 1
        failed = Delivery.across_tenants.filter(state="failed")
        assert list(failed.values_list("fence", "attempts", "lease_until")) == [(0, 0, None)] * 2

    def test_a_minutes_mail_may_come_together(self, limit, send, work):
        limit(per_minute=60, over_limit="reject")
        send(62)
        assert work.deliver(HIGH) == {"claimed": 60, "sent": 60, "failed": 2}

    def test_a_large_backlog_fails_at_once_and_not_at_the_rate_of_the_limit(self, limit, send, work):
        limit(per_day=10, per_minute=30, over_limit="reject")
        send(200)
        assert work.deliver(HIGH) == {"claimed": 10, "sent": 10, "failed": 190}

    def test_what_would_not_have_been_sent_anyway_takes_no_place(self, acme, api, limit, send, work):
        limit(per_day=2, over_limit="reject")
        canceled = send(1)[0]
        Delivery.across_tenants.filter(message_id=canceled).update(cancel_requested=True)
        late = send(1)[0]
        Delivery.across_tenants.filter(message_id=late).update(expires_at=now())
        api(acme).post("/api/suppressions", {"email": "bob@example.com"})
        send(1, to="bob@example.com")
        send(2)
        work.deliver(HIGH)
        assert states() == {"canceled": 1, "expired": 1, "suppressed": 1, "sent": 2}

    def test_what_its_streams_pace_holds_back_takes_no_place(self, acme, api, limit, send, work):
        limit(per_day=3, over_limit="reject")
        api(acme).patch("/api/streams/transactional", {"rate_per_second": 0.01})
        send(2)
        work.deliver(HIGH)
        assert states() == {"sent": 1, "deferred": 1}
        api(acme).patch("/api/streams/transactional", {"rate_per_second": None})
        send(3)
        work.sweep(at=now() + timedelta(hours=1))
        work.deliver(HIGH)
        assert states() == {"sent": 3, "failed": 2}

    def test_who_was_not_taken_by_the_provider_gets_its_place_back(self, limit, send, work, monkeypatch):
        limit(per_day=2, over_limit="reject")
        slow_down = TransportError(kind=ErrorClass.THROTTLED, code="429", message="Slow down.")
        send(2)
        for _ in range(3):
            with monkeypatch.context() as refusing:
                refusing.setattr(
                    SandboxTransport, "send", lambda self, call, *, deadline: [slow_down] * len(call)
                )
                assert work.deliver(HIGH) == {"claimed": 2, "deferred": 2}
            Delivery.across_tenants.update(state="queued")
        assert work.deliver(HIGH) == {"claimed": 2, "sent": 2}
        send(1)
        assert work.deliver(HIGH) == {"failed": 1}

    def test_a_doubt_keeps_its_place(self, limit, send, work, monkeypatch):
        limit(per_day=1, over_limit="reject")
        lost = TransportError(kind=ErrorClass.DOUBT, code="reset", message="")
        monkeypatch.setattr(SandboxTransport, "send", lambda self, call, *, deadline: [lost] * len(call))
        send(1)
        work.deliver(HIGH)
        send(1)
        work.deliver(HIGH)
        assert states() == {"in_doubt": 1, "failed": 1}

    def test_a_claim_that_fails_gives_its_places_back(self, limit, send, work, monkeypatch):
        limit(per_day=5, over_limit="reject")
        send(5)
        with monkeypatch.context() as broken:

            def journal(*_: Any, **__: Any) -> None:
                raise DatabaseError("disk")

            broken.setattr(claiming, "journal", journal)
            with pytest.raises(DatabaseError):
                claims.claim_batch(HIGH, now=now())
        assert work.deliver(HIGH) == {"claimed": 5, "sent": 5}

    def test_a_restart_forgets_nothing(self, limit, send, work):
        limit(per_day=3, per_hour=10, over_limit="reject")
        send(2)
        work.deliver(HIGH)
        restart()
        send(3)
        assert work.deliver(HIGH) == {"claimed": 1, "sent": 1, "failed": 2}

    def test_a_limit_that_comes_later_counts_what_was_sent_before(self, limit, send, work):
        send(4)
        work.deliver(HIGH)
        limit(per_day=5, over_limit="reject")
        send(3)
        assert work.deliver(HIGH) == {"claimed": 1, "sent": 1, "failed": 2}

    def test_a_failed_mail_may_be_sent_once_more_when_there_is_room(self, acme, api, limit, send, work):
        limit(per_day=1, over_limit="reject")
        ids = send(2)
        work.deliver(HIGH)
        limit(per_day=None)
        (lost,) = [one for one in ids if api(acme).get(f"/api/emails/{one}").json()["status"] == "failed"]
        again = api(acme).post(f"/api/emails/{lost}/retry")
        assert again.status_code == 200
        assert work.deliver(HIGH)["sent"] == 1


class TestDefer:
    def test_what_is_over_the_limit_waits_unclaimed(self, limit, send, work):
        limit(per_day=3)
        send(5)
        assert work.deliver(HIGH) == {"claimed": 3, "sent": 3}
        assert states() == {"sent": 3, "queued": 2}
        assert work.deliver(HIGH) == {}

    def test_a_day_may_be_used_up_in_its_first_minute(self, limit, send, work):
        limit(per_day=1_000)
        send(300)
        assert work.deliver(HIGH)["sent"] == 300

    def test_it_goes_on_when_there_is_room(self, limit, send, work):
        limit(per_hour=3)
        send(5)
        work.deliver(HIGH)
        for attempt in Attempt.objects.all():
            Attempt.objects.filter(pk=attempt.pk).update(at=attempt.at - timedelta(hours=2))
        restart()
        assert work.deliver(HIGH) == {"claimed": 2, "sent": 2}

    def test_another_account_is_not_held_up(self, limit, send, work):
        limit(per_day=1)
        other = Transport.across_tenants.create(name="other", kind="sandbox")
        ids = send(4)
        Delivery.across_tenants.filter(message_id__in=ids[2:]).update(transport=other)
        work.deliver(HIGH)
        assert states() == {"sent": 3, "queued": 1}

    def test_bulk_mail_leaves_the_last_fifth_of_a_pace_to_immediate_mail(self, limit, send, work):
        limit(per_minute=100)
        send(20, priority=3)
        send(5, priority=0)
        assert work.deliver(Priority.LOW)["sent"] == 8
        assert work.deliver(Priority.IMMEDIATE)["sent"] == 2


class TestWhatTheRowsSay:
    def attempts(self, *, since: float, slot: int = 60, transport: UUID = SANDBOX_ID) -> dict[int, int]:
        return counting.attempted(transport, since=since, slot_seconds=slot)

    def test_they_are_counted_by_the_slot_they_began_in(self, limit, send, work):
        send(5)
        work.deliver(HIGH)
        moment = now().replace(second=30, microsecond=999_999)
        ages = [
            timedelta(0),
            timedelta(minutes=1),
            timedelta(minutes=1),
            timedelta(minutes=9),
            timedelta(hours=2),
        ]
        for attempt, age in zip(Attempt.objects.all(), ages, strict=True):
            Attempt.objects.filter(pk=attempt.pk).update(at=moment - age)
        minute = int(moment.timestamp() // 60)
        assert self.attempts(since=moment.timestamp() - 3_600) == {minute: 1, minute - 1: 2, minute - 9: 1}
        assert self.attempts(since=moment.timestamp() - 61) == {minute: 1, minute - 1: 2}
        assert sum(self.attempts(since=0, slot=900).values()) == 5

    def test_only_what_may_have_been_sent_is_counted(self, limit, send, work):
        send(6)
        work.deliver(HIGH)
        outcomes = ["started", "sent", "in_doubt", "deferred", "held", "failed"]
        for attempt, outcome in zip(Attempt.objects.all(), outcomes, strict=True):
            Attempt.objects.filter(pk=attempt.pk).update(outcome=outcome)
        assert sum(self.attempts(since=0).values()) == 3

    def test_other_accounts_are_not_counted(self, limit, send, work):
        send(2)
        work.deliver(HIGH)
        other = Transport.across_tenants.create(name="other", kind="sandbox")
        assert self.attempts(since=0, transport=other.pk) == {}
        assert Recipient.across_tenants.filter(status="sent").count() == 2
