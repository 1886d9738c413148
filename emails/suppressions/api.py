"""`/suppressions`: addresses that must not get mail, and why."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any, Literal

from django.http import HttpResponse
from django.urls import path
from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from emails.suppressions import selectors, services
from emails.suppressions.models import NO_SCOPE, Suppression
from emails.suppressions.services import Wanted
from mailgrid.core.addresses import InvalidAddress, parse_address
from mailgrid.http.answers import answer
from mailgrid.http.query import Query, as_list
from mailgrid.http.reading import Body
from mailgrid.http.times import WireTime
from mailgrid.http.views import Endpoint
from tenants.audit.services import Actor

READ, WRITE = "suppressions:read", "suppressions:write"
MAX_BATCH = 100


def _bare(text: str) -> str:
    try:
        return parse_address(text).lower()
    except InvalidAddress as error:
        raise PydanticCustomError("invalid_email", "{reason}", {"reason": str(error)}) from None


Address = Annotated[str, AfterValidator(_bare)]
Addresses = Annotated[list[Address], Field(min_length=1, max_length=MAX_BATCH)]


class _ForWhat(Body):
    scope: Literal["tenant", "stream", "topic", "global"] | None = None
    stream: str | None = None
    topic_id: str | None = None
    expires_at: WireTime | None = None
    note: Annotated[str, Field(max_length=500)] | None = None

    def wanted(self, addresses: Sequence[str]) -> Wanted:
        """The request as a value."""
        return Wanted(
            addresses=addresses,
            scope=self.scope or Suppression.Scope.TENANT.value,
            stream=self.stream,
            topic_id=self.topic_id,
            expires_at=self.expires_at,
            note=self.note,
        )


class NewSuppression(_ForWhat):
    """An address to suppress."""

    email: Address


class NewSuppressions(_ForWhat):
    """Up to 100 addresses to suppress."""

    emails: Addresses


class LiftedSuppressions(Body):
    """Suppressions to remove: by address or by id."""

    emails: Addresses | None = None
    ids: Annotated[list[str], Field(min_length=1, max_length=MAX_BATCH)] | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> "LiftedSuppressions":
        if (self.emails is None) == (self.ids is None):
            raise PydanticCustomError("mutually_exclusive", "Give either emails or ids.")
        return self


class Suppressions(Endpoint):
    """The collection."""

    scopes = {"GET": READ, "POST": WRITE}
    bodies = {"POST": NewSuppression}
    filters = ("origin", "email", "scope", "since", "until")

    def get(self, request: Any) -> HttpResponse:
        """List the suppressions, newest first."""
        query = Query(request.GET, filters=self.filters, now=self.request_time)
        rows = selectors.listed(
            selectors.visible(operator=self.caller.operator, now=self.request_time),
            origins=query.words("origin", Suppression.Origin.values),
            scopes=query.words("scope", Suppression.Scope.values),
            email=query.text("email"),
            since=query.time("since"),
            until=query.time("until"),
        )
        return answer(as_list(query.page().of(rows), _show))

    def post(self, _request: Any) -> HttpResponse:
        """Suppress an address; one that is listed answers its row."""
        body = self.read(NewSuppression)
        (added,) = services.add(
            tenant_id=self.caller.tenant_id,
            operator=self.caller.operator,
            wanted=body.wanted([body.email]),
            actor=Actor.of(self.caller),
            now=self.request_time,
        )
        return answer({"object": "suppression", "id": added.id}, status=201 if added.created else 200)


class OneSuppression(Endpoint):
    """One suppression by id, or those of an address."""

    scopes = {"GET": READ, "DELETE": WRITE}

    def get(self, _request: Any, entry: str) -> HttpResponse:
        """Read it; of an address the tenant-wide one before others."""
        operator = self.caller.operator
        return answer(_show(selectors.find(entry, operator=operator, now=self.request_time)))

    def delete(self, _request: Any, entry: str) -> HttpResponse:
        """Lift it; by address, all of them."""
        lifted = services.lift(
            id_or_email=entry,
            tenant_id=self.caller.tenant_id,
            operator=self.caller.operator,
            actor=Actor.of(self.caller),
            now=self.request_time,
        )
        return answer(_lifted(lifted))


class ExplainSuppression(Endpoint):
    """Why an address does or does not get mail."""

    scopes = {"GET": READ}

    def get(self, _request: Any, entry: str) -> HttpResponse:
        """Every reason that counts now."""
        explanation = selectors.explain(
            entry, tenant_id=self.caller.tenant_id, operator=self.caller.operator, now=self.request_time
        )
        return answer(
            {
                "object": "suppression_explanation",
                "email": explanation.email,
                "suppressed": bool(explanation.reasons),
                "reasons": [asdict(reason) for reason in explanation.reasons],
            }
        )


class AddSuppressions(Endpoint):
    """Many at once."""

    scopes = {"POST": WRITE}
    bodies = {"POST": NewSuppressions}

    def post(self, _request: Any) -> HttpResponse:
        """Suppress up to 100 addresses; the answer has their rows in the same order."""
        body = self.read(NewSuppressions)
        added = services.add(
            tenant_id=self.caller.tenant_id,
            operator=self.caller.operator,
            wanted=body.wanted(body.emails),
            actor=Actor.of(self.caller),
            now=self.request_time,
        )
        return answer({"data": [{"object": "suppression", "id": one.id} for one in added]})


class RemoveSuppressions(Endpoint):
    """Many at once."""

    scopes = {"POST": WRITE}
    bodies = {"POST": LiftedSuppressions}

    def post(self, _request: Any) -> HttpResponse:
        """Lift every suppression of up to 100 addresses, or up to 100 by their ids."""
        body = self.read(LiftedSuppressions)
        lifted = services.lift_many(
            addresses=body.emails,
            ids=body.ids,
            tenant_id=self.caller.tenant_id,
            operator=self.caller.operator,
            actor=Actor.of(self.caller),
            now=self.request_time,
        )
        return answer({"data": [_lifted(one) for one in lifted]})


def _lifted(suppression_id: Any) -> dict[str, Any]:
    return {"object": "suppression", "id": suppression_id, "deleted": True}


def _show(row: Suppression) -> dict[str, Any]:
    bound_to = None if row.scope_id == NO_SCOPE else row.scope_id
    return {
        "object": "suppression",
        "id": row.pk,
        "email": row.address,
        "origin": row.origin,
        "source_id": row.source_id,
        "scope": row.scope,
        "stream_id": bound_to if row.scope == Suppression.Scope.STREAM else None,
        "topic_id": bound_to if row.scope == Suppression.Scope.TOPIC else None,
        "expires_at": row.expires_at,
        "note": row.note,
        "created_at": row.created_at,
    }


routes = [
    path("suppressions", Suppressions.as_view()),
    path("suppressions/batch/add", AddSuppressions.as_view()),
    path("suppressions/batch/remove", RemoveSuppressions.as_view()),
    path("suppressions/<str:entry>", OneSuppression.as_view()),
    path("suppressions/<str:entry>/explain", ExplainSuppression.as_view()),
]
