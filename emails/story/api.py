"""GET /emails/{id}/timeline: why it was or was not sent."""

from django.http import HttpResponse
from django.urls import path
from rest_framework.request import Request

from emails.story.selectors import timeline
from mailgrid.http.answers import answer
from mailgrid.http.query import Query
from mailgrid.http.views import Endpoint


class Timeline(Endpoint):
    """The story of one email."""

    scopes = {"GET": "events:read"}

    def get(self, request: Request, email_id: str) -> HttpResponse:
        """Everything that happened to an email, oldest first."""
        Query(request.query_params, filters=(), now=self.request_time)  # refuses what it does not know
        data = [
            {"at": line.at, "kind": line.kind, "what": line.what, "detail": line.detail}
            for line in timeline(email_id)
        ]
        return answer({"object": "list", "has_more": False, "data": data})


routes = [path("emails/<str:email_id>/timeline", Timeline.as_view())]
