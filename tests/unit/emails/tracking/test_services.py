"""Many hits are recorded with a constant number of statements."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from emails.events.models import Event
from emails.messages.models import Message, Recipient
from emails.streams.models import Stream
from emails.tracking.hits import Hit
from emails.tracking.services import record_hits
from tests.unit.emails.events.mail import NOW, accepted

PERSON = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
SCANNER = "Barracuda Sentinel (EE)"


@pytest.fixture
def recipients(acme) -> list[Recipient]:
    """Ann and Bob, six times."""
    stream = Stream.across_tenants.get(tenant=acme.tenant, name="marketing")
    messages = [accepted(acme.tenant, stream=stream) for _ in range(6)]
    return [one for message in messages for one in message.recipients.order_by("position")]


def hits(
    recipients: list[Recipient], *, user_agent: str = PERSON, target: str | None = "https://a.test/"
) -> list[Hit]:
    at = NOW + timedelta(hours=1)
    return [
        Hit(recipient_id=one.pk, target=target, at=at, ip="192.0.2.1", user_agent=user_agent)
        for one in recipients
    ]


def statements(some: list[Hit]) -> int:
    with CaptureQueriesContext(
        connection,
    ) as seen:
        assert record_hits(some, now=NOW) == len(some)
    return len(seen)


def test_many_hits_cost_as_many_statements_as_one(recipients):
    one = statements(hits(recipients[:1]) + hits(recipients[:1], target=None))
    many = statements(hits(recipients) + hits(recipients, target=None))
    assert one == many
    assert Event.across_tenants.filter(type="email.clicked").count() == 13


def test_counters_grow_by_what_was_recorded(recipients):
    ann, bob = recipients[:2]
    record_hits(
        [
            *hits([ann, ann, bob]),
            *hits([ann], user_agent=SCANNER),
            *hits([bob, bob], target=None),
            *hits([bob], target=None, user_agent=""),
        ],
        now=NOW,
    )
    counts = Recipient.across_tenants.filter(pk__in=[ann.pk, bob.pk]).order_by("position")
    assert list(counts.values_list("opens", "human_opens", "clicks", "human_clicks")) == [
        (0, 0, 3, 2),
        (3, 2, 1, 1),
    ]
    message = Message.across_tenants.get(pk=ann.message_id)
    assert (message.opened, message.clicked) == (True, True)


def test_scanners_count_and_mark_no_message(recipients):
    record_hits(
        hits(recipients[:1], user_agent=SCANNER) + hits(recipients[:1], user_agent=SCANNER, target=None),
        now=NOW,
    )
    message = Message.across_tenants.get(pk=recipients[0].message_id)
    assert (message.opened, message.clicked) == (False, False)
    recipients[0].refresh_from_db()
    assert (recipients[0].opens, recipients[0].clicks) == (1, 1)


def test_a_pending_recipient_is_shown_as_its_delivery(recipients):
    record_hits(hits(recipients[:1]), now=NOW)
    assert Event.across_tenants.get().status == "queued"


def test_what_others_wrote_is_stored_whatever_it_holds(recipients):
    at = NOW + timedelta(hours=1)
    strange = Hit(
        recipient_id=recipients[0].pk,
        target="https://a.test/\0",
        at=at,
        ip="",
        user_agent="\0\ud800" + "x" * 9_999,
    )
    assert record_hits([strange], now=NOW) == 1
    click = Event.across_tenants.get().data["click"]
    assert (click["link"], len(click["userAgent"])) == ("https://a.test/", 511)
