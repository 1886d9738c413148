"""One thing that goes wrong does not take the others along."""

from datetime import timedelta

import pytest
from django.db import connection

from emails.delivery import doubt, services, sweep
from emails.delivery.ports import ErrorClass, TransportError
from emails.messages import content as contents
from emails.models import Attempt, Delivery, Message, Notification
from emails.transports import breakers
from mailgrid.core import blobs, metrics
from mailgrid.core.bells import Priority
from mailgrid.core.clock import now
from templates import plaintext
from workers.transports.sandbox import SandboxTransport

HIGH = Priority.HIGH


@pytest.fixture
def send(acme, api, mail):
    def one(**more):
        answer = api(acme).post("/api/emails", {**mail, **more})
        assert answer.status_code == 200, answer.content
        return answer.json()["id"]

    return one


def fail(*_args):
    raise OSError(5, "disk")


def test_a_batch_that_cannot_be_loaded_is_provably_not_sent_and_goes_later(send, work, monkeypatch):
    for _ in range(3):
        send()
    with monkeypatch.context() as broken:
        broken.setattr(services, "compose_batch", fail)
        assert work.deliver(HIGH)["deferred"] == 3
    assert set(Attempt.objects.values_list("outcome", "error_class")) == {("deferred", "network")}
    work.sweep(at=now() + timedelta(seconds=5))
    assert work.deliver(HIGH)["sent"] == 3


def test_one_unreadable_content_does_not_hold_up_its_neighbours(send, work, monkeypatch):
    bad, good = send(), send()
    read = contents.read

    def flaky(row):
        if str(row.message_id) == bad:
            raise OSError(5, "disk")
        return read(row)

    monkeypatch.setattr(contents, "read", flaky)
    assert work.deliver(HIGH) == {"claimed": 2, "deferred": 1, "sent": 1}
    assert Message.across_tenants.get(pk=good).status == "sent"


def test_mail_waits_for_a_store_that_is_away_and_is_not_blamed_for_it(send, work, monkeypatch):
    """Longer than our own errors are forgiven."""
    send(attachments=[{"filename": "a.txt", "content": "aGk="}])
    at = now()
    with monkeypatch.context() as away:
        away.setattr(blobs, "get", fail)
        for _ in range(5):
            assert work.deliver(HIGH)["deferred"] == 1
            at += timedelta(hours=1)
            assert work.sweep(at=at)["due"] == 1
    assert set(Attempt.objects.values_list("outcome", "error_class")) == {("deferred", "network")}
    assert work.deliver(HIGH)["sent"] == 1


def test_a_part_of_the_sweep_that_fails_does_not_stop_the_others(send, work, monkeypatch):
    send(scheduled_at="in 1 hour")
    monkeypatch.setitem(sweep._PARTS, "decided", fail)
    assert work.sweep(at=now() + timedelta(hours=2)) == {"due": 1}


def test_a_transport_that_cannot_be_asked_now_is_not_one_that_never_knows(send, work, monkeypatch):
    send()
    Delivery.across_tenants.update(state="sending", fence=1, lease_until=now() - timedelta(seconds=1))
    delivery = Delivery.across_tenants.get()
    Attempt.objects.create(delivery=delivery, fence=1, outcome="started", at=now() - timedelta(days=3))
    with monkeypatch.context() as broken:
        broken.setattr(SandboxTransport, "recall", fail)
        work.sweep()
        delivery.refresh_from_db()
        assert delivery.state == "in_doubt"
    assert doubt.LONE_CRASHES == 3
    work.sweep(at=now() + timedelta(minutes=2))
    delivery.refresh_from_db()
    assert delivery.state == "queued"


def test_a_cancel_while_the_call_is_open_counts_if_nothing_was_sent(acme, api, send, work, monkeypatch):
    email = send()

    def refuse(self, call, *, deadline):
        assert api(acme).post(f"/api/emails/{email}/cancel").status_code == 200
        return [TransportError(kind=ErrorClass.QUOTA, code="quota", message="later")] * len(call)

    monkeypatch.setattr(SandboxTransport, "send", refuse)
    assert work.deliver(HIGH) == {"claimed": 1, "canceled": 1}
    assert api(acme).get(f"/api/emails/{email}").json()["status"] == "canceled"


def test_waits_grow_also_for_tries_that_do_not_count(send, work, monkeypatch):
    send()
    refused = TransportError(kind=ErrorClass.AUTH, code="expired", message="credentials")
    monkeypatch.setattr(SandboxTransport, "send", lambda self, call, *, deadline: [refused] * len(call))
    monkeypatch.setattr("emails.delivery.settle.random.random", lambda: 1.0)
    waits = []
    for _ in range(4):
        before = now()
        assert work.deliver(HIGH)["deferred"] == 1
        delivery = Delivery.across_tenants.get()
        waits.append(round((delivery.due_at - before).total_seconds() / 60))
        assert delivery.attempts == 0
        Delivery.across_tenants.update(state="queued")
        breakers.forget(delivery.transport_id)
    assert waits == [1, 5, 15, 15]


def test_a_notification_that_breaks_us_waits_alone(send, work, monkeypatch):
    send(to="ann@example.com")
    bad = send(to="bob@example.com")
    work.deliver(HIGH)
    from emails.feedback import ingest as module

    apply = module.services.apply

    def flaky(facts, *, now):
        if any(fact.address == "bob@example.com" for fact in facts):
            raise ValueError("poison")
        return apply(facts, now=now)

    monkeypatch.setattr(module.services, "apply", flaky)
    work.ingest()
    assert sorted(Notification.objects.values_list("state", flat=True)) == ["applied", "pending"]
    assert Message.across_tenants.exclude(pk=bad).get().status == "delivered"


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_nothing_is_rendered_while_the_writers_lock_is_held(acme, api, mail, monkeypatch):
    seen = []
    render = plaintext.from_html

    def watched(html):
        seen.append(connection.in_atomic_block)
        return render(html)

    monkeypatch.setattr(plaintext, "from_html", watched)
    client = api(acme)
    assert client.post("/api/emails", mail, idempotency_key="one").status_code == 200
    assert client.post("/api/emails/batch", [mail, mail], idempotency_key="two").status_code == 200
    assert seen == [False] * 3


def test_mail_counts_as_accepted_when_it_is_committed(send, django_capture_on_commit_callbacks):
    def counted():
        return metrics.accepted.labels(source="api")._value.get()

    before = counted()
    with django_capture_on_commit_callbacks(execute=True):
        send(to=["ann@example.com", "bob@example.com"])
        assert counted() == before
    assert counted() == before + 2
