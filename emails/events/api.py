"""`/events`: what happened, for those who pull."""

import re
from collections.abc import Callable
from typing import Any, Final

from django.http import HttpResponse
from django.urls import path

from emails.events import selectors
from emails.events.payloads import item
from emails.events.selectors import EventFilter
from mailgrid.core.addresses import InvalidAddress, parse_address
from mailgrid.core.errors import InvalidParameter
from mailgrid.core.vocabulary import EventType
from mailgrid.http.answers import answer
from mailgrid.http.query import Query, as_list
from mailgrid.http.views import Endpoint

READ = "events:read"

_ORDERS: Final = ("desc", "asc")
_TAG: Final = re.compile(r"([A-Za-z0-9_-]{1,256})(?::([A-Za-z0-9_-]{0,256}))?")


class Events(Endpoint):
    """The log of the tenant, in the mode of the key."""

    scopes = {"GET": READ}
    filters = ("type", "email", "email_id", "broadcast_id", "stream", "tag", "since", "until", "order")

    def get(self, request: Any) -> HttpResponse:
        """List the events, newest first; with `order=asc` going on from the last id skips none."""
        query = Query(request.GET, filters=self.filters, now=self.request_time)
        wanted = EventFilter(
            types=[_type(word) for word in query.words("type")],
            email=_optional(query.text("email"), _address),
            email_id=query.id("email_id"),
            broadcast_id=query.id("broadcast_id"),
            streams=query.words("stream"),
            tags=[_tag(word) for word in query.words("tag")],
            since=query.time("since"),
            until=query.time("until"),
        )
        oldest_first = query.words("order", _ORDERS) == ["asc"]
        return answer(as_list(selectors.listed(wanted, query.page(), oldest_first=oldest_first), item))


class OneEvent(Endpoint):
    """One of them."""

    scopes = {"GET": READ}

    def get(self, _request: Any, event: str) -> HttpResponse:
        """Read it."""
        return answer(item(selectors.find(event)))


class EmailEvents(Endpoint):
    """What happened to one message."""

    scopes = {"GET": READ}

    def get(self, request: Any, email: str) -> HttpResponse:
        """List its events, oldest first."""
        page = Query(request.GET, filters=self.filters, now=self.request_time).page()
        return answer(as_list(selectors.of_email(email, page), item))


def _type(word: str) -> str:
    full = word if word.startswith("email.") else f"email.{word}"
    if full not in set(EventType):
        raise InvalidParameter(f"type cannot be {word!r}.")
    return full


def _tag(word: str) -> tuple[str, str | None]:
    if (found := _TAG.fullmatch(word)) is None:
        raise InvalidParameter("tag must be a name, or name:value.")
    return found[1], found[2]


def _address(text: str) -> str:
    try:
        return parse_address(text)
    except InvalidAddress:
        raise InvalidParameter("email is not an address.") from None


def _optional(text: str | None, read: Callable[[str], str]) -> str | None:
    return None if text is None else read(text)


routes = [
    path("events", Events.as_view()),
    path("events/<str:event>", OneEvent.as_view()),
    path("emails/<str:email>/events", EmailEvents.as_view()),
]
