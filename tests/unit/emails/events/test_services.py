"""A fact comes in once, however often it is told."""

from datetime import timedelta

import pytest

from emails.events.models import Event, Notification
from emails.events.services import NewNotification, record, store_notifications
from emails.streams.models import Stream
from emails.transports.models import SANDBOX_ID
from mailgrid.core import bells
from tenants.tenancy.models import Plan, Tenant
from tests.unit.emails.events.mail import NOW, accepted, fact

pytestmark = pytest.mark.django_db


@pytest.fixture
def message():
    tenant = Tenant.objects.create(name="Acme", slug="acme", plan=Plan.objects.get(name="free"))
    return accepted(tenant, stream=Stream.across_tenants.create(tenant=tenant, name="s", priority=1))


def test_a_fact_is_kept_with_both_times(message):
    happened = NOW - timedelta(minutes=3)
    new = fact(message, "email.bounced", data={"bounce": {"type": "Permanent"}}, occurred_at=happened)
    assert record([new], now=NOW) == {new.event_id}
    row = Event.across_tenants.get()
    assert (row.event_id, row.type, row.status, row.source) == (
        new.event_id,
        "email.bounced",
        "bounced",
        "ses",
    )
    assert (row.data, row.occurred_at, row.created_at) == (
        {"bounce": {"type": "Permanent"}},
        happened,
        NOW,
    )


def test_equal_keys_let_a_fact_in_once_within_and_across_calls(message):
    first, second = fact(message, dedupe_key="k"), fact(message, dedupe_key="k")
    assert record([first, second], now=NOW) == {first.event_id}
    assert record([second, fresh := fact(message, dedupe_key="other")], now=NOW) == {fresh.event_id}


def test_facts_without_a_key_are_all_kept(message):
    assert len(record([fact(message), fact(message)], now=NOW)) == 2


def test_any_number_of_facts_is_one_statement(message, django_assert_num_queries):
    facts = [fact(message, dedupe_key=str(n)) for n in range(100)]
    with django_assert_num_queries(1):
        record(facts, now=NOW)
    with django_assert_num_queries(0):
        assert record([], now=NOW) == set()


@pytest.fixture
def rung(monkeypatch):
    queues: list[str] = []
    monkeypatch.setattr(bells, "ring", queues.append)
    return queues


def payload(external_id: str | None = None) -> NewNotification:
    return NewNotification(transport_id=SANDBOX_ID, external_id=external_id, body='{"Type":"Notification"}')


def test_a_notification_waits_for_a_worker_and_rings(rung):
    assert store_notifications([payload("one")], now=NOW) == 1
    row = Notification.objects.get()
    assert (row.state, row.due_at, row.received_at, row.attempts) == ("pending", NOW, NOW, 0)
    assert rung == ["events"]


def test_a_repeated_notification_is_stored_once_and_rings_once(rung):
    store_notifications([payload("one"), payload("one")], now=NOW)
    assert store_notifications([payload("one")], now=NOW) == 0
    assert (Notification.objects.count(), rung) == (1, ["events"])


def test_a_notification_without_a_name_is_stored_each_time(rung):
    assert store_notifications([payload(), payload()], now=NOW) == 2
