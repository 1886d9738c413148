"""Pullers see every event of their tenant and mode once, in order, for a constant number of queries."""

from datetime import timedelta
from uuid import uuid4

import pytest

from emails.events import selectors
from emails.events.selectors import EmailNotFound, EventFilter, EventNotFound, UnknownCursor
from emails.events.services import record
from emails.messages.models import Message, MessageContent
from emails.streams.models import Stream
from mailgrid.core.scoping import in_scope
from mailgrid.http.query import Page
from tenants.tenancy.models import Plan, Tenant
from tests.unit.emails.events.mail import NOW, accepted, fact

pytestmark = pytest.mark.django_db


def new_tenant(slug: str) -> Tenant:
    return Tenant.objects.create(name=slug, slug=slug, plan=Plan.objects.get(name="free"))


def new_stream(tenant: Tenant, name: str = "codes", **more) -> Stream:
    return Stream.across_tenants.create(tenant=tenant, name=name, priority=1, **more)


@pytest.fixture
def acme():
    tenant = new_tenant("acme")
    with in_scope(tenant.pk, test=False):
        yield tenant


@pytest.fixture
def message(acme):
    return accepted(acme, stream=new_stream(acme))


def ids(wanted: EventFilter | None = None, *, oldest_first: bool = True, limit: int = 100, **page) -> list:
    found, _ = selectors.listed(wanted or EventFilter(), Page(limit, **page), oldest_first=oldest_first)
    return [event.event_id for event in found]


def recorded(*facts) -> list:
    for one in facts:
        record([one], now=NOW)
    return [one.event_id for one in facts]


def test_pages_in_both_orders_and_both_directions_join_without_a_gap(message):
    made = recorded(*[fact(message) for _ in range(5)])
    assert ids() == made
    assert ids(oldest_first=False) == made[::-1]
    assert ids(after=made[1], limit=2) == made[2:4]
    assert ids(before=made[3], limit=2) == made[1:3]
    assert ids(oldest_first=False, after=made[3], limit=2) == [made[2], made[1]]
    assert ids(oldest_first=False, before=made[1], limit=2) == [made[3], made[2]]


@pytest.mark.parametrize("oldest_first", [True, False])
def test_more_is_said_in_the_direction_of_the_page(message, oldest_first):
    recorded(*[fact(message) for _ in range(3)])
    for limit, more in [(2, True), (3, False)]:
        _, answered = selectors.listed(EventFilter(), Page(limit), oldest_first=oldest_first)
        assert answered is more


def test_an_empty_page_keeps_the_cursor_valid(message):
    made = recorded(fact(message))
    assert ids(after=made[0]) == []
    later = recorded(fact(message))
    assert ids(after=made[0]) == later


def test_a_cursor_that_is_not_there_is_refused(acme, message):
    globex = new_tenant("globex")
    (theirs,) = recorded(fact(accepted(globex, stream=new_stream(globex))))
    for cursor in (uuid4(), theirs):
        with pytest.raises(UnknownCursor):
            ids(after=cursor)


def test_events_of_another_tenant_or_mode_are_not_there(acme, message):
    globex = new_tenant("globex")
    (theirs,) = recorded(fact(accepted(globex, stream=new_stream(globex))))
    (tested,) = recorded(fact(accepted(acme, stream=message.stream, test=True)))
    assert ids() == []
    for event_id in (theirs, tested, uuid4(), "x"):
        with pytest.raises(EventNotFound):
            selectors.find(str(event_id))


def test_every_filter_narrows_and_together_they_narrow_further(acme, message):
    news = accepted(acme, stream=new_stream(acme, "news"), tags={"kind": None, "2026": "x"})
    sent, bounced, late = recorded(
        fact(message, "email.sent"),
        fact(news, "email.bounced", recipient=1),
        fact(news, "email.sent", occurred_at=NOW + timedelta(hours=1)),
    )
    assert ids(EventFilter(types=["email.sent"])) == [sent, late]
    assert ids(EventFilter(email="bob@example.com")) == [bounced]
    assert ids(EventFilter(email_id=message.pk)) == [sent]
    assert ids(EventFilter(broadcast_id=uuid4())) == []
    assert ids(EventFilter(streams=["news"])) == [bounced, late]
    assert ids(EventFilter(streams=[str(news.stream_id), "gone"])) == [bounced, late]
    assert ids(EventFilter(tags=[("kind", None)])) == [sent, bounced, late]
    assert ids(EventFilter(tags=[("kind", "welcome")])) == [sent]
    assert ids(EventFilter(tags=[("2026", "x")])) == [bounced, late]
    assert ids(EventFilter(tags=[("2026", None), ("kind", "welcome")])) == [sent, bounced, late]
    assert ids(EventFilter(since=NOW + timedelta(hours=1))) == [late]
    assert ids(EventFilter(until=NOW + timedelta(hours=1))) == [sent, bounced]
    assert ids(EventFilter(types=["email.sent"], streams=["news"])) == [late]


def test_a_page_costs_the_same_number_of_queries_whatever_it_holds(acme, message, django_assert_num_queries):
    made = recorded(fact(message), fact(message, recipient=1))
    for _ in range(10):
        recorded(fact(accepted(acme, stream=message.stream)))
    for limit in (1, 10):
        with django_assert_num_queries(3):  # cursor, events with their facts, headers
            assert len(ids(limit=limit, after=made[0])) == limit


def test_an_event_tells_about_its_message_and_recipient(message):
    Message.objects.update(provider_message_id="0107")
    (made,) = recorded(fact(message, recipient=1, data={"open": {"class": "human"}}))
    told = selectors.find(str(made))
    assert (told.recipient, told.recipient_type, told.stream) == ("bob@example.com", "to", "codes")
    assert (told.provider_message_id, told.tags, told.metadata) == (
        "<0107>",
        {"kind": "welcome"},
        {"order": 7},
    )
    assert told.headers == (("X-Entity-Ref-ID", "42"), ("Reply-By", "now"))


def test_before_hand_over_there_is_no_provider_id(message):
    (made,) = recorded(fact(message, "email.queued"))
    assert selectors.find(str(made)).provider_message_id is None


def test_headers_go_with_the_content_and_never_show_for_sensitive_streams(acme, message):
    secret = accepted(acme, stream=new_stream(acme, "secret", sensitive=True))
    hidden, erased = recorded(fact(secret), fact(message))
    MessageContent.objects.filter(message=message).update(erased_at=NOW, payload=None)
    assert selectors.find(str(hidden)).headers == ()
    assert selectors.find(str(erased)).headers == ()


def test_one_messages_events_are_told_oldest_first(acme, message):
    made = recorded(fact(message, "email.queued"), fact(message, "email.sent"))
    recorded(fact(accepted(acme, stream=message.stream)))
    found, more = selectors.of_email(str(message.pk), Page(20))
    assert ([event.event_id for event in found], more) == (made, False)


def test_the_events_of_a_message_that_is_not_there_are_not_found(acme):
    globex = new_tenant("globex")
    theirs = accepted(globex, stream=new_stream(globex))
    for email_id in (str(theirs.pk), str(uuid4()), "x"):
        with pytest.raises(EmailNotFound):
            selectors.of_email(email_id, Page(20))
