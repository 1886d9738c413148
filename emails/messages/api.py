"""GET /emails and /emails/{id}, and the attachments of an email."""

from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.urls import path
from rest_framework.request import Request

from emails.messages import attachments, wire
from emails.messages import content as contents
from emails.messages.content import StoredAttachment
from emails.messages.lifecycle import LAST_EVENTS
from emails.messages.selectors import TAG, MessageFilter, get_message, list_messages, recipients_of
from mailgrid.core.errors import InvalidParameter
from mailgrid.core.vocabulary import Source, Status
from mailgrid.http.answers import answer
from mailgrid.http.links import download_link
from mailgrid.http.query import Query, as_list
from mailgrid.http.views import Endpoint

FILTERS = (
    *("status", "last_event", "to", "from", "stream", "tag", "template_id", "batch_id"),
    *("source", "since", "until"),
)


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
        template_id=query.id("template_id"),
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
    content = contents.load_shown(message.pk)
    return answer(wire.full(message, content, recipients_of(message)))


class Attachments(Endpoint):
    """The attachments of an email, not those of sensitive ones."""

    scopes = {"GET": "events:read"}

    def get(self, request: Request, email_id: str) -> HttpResponse:
        """All of them, in the order of the email, each with a link that is good for an hour."""
        message_id, parts = attachments.attachments_of(email_id)
        Query(request.query_params, filters=(), now=self.request_time).page()
        shown = [self._show(message_id, place, part) for place, part in enumerate(parts)]
        return answer({"object": "list", "has_more": False, "data": shown})

    def _show(self, message_id: UUID, place: int, part: StoredAttachment) -> dict[str, Any]:
        url, expires_at = download_link(attachments.LINK, message_id.hex, str(place), now=self.request_time)
        return {
            "object": "attachment",
            "id": attachments.id_of(message_id, place),
            "filename": part.filename,
            "content_type": part.content_type,
            "content_id": part.content_id,
            "content_disposition": "inline" if part.content_id else "attachment",
            "size": part.size if part.blob else None,
            "download_url": url if part.blob else None,
            "expires_at": expires_at if part.blob else None,
        }


class Attachment(Attachments):
    """One attachment of an email."""

    def get(self, request: Request, email_id: str, attachment_id: str) -> HttpResponse:  # type: ignore[override]
        """What it is, with a link that is good for an hour."""
        message_id, parts = attachments.attachments_of(email_id)
        place = attachments.place_of(message_id, attachment_id, len(parts))
        return answer(self._show(message_id, place, parts[place]))


routes = [
    path("emails/<str:email_id>/attachments", Attachments.as_view()),
    path("emails/<str:email_id>/attachments/<str:attachment_id>", Attachment.as_view()),
]
