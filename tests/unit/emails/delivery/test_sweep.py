"""What time does to mail: promoted, expired, put in doubt, released. Each pass bounded, each harmless twice."""

from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import pytest

from emails.delivery import sweep as sweeping
from emails.delivery.claim import claim_batch
from emails.delivery.composing import compose_batch
from emails.events import transitions
from emails.messages.queue import passes
from emails.models import Attempt, CapturedMail, Delivery, Event, Message
from mailgrid.core import bells
from mailgrid.core.bells import Priority
from mailgrid.core.clock import now
from mailgrid.core.models import Pulse

LATER = timedelta(hours=1)


@pytest.fixture
def send(acme, api, mail) -> Any:
    """`send(3, scheduled_at="in 1 hour")`: the deliveries of as many mails."""
    client = api(acme)

    def some(count: int = 1, **more: Any) -> list[Delivery]:
        answer = client.post("/api/emails/batch", [{**mail, **more}] * count)
        ids = [one["id"] for one in answer.json()["data"]]
        return list(Delivery.across_tenants.filter(message_id__in=ids).order_by("pk"))

    return some


def states() -> dict[str, int]:
    return dict(Counter(Delivery.across_tenants.values_list("state", flat=True)))


def claim_without_sending(priority: Priority = Priority.HIGH) -> list[Any]:
    """A worker that dies right after its claim."""
    return claim_batch(priority, now=now())[1]


def end_leases() -> None:
    Delivery.across_tenants.filter(state="sending").update(lease_until=now() - timedelta(seconds=1))


def test_what_is_due_is_promoted_and_nothing_else(send, work):
    early, late = send(scheduled_at="in 1 hour")[0], send(scheduled_at="in 2 hours")[0]
    deferred = send()[0]
    Delivery.across_tenants.filter(pk=deferred.pk).update(state="deferred", due_at=now() + LATER)
    assert work.sweep() == {}
    assert work.sweep(now() + LATER) == {"due": 2}
    assert dict(Delivery.across_tenants.values_list("pk", "state")) == {
        early.pk: "queued",
        late.pk: "scheduled",
        deferred.pk: "queued",
    }
    assert set(Message.across_tenants.values_list("status", flat=True)) == {"queued", "scheduled"}


def test_the_oldest_go_first_and_no_priority_waits_for_another(send, work, monkeypatch):
    monkeypatch.setattr(sweeping, "CHUNK", 3)
    rows = [*send(5, scheduled_at="in 1 hour", priority=3), *send(2, scheduled_at="in 1 hour", priority=0)]
    for place, row in enumerate(reversed(rows)):
        Delivery.across_tenants.filter(pk=row.pk).update(due_at=now() + timedelta(minutes=place))
    assert work.sweep(now() + LATER) == {"due": 5}
    promoted = Delivery.across_tenants.filter(state="queued").values_list("pk", flat=True)
    assert set(promoted) == {row.pk for row in [*rows[2:5], *rows[5:]]}
    assert work.sweep(now() + LATER) == {"due": 2}


@pytest.mark.parametrize("state", ["scheduled", "queued", "deferred", "held"])
def test_everything_that_waits_expires(send, work, state):
    send(2)
    Delivery.across_tenants.update(state=state, hold_reason="manual" if state == "held" else "")
    assert work.sweep(now() + timedelta(days=2)) == {"expired": 2}
    assert states() == {"expired": 2}
    assert Event.across_tenants.filter(type="email.expired").count() == 2
    assert work.sweep(now() + timedelta(days=2)) == {}


@pytest.mark.parametrize("state", ["sending", "in_doubt"])
def test_what_may_have_been_sent_does_not_expire(send, work, state):
    send()
    claim_without_sending()
    Delivery.across_tenants.update(state=state, expires_at=now() - LATER, due_at=now() + timedelta(days=9))
    work.sweep(now())
    assert states() == {state: 1}


def test_a_lease_that_goes_on_is_left_alone(send, work):
    send()
    claim_without_sending()
    assert work.sweep(now() + timedelta(seconds=89)) == {}
    assert states() == {"sending": 1}


def test_a_dead_workers_mail_is_asked_for_and_queued_again(send, work):
    send(3)
    claim_without_sending()
    end_leases()
    assert work.sweep() == {"leases_ended": 3, "decided": 3}
    assert states() == {"queued": 3}
    assert set(Delivery.across_tenants.values_list("suspect", "crashes", "fence")) == {(True, 0, 1)}
    assert set(Attempt.objects.values_list("outcome", "settled_by")) == {("deferred", "question")}
    assert work.deliver()["sent"] == 3
    assert set(Delivery.across_tenants.values_list("suspect", "attempts", "fence")) == {(False, 2, 2)}


def test_a_dead_workers_mail_that_the_sandbox_took_is_sent(send, work, acme, api):
    send(2)
    claimed = claim_without_sending()
    transport = work.transports.get(claimed[0].row.transport_id)
    transport.send(compose_batch(claimed[:1]), deadline=float("inf"))  # taken; then the process dies
    end_leases()
    work.sweep()
    assert states() == {"sent": 1, "queued": 1}
    sent = Delivery.across_tenants.get(state="sent")
    assert sent.pk == claimed[0].row.delivery_id
    assert (sent.suspect, sent.crashes, sent.lease_until) == (False, 0, None)
    assert Attempt.objects.get(delivery=sent).settled_by == "question"
    assert Message.across_tenants.get(pk=sent.message_id).provider_message_id
    work.deliver()
    assert states() == {"sent": 2}
    assert CapturedMail.across_tenants.count() == 2


def test_three_crashes_alone_are_quarantined(send, work):
    send()
    for crashes in (0, 1, 2):
        claim_without_sending()
        end_leases()
        work.sweep()
        row = Delivery.across_tenants.get()
        assert (row.state, row.suspect, row.crashes) == ("queued", True, crashes)
    claim_without_sending()
    end_leases()
    work.sweep()
    row = Delivery.across_tenants.get()
    assert (row.state, row.hold_reason) == ("held", "quarantined")
    assert work.deliver() == {}
    work.sweep(now() + LATER)
    assert states() == {"held": 1}


def test_a_cancel_that_came_while_it_was_claimed_wins_when_it_was_not_sent(send, work, acme, api):
    row = send()[0]
    claim_without_sending()
    answer = api(acme).post(f"/api/emails/{row.message_id}/cancel")
    assert (answer.status_code, answer.json()["status"]) == (200, "sending")
    end_leases()
    work.sweep()
    assert states() == {"canceled": 1}
    assert api(acme).get(f"/api/emails/{row.message_id}").json()["status"] == "canceled"


@pytest.mark.parametrize("twice", [False, True])
def test_what_was_held_for_a_pause_is_released_when_it_ends(send, work, acme, api, twice):
    client = api(acme)
    client.post("/api/streams/transactional/pause")
    send(2)
    if twice:
        client.post("/api/tenant/pause")
    client.post("/api/streams/transactional/resume")
    assert work.sweep() == {"released": 2}
    assert work.deliver() == ({"held": 2} if twice else {"claimed": 2, "sent": 2})
    if twice:
        assert work.sweep() == {}  # not back and forth for ever
        client.post("/api/tenant/resume")
        assert work.sweep() == {"released": 2}


@pytest.mark.parametrize("reason", ["manual", "quarantined"])
def test_other_holds_do_not_end_by_a_sweep(send, work, reason):
    send()
    Delivery.across_tenants.update(state="held", hold_reason=reason)
    assert work.sweep() == {}


def test_mail_over_the_quota_that_is_let_go_still_waits_for_its_time(send, work, acme, api):
    rows = [*send(scheduled_at="in 1 hour"), *send()]
    Delivery.across_tenants.update(state="held", hold_reason="quota")
    Message.across_tenants.update(status="held")
    assert work.sweep()["released_by_quota"] == 2
    assert [Delivery.across_tenants.get(pk=row.pk).state for row in rows] == ["scheduled", "queued"]


def test_a_bell_for_each_priority_with_work(send, work, monkeypatch, django_capture_on_commit_callbacks):
    rung: list[str] = []
    monkeypatch.setattr("emails.delivery.sweep.ring", rung.append)
    send(2, priority=0)
    send(priority=2)
    send(priority=3, scheduled_at="in 1 hour")
    work.sweep()
    assert rung == [Priority.IMMEDIATE.queue, Priority.MEDIUM.queue]
    Delivery.across_tenants.filter(priority=0).update(suspect=True)
    Delivery.across_tenants.filter(priority=2).update(state="held")
    rung.clear()
    work.sweep()
    assert rung == [Priority.IMMEDIATE.queue]
    assert set(rung) <= set(bells.QUEUES)


def test_the_pulse_says_when_it_last_ran(db, work):
    at = datetime.fromisoformat("2026-01-01T00:00:00+00:00")
    work.sweep(at)
    work.sweep(at + LATER)
    assert Pulse.objects.get(name="sweep").at == at + LATER


def test_two_sweeps_at_the_same_time_move_a_row_once(send, work):
    """The second one read before the first one wrote."""
    send(2)
    late = now() + timedelta(days=2)
    first, second = passes.expired(now=late, limit=10), passes.expired(now=late, limit=10)
    assert (transitions.move(first, now=late), transitions.move(second, now=late)) == (2, 0)
    assert Event.across_tenants.filter(type="email.expired").count() == 2
