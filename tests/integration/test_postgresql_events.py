"""Whoever follows the log of events misses none, in whatever order transactions number and commit them."""

import time
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import pytest
from django.db import connection, transaction

from emails.events.services import record
from emails.models import Event, Message
from emails.streams.models import Stream
from mailgrid.core.clock import now
from tests.integration.elsewhere import Elsewhere, elsewhere
from tests.unit.emails.events.mail import accepted, fact

pytestmark = [pytest.mark.services, pytest.mark.django_db(transaction=True, serialized_rollback=True)]


class OpenTransaction:
    """A transaction on another connection, step by step."""

    def __init__(self, other: Elsewhere) -> None:
        self._other = other
        self._atomic = transaction.atomic()
        other.do(self._atomic.__enter__)

    def draw_id(self) -> None:
        """Take a place among the transactions, before anything is written."""
        self._other.do(_draw_id)

    def record(self, message: Message) -> UUID:
        event = fact(message)
        self._other.do(record, [event], now=now())
        return event.event_id

    def commit(self) -> None:
        self._other.do(self._atomic.__exit__, None, None, None)


def _draw_id() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_current_xact_id()")


@pytest.fixture
def message(acme) -> Message:
    return accepted(acme.tenant, stream=Stream.across_tenants.filter(tenant=acme.tenant).first())


@pytest.fixture
def first() -> Iterator[OpenTransaction]:
    with elsewhere() as other:
        yield OpenTransaction(other)


@pytest.fixture
def second() -> Iterator[OpenTransaction]:
    with elsewhere() as other:
        yield OpenTransaction(other)


def soon(page: Callable[..., list[UUID]], expected: list[UUID], **query: Any) -> None:
    """The page, once no other test on this server has an older transaction open."""
    until = time.monotonic() + 30
    while (found := page(**query)) != expected and time.monotonic() < until:
        time.sleep(0.02)
    assert found == expected


@pytest.fixture
def page(api, acme) -> Callable[..., list[UUID]]:
    """The next events of a puller."""

    def pulled(after: UUID | None = None, **more: Any) -> list[UUID]:
        query = {"order": "asc", **more} | ({"after": str(after)} if after else {})
        answer = api(acme).get("/api/events", query)
        assert answer.status_code == 200, answer.content
        return [UUID(item["id"]) for item in answer.json()["data"]]

    return pulled


def test_an_event_waits_for_an_earlier_transaction_that_may_still_write(message, first, second, page):
    """The later one commits first: shown at once, it would put the cursor behind the earlier one's event."""
    early = first.record(message)
    late = second.record(message)
    second.commit()
    assert page() == []
    first.commit()
    soon(page, [early, late])
    soon(page, [late], after=early)
    assert page(after=late) == []


def test_the_earlier_transaction_comes_first_even_with_the_higher_number(message, first, second, page):
    """The later transaction draws the lower number: in the order of numbers a cursor would skip it."""
    first.draw_id()
    low = second.record(message)
    high = first.record(message)
    first.commit()
    soon(page, [high])
    assert page(after=high) == []
    second.commit()
    soon(page, [low], after=high)
    soon(page, [high, low])
    numbers = dict(Event.across_tenants.values_list("event_id", "seq"))
    assert numbers[low] < numbers[high]


def test_a_cursor_of_an_empty_page_goes_on(message, first, second, page):
    early = first.record(message)
    first.commit()
    late = second.record(message)
    soon(page, [early])
    assert page(after=early) == []
    second.commit()
    soon(page, [late], after=early)


def test_a_transaction_that_fails_holds_nobody_up_for_good(message, first, second, page):
    first.record(message)
    late = second.record(message)
    second.commit()
    first._other.do(first._atomic.__exit__, ValueError, ValueError(), None)
    soon(page, [late])


def test_pages_join_in_both_directions_over_transactions(message, first, page, api, acme):
    made = []
    for _ in range(3):
        with transaction.atomic():
            events = [fact(message), fact(message)]
            record(events, now=now())
            made += [event.event_id for event in events]
    soon(page, made[:4], limit=4)
    soon(page, made[4:], limit=4, after=made[3])
    soon(page, made[1:3], limit=2, before=str(made[3]))
    newest_first = api(acme).get("/api/events", {"after": str(made[4]), "limit": 3}).json()["data"]
    assert [UUID(item["id"]) for item in newest_first] == made[3:0:-1]
    first.commit()


def test_what_happened_to_one_email_is_shown_as_soon_as_it_is_committed(message, first, second, api, acme):
    first.draw_id()
    told = second.record(message)
    second.commit()
    shown = api(acme).get(f"/api/emails/{message.pk}/events").json()["data"]
    assert [UUID(item["id"]) for item in shown] == [told]
    newest_first = api(acme).get("/api/events").json()["data"]
    assert [UUID(item["id"]) for item in newest_first] == [told]
    first.commit()
