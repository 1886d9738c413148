"""GET /emails and /emails/{id}."""

from typing import Any

from django.http import HttpResponse
from rest_framework.request import Request

from emails.messages import content as contents
from emails.messages import wire
from emails.messages.lifecycle import LAST_EVENTS
from emails.messages.selectors import TAG, MessageFilter, get_message, list_messages, recipients_of
from mailgrid.core.errors import InvalidParameter
from mailgrid.core.vocabulary import Source, Status
from mailgrid.http.answers import answer
from mailgrid.http.query import Query, as_list

FILTERS = ("status", "last_event", "to", "from", "stream", "tag", "batch_id", "source", "since", "until")


def list_answer(request: Request, now: Any) -> HttpResponse:
    """A page of messages, newest first."""
    query = Query(request.query_params, filters=FILTERS, now=now)
    wanted = MessageFilter(
        status=query.words("status", Status),
        last_event=query.words("last_event", LAST_EVENTS),
        source=query.words("source", Source),
        to=query.text("to"),
        sender=query.text("from"),
        stream=query.text("stream"),
        tag=_tag(query.text("tag")),
        batch_id=query.id("batch_id"),
        since=query.time("since"),
        until=query.time("until"),
    )
    return answer(as_list(query.page().of(list_messages(wanted)), wire.summary))


def _tag(text: str | None) -> str | None:
    if text is not None and not TAG.fullmatch(text):
        raise InvalidParameter("tag must be a name, or name:value.")
    return text


def one_answer(message_id: str) -> HttpResponse:
    """One message with its bodies and recipients."""
    message = get_message(message_id)
    content = None if message.stream.sensitive else contents.load_one(message.pk)
    return answer(wire.full(message, content, recipients_of(message)))
