"""`/transports`: the accounts through which a tenant's mail leaves."""

from typing import Annotated, Any, Literal, cast

from django.http import HttpResponse
from django.urls import path
from pydantic import Field

from emails.transports import checks, selectors, services
from emails.transports.models import Transport, TransportCheck
from emails.transports.services import TransportValues
from mailgrid.core.callers import ADMIN
from mailgrid.http.answers import answer
from mailgrid.http.query import Query, as_list
from mailgrid.http.reading import Body
from mailgrid.http.views import Endpoint
from tenants.audit.services import Actor

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
Limit = Annotated[int, Field(ge=1, le=1_000_000_000)]

CHECK_SECONDS = 10.0  # how long a request waits for a check

_CLEARABLE = frozenset({"per_minute", "per_hour", "per_day"})


class TransportChanges(Body):
    """What may be changed. The kind is not: another kind is another transport."""

    name: Name | None = None
    settings: dict[str, Any] | None = None
    per_minute: Limit | None = None
    per_hour: Limit | None = None
    per_day: Limit | None = None
    over_limit: Literal["defer", "reject"] | None = None

    def values(self) -> TransportValues:
        """What is given; null clears a limit and says nothing elsewhere."""
        given = self.model_dump(exclude_unset=True)
        return cast(
            TransportValues,
            {field: value for field, value in given.items() if value is not None or field in _CLEARABLE},
        )


class NewTransport(TransportChanges):
    """A transport to create. `shared` is for the operator: it then serves every tenant without its own."""

    name: Name
    kind: str
    shared: bool | None = None


class Transports(Endpoint):
    """The collection."""

    scopes = {"GET": ADMIN, "POST": ADMIN}
    bodies = {"POST": NewTransport}

    def get(self, request: Any) -> HttpResponse:
        """List the transports, newest first."""
        page = Query(request.GET, filters=self.filters, now=self.request_time).page()
        return answer(as_list(page.of(selectors.visible(operator=self.caller.operator)), _show))

    def post(self, _request: Any) -> HttpResponse:
        """Create a transport; one of kind `ses` answers once where its notifications go."""
        created = services.create(
            tenant_id=self.caller.tenant_id,
            operator=self.caller.operator,
            values=self.read(NewTransport).values(),
            actor=Actor.of(self.caller),
            now=self.request_time,
        )
        shown = _show(created.transport)
        return answer(shown | ({"hook_url": created.hook_url} if created.hook_url else {}), status=201)


class OneTransport(Endpoint):
    """One transport, by id or name."""

    scopes = {"GET": ADMIN, "PATCH": ADMIN, "DELETE": ADMIN}
    bodies = {"PATCH": TransportChanges}

    def get(self, _request: Any, transport: str) -> HttpResponse:
        """Read it, without its secrets."""
        return answer(_show(selectors.find(transport, operator=self.caller.operator)))

    def patch(self, _request: Any, transport: str) -> HttpResponse:
        """Change it; settings are merged by key."""
        row = services.update(
            tenant_id=self.caller.tenant_id,
            operator=self.caller.operator,
            id_or_name=transport,
            values=self.read(TransportChanges).values(),
            actor=Actor.of(self.caller),
            now=self.request_time,
        )
        return answer({"object": "transport", "id": row.pk})

    def delete(self, _request: Any, transport: str) -> HttpResponse:
        """Delete it, unless streams or mail still use it."""
        transport_id = services.delete(
            tenant_id=self.caller.tenant_id,
            operator=self.caller.operator,
            id_or_name=transport,
            actor=Actor.of(self.caller),
            now=self.request_time,
        )
        return answer({"object": "transport", "id": transport_id, "deleted": True})


class CheckTransport(Endpoint):
    """Whether a transport can be reached and lets us in."""

    scopes = {"POST": ADMIN}

    def post(self, _request: Any, transport: str) -> HttpResponse:
        """Connect and authenticate, send nothing; 202 when the answer takes longer than ten seconds."""
        row = selectors.find(transport, operator=self.caller.operator)
        check = checks.awaited(checks.ask(row, now=self.request_time), seconds=CHECK_SECONDS)
        return answer(_show_check(check), status=202 if check.state in checks.OPEN else 200)


class OneCheck(Endpoint):
    """A check that was asked for."""

    scopes = {"GET": ADMIN}

    def get(self, _request: Any, transport: str, check_id: str) -> HttpResponse:
        """What came of it, for a day."""
        row = selectors.find(transport, operator=self.caller.operator)
        return answer(_show_check(checks.find(row, check_id)))


def _show_check(check: TransportCheck) -> dict[str, Any]:
    failed = check.state == TransportCheck.State.FAILED
    error = {"class": check.error_class, "code": check.error_code, "message": check.error_message}
    return {
        "object": "transport_check",
        "id": check.pk,
        "transport_id": check.transport_id,
        "status": "pending" if check.state in checks.OPEN else check.state,
        "error": error if failed else None,
        "checked_at": check.checked_at,
    }


def _show(row: Transport) -> dict[str, Any]:
    return {
        "object": "transport",
        "id": row.pk,
        "name": row.name,
        "kind": row.kind,
        "settings": row.settings,
        "per_minute": row.per_minute,
        "per_hour": row.per_hour,
        "per_day": row.per_day,
        "over_limit": row.over_limit,
        "shared": row.tenant_id is None,
        "created_at": row.created_at,
    }


routes = [
    path("transports", Transports.as_view()),
    path("transports/<str:transport>", OneTransport.as_view()),
    path("transports/<str:transport>/check", CheckTransport.as_view()),
    path("transports/<str:transport>/checks/<str:check_id>", OneCheck.as_view()),
]
