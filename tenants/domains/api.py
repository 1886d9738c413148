"""`/domains`, read only: a command or the console makes them, verified."""

from typing import Any

from django.http import HttpResponse
from django.urls import path

from mailgrid.http.answers import answer
from mailgrid.http.query import MAX_LIMIT, Query, as_list
from mailgrid.http.views import Endpoint
from tenants.domains import selectors
from tenants.domains.models import Domain

READ = "domains:read"
STATUSES = ("not_started", "pending", "verified", "partially_verified", "partially_failed", "failed")


class Domains(Endpoint):
    """The tenant's domains."""

    scopes = {"GET": READ}
    filters = ("status",)

    def get(self, request: Any) -> HttpResponse:
        """List them, newest first."""
        query = Query(request.GET, filters=self.filters, now=self.request_time)
        rows = selectors.list_domains(self.caller.tenant_id, status=query.words("status", STATUSES))
        return answer(as_list(query.page(default=MAX_LIMIT).of(rows), _show))


class OneDomain(Endpoint):
    """A domain of the tenant."""

    scopes = {"GET": READ}

    def get(self, _request: Any, domain_id: str) -> HttpResponse:
        """Read it."""
        return answer(_show(selectors.get_domain(self.caller.tenant_id, domain_id)))


def _show(domain: Domain) -> dict[str, Any]:
    return {
        "object": "domain",
        "id": str(domain.id),
        "name": domain.name,
        "status": domain.status,
        "region": None,
        "created_at": domain.created_at,
        "capabilities": {"sending": "enabled", "receiving": "disabled"},
        "records": [],
        "health": {},
    }


routes = [
    path("domains", Domains.as_view()),
    path("domains/<str:domain_id>", OneDomain.as_view()),
]
