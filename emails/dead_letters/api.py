"""`/dead-letters`: what waits for an operator."""

from typing import Any

from django.http import HttpResponse
from django.urls import path

from emails.dead_letters import services
from emails.dead_letters.selectors import DeadLetter, DeadLetterFilter, Kind, Reason, listed
from mailgrid.core.callers import ADMIN
from mailgrid.http.answers import answer
from mailgrid.http.query import Query, as_list
from mailgrid.http.views import Endpoint
from tenants.audit.services import Actor


class DeadLetters(Endpoint):
    """Deliveries and notifications that go on no more by themselves, of all tenants."""

    operator = True
    scopes = {"GET": ADMIN}
    filters = ("kind", "reason", "tenant_id", "since")

    def get(self, request: Any) -> HttpResponse:
        """List them, newest first."""
        query = Query(request.GET, filters=self.filters, now=self.request_time)
        wanted = DeadLetterFilter(
            kinds=query.words("kind", Kind),
            reasons=query.words("reason", Reason),
            tenant_id=query.id("tenant_id"),
            since=query.time("since"),
        )
        return answer(as_list(listed(wanted, query.page()), _show))


class RedriveDeadLetter(Endpoint):
    """Another chance for one of them."""

    operator = True
    scopes = {"POST": ADMIN}

    def post(self, _request: Any, letter_id: str) -> HttpResponse:
        """Release what is quarantined; send an exhausted delivery as a new email; work a notification off again."""
        done = services.redrive(
            letter_id=letter_id,
            actor=Actor.of(self.caller),
            now=self.request_time,
        )
        return answer({"object": "dead_letter", "id": done.id, "redriven": True, "email_id": done.email_id})


class OneDeadLetter(Endpoint):
    """One of them."""

    operator = True
    scopes = {"DELETE": ADMIN}

    def delete(self, _request: Any, letter_id: str) -> HttpResponse:
        """Give up what is quarantined; take anything else off the list."""
        removed = services.remove(
            letter_id=letter_id,
            actor=Actor.of(self.caller),
            now=self.request_time,
        )
        return answer({"object": "dead_letter", "id": removed, "deleted": True})


def _show(letter: DeadLetter) -> dict[str, Any]:
    return {
        "object": "dead_letter",
        "id": letter.id,
        "kind": letter.kind,
        "reason": letter.reason,
        "tenant_id": letter.tenant_id,
        "email_id": letter.email_id,
        "attempts": letter.attempts,
        "error": letter.error,
        "first_at": letter.first_at,
        "last_at": letter.last_at,
    }


routes = [
    path("dead-letters", DeadLetters.as_view()),
    path("dead-letters/<str:letter_id>", OneDeadLetter.as_view()),
    path("dead-letters/<str:letter_id>/redrive", RedriveDeadLetter.as_view()),
]
