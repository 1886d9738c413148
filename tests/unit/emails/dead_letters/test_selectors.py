"""Dead letters are found by indexes of their own, however much other mail there is."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from emails.dead_letters import selectors
from emails.dead_letters.selectors import DeadLetterFilter, Kind, Reason
from emails.messages.models import Attempt, Delivery, Recipient
from emails.streams.models import Stream
from mailgrid.core.ids import uuid7
from mailgrid.http.query import Page
from tests.unit.emails.events.mail import NOW, accepted

pytestmark = pytest.mark.django_db


@pytest.fixture
def delivery(acme) -> Delivery:
    message = accepted(
        acme.tenant, stream=Stream.across_tenants.get(tenant=acme.tenant, name="transactional")
    )
    return Delivery.across_tenants.get(message=message)


def attempt(delivery: Delivery, fence: int, *, hours: int, **error: str) -> None:
    Attempt.objects.create(
        delivery=delivery, fence=fence, outcome="deferred", at=NOW + timedelta(hours=hours), **error
    )


def letter(delivery: Delivery, **changes: Any) -> selectors.DeadLetter:
    Delivery.across_tenants.filter(pk=delivery.pk).update(
        state="held", hold_reason="quarantined", attempts=2, **changes
    )
    (found,), more = selectors.listed(DeadLetterFilter(), Page(20))
    assert not more
    return found


def test_the_times_and_the_error_are_those_of_the_journal(delivery):
    attempt(delivery, 1, hours=1, error_code="first", error_message="one")
    attempt(delivery, 2, hours=2, error_code="KeyError", error_message="two")
    attempt(delivery, 3, hours=3)
    found = letter(delivery)
    assert (found.first_at, found.last_at) == (NOW + timedelta(hours=1), NOW + timedelta(hours=3))
    assert (found.error, found.attempts, found.kind, found.reason) == (
        "KeyError: two",
        2,
        Kind.DELIVERY,
        Reason.QUARANTINED,
    )


def test_without_a_journal_it_is_as_old_as_its_mail(delivery):
    found = letter(delivery)
    assert (found.first_at, found.last_at, found.error) == (NOW, NOW, None)


def test_an_error_of_one_word_stands_alone(delivery):
    attempt(delivery, 1, hours=1, error_code="lease_ended")
    assert letter(delivery).error == "lease_ended"


def test_a_delivery_that_some_were_reached_by_is_exhausted_for_the_others(delivery):
    """Parted answers: the delivery is sent, and one of its recipients used up its attempts."""
    Delivery.across_tenants.filter(pk=delivery.pk).update(state="sent")
    ann, bob = Recipient.across_tenants.filter(delivery=delivery).order_by("position")
    Recipient.across_tenants.filter(pk=ann.pk).update(status="delivered", rank=60)
    assert not selectors.exhausted().exists()
    Recipient.across_tenants.filter(pk=bob.pk).update(status="failed", rank=25, reason="retries_exhausted")
    assert selectors.exhausted().get() == delivery


def test_proof_of_sending_takes_it_off_the_list(delivery):
    Delivery.across_tenants.filter(pk=delivery.pk).update(state="failed")
    recipients = Recipient.across_tenants.filter(delivery=delivery)
    recipients.update(status="failed", rank=10, reason="retries_exhausted")
    assert selectors.exhausted().get() == delivery
    recipients.update(status="delivered", rank=60)
    assert not selectors.exhausted().exists()


def test_a_delivery_that_is_tried_again_is_not_exhausted_yet(delivery):
    Recipient.across_tenants.filter(delivery=delivery).update(status="failed", reason="retries_exhausted")
    Delivery.across_tenants.filter(pk=delivery.pk).update(state="deferred")
    assert not selectors.exhausted().exists()


FINDS: dict[str, tuple[Callable[[], Any], str]] = {
    "quarantined": (selectors.quarantined, "emails_delivery_held"),
    "exhausted": (selectors.exhausted, "emails_recipient_exhausted"),
    "notifications": (selectors.exhausted_notifications, "emails_notification_exhausted"),
}


@pytest.mark.sqlite
@pytest.mark.parametrize("find", FINDS)
def test_a_page_is_found_by_its_own_index(acme, find):
    rows, index = FINDS[find]
    paged = rows().filter(pk__lt=uuid7()).order_by("-pk")[:21]
    sql, parameters = paged.query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {sql}", parameters)
        steps = [row[3] for row in cursor.fetchall()]
    assert any(index in step for step in steps), steps
    assert not [step for step in steps if step.startswith("SCAN") and "USING" not in step], steps
