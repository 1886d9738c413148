"""The access matrix, read from the URLconf: a route without a scope, or with another tenant's rows, fails here."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.urls import URLPattern, URLResolver, get_resolver

from emails.models import Delivery, Event, Message, Recipient
from mailgrid.core.callers import ANY_KEY
from mailgrid.core.clock import now
from mailgrid.http.views import Endpoint
from tenants.audit.models import AuditEntry
from tenants.audit.services import SYSTEM
from tenants.keys.models import ApiKey
from tenants.keys.scopes import SCOPES
from tenants.keys.services import NewKey, issue

UNKNOWN_ID = "01970000-0000-7000-8000-000000000000"
# Under /api and no Endpoint: the documents, that anybody may read.
DOCUMENTS = {"api/openapi.json", "api/docs"}
# In tests of their own, because the first part of the path says what they are about.
NAMES = re.compile(r"<(?:str:)?(\w+)>")


def patterns(entries: Any = None, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for entry in get_resolver().url_patterns if entries is None else entries:
        route = prefix + str(entry.pattern)
        if isinstance(entry, URLResolver):
            yield from patterns(entry.url_patterns, route)
        elif isinstance(entry, URLPattern):
            yield route, entry.callback


ROUTES = {route: view for route, view in patterns() if route.startswith("api/") and route not in DOCUMENTS}
VIEWS: dict[str, type[Endpoint]] = {
    route: getattr(view, "view_class", None) for route, view in ROUTES.items()
}


def methods(view: type[Endpoint]) -> list[str]:
    return [name.upper() for name in Endpoint.http_method_names if hasattr(view, name)]


CALLS = [(route, method) for route, view in sorted(VIEWS.items()) for method in methods(view)]


def path(route: str, value: str = UNKNOWN_ID) -> str:
    return "/" + NAMES.sub(value, route)


def key_of(actor: Any, *scopes: str) -> str:
    new = NewKey(name="narrow", scopes=frozenset(scopes), test=False)
    return issue(tenant_id=actor.tenant.pk, new=new, by=SYSTEM, now=now())[1]


def test_there_are_routes():
    assert len(ROUTES) >= 30
    assert "api/emails" in ROUTES


@pytest.mark.parametrize("route", sorted(ROUTES))
def test_a_route_under_api_is_an_endpoint_without_a_slash_at_its_end(route):
    view = VIEWS[route]
    assert view is not None
    assert issubclass(view, Endpoint)
    assert not route.endswith("/")
    assert methods(view)


@pytest.mark.parametrize("route", sorted(ROUTES))
def test_every_method_has_a_scope_of_the_closed_list_and_nothing_else_has(route):
    view = VIEWS[route]
    assert set(view.scopes) == set(methods(view))
    assert set(view.scopes.values()) <= SCOPES | {ANY_KEY}
    assert set(view.bodies) <= set(methods(view)) - {"GET", "DELETE"}


def test_only_reading_needs_no_particular_scope():
    open_to_all = {(route, method) for route, method in CALLS if VIEWS[route].scopes[method] == ANY_KEY}
    assert open_to_all == {("api/tenant", "GET")} or all(method == "GET" for _, method in open_to_all)


def test_a_scope_that_reads_opens_nothing_that_writes():
    wrong = [
        (route, method)
        for route, method in CALLS
        if method != "GET" and VIEWS[route].scopes[method].endswith(":read")
    ]
    assert wrong == [("api/templates/<str:template>/preview", "POST")]  # it renders, and stores nothing


def test_without_a_key_every_route_is_401(db, api):
    nobody = api(None)
    for route, method in CALLS:
        answer = nobody.send(method, path(route), {})
        assert (answer.status_code, answer.json()["name"]) == (401, "missing_api_key"), (method, route)


def test_a_key_without_the_scope_is_403_on_every_route_and_nothing_happens(acme, api):
    poor = api(key_of(acme, "knowledge:read"))
    before = AuditEntry.across_tenants.count()
    refused = 0
    for route, method in CALLS:
        if VIEWS[route].scopes[method] == ANY_KEY:
            continue
        answer = poor.send(method, path(route), {})
        assert (answer.status_code, answer.json()["name"]) == (403, "restricted_api_key"), (method, route)
        assert "RateLimit-Remaining" in answer
        refused += 1
    assert refused >= 50
    assert AuditEntry.across_tenants.count() == before


def test_a_sending_key_reaches_what_sends_and_nothing_else(acme, api):
    sender = api(key_of(acme, "emails:send"))
    reached = {
        (method, route.removeprefix("api/"))
        for route, method in CALLS
        if sender.send(method, path(route), {}).status_code != 403
    }
    assert reached - {(method, route) for method, route in reached if method == "GET"} == {
        ("POST", "emails"),
        ("POST", "emails/batch"),
        ("POST", "emails/schedule"),
        ("POST", "emails/preflight"),
        ("POST", "emails/bulk"),
        ("PATCH", "emails/<str:email_id>"),
        ("POST", "emails/<str:email_id>/cancel"),
        ("POST", "emails/<str:email_id>/retry"),
        ("POST", "templates/<str:template>/test"),
    }
    assert all(VIEWS[f"api/{route}"].scopes["GET"] == ANY_KEY for method, route in reached if method == "GET")


def test_a_key_with_all_scopes_but_the_one_is_403(acme, api):
    """Each scope opens its own family alone; `:write` and `:*` of a family cover its `:read`."""
    for scope in sorted({VIEWS[route].scopes[method] for route, method in CALLS} - {ANY_KEY, "admin"}):
        family, _, verb = scope.partition(":")
        covering = {"admin", scope, f"{family}:*"} | ({f"{family}:write"} if verb == "read" else set())
        client = api(key_of(acme, *(SCOPES - covering)))
        for route, method in CALLS:
            if VIEWS[route].scopes[method] == scope:
                answer = client.send(method, path(route), {})
                assert (answer.status_code, answer.json()["name"]) == (403, "restricted_api_key"), (
                    method,
                    route,
                )


def test_operator_routes_are_closed_to_other_tenants_admins(acme, api):
    client = api(acme)
    before = AuditEntry.across_tenants.count()
    closed = [(route, method) for route, method in CALLS if VIEWS[route].operator]
    assert {route.split("/")[1] for route, _ in closed} >= {"tenants", "plans"}
    for route, method in closed:
        for value in (UNKNOWN_ID, str(acme.tenant.pk)):
            answer = client.send(method, path(route, value), {})
            assert (answer.status_code, answer.json()["name"]) == (403, "restricted_api_key"), (method, route)
    assert AuditEntry.across_tenants.count() == before


# ---- Another tenant's objects (A01) ---------------------------------------------------------------------------------


@pytest.fixture
def theirs(globex, api, mail, work) -> dict[str, list[str]]:
    """What globex has, by the first part of the routes that name it: ids, and names nobody else has."""
    client = api(globex)
    client.patch("/api/streams/transactional", {"default_from": globex.sender})
    mail = {**mail, "from": globex.sender, "subject": "Their secret", "to": "their@customer.example"}

    def made(route: str, body: Any) -> dict[str, Any]:
        answer = client.post(f"/api/{route}", body)
        assert answer.status_code in {200, 201}, answer.content
        return answer.json()

    sent = made("emails", mail)["id"]
    work.everything()
    waiting = made("emails", {**mail, "scheduled_at": "in 1 hour"})["id"]
    failed = made("emails", {**mail, "to": "fail@simulator.mailgrid.test"})["id"]
    work.everything()
    suppression = made("suppressions", {"email": "blocked@customer.example"})["id"]
    return {
        "files": [made("files", {"filename": "their.txt", "content": "dGhlaXI="})["id"]],
        "emails": [sent, waiting, failed],
        "events": [event["id"] for event in client.get("/api/events").json()["data"]],
        "streams": [made("streams", {"name": "their-stream"})["id"], "their-stream"],
        "templates": [
            made("templates", {"name": "their-template", "alias": "theirs", "text": "x"})["id"],
            "their-template",
            "theirs",
        ],
        "transports": [
            made("transports", {"name": "their-account", "kind": "sandbox"})["id"],
            "their-account",
        ],
        "suppressions": [suppression, "blocked@customer.example"],
        "verifications": [made("verifications", {"to": "their@customer.example"})["id"]],
        "api-keys": [
            str(pk) for pk in ApiKey.across_tenants.filter(tenant=globex.tenant).values_list("pk", flat=True)
        ],
        "domains": [row["id"] for row in client.get("/api/domains").json()["data"]],
        "tenants": [str(globex.tenant.pk)],
        "plans": [UNKNOWN_ID],
    }


BODIES: dict[tuple[str, str], Any] = {
    ("PATCH", "emails"): {"scheduled_at": "now"},
    ("PATCH", "streams"): {"priority": 0},
    ("PATCH", "templates"): {"text": "mine now"},
    ("PATCH", "transports"): {"per_minute": 1},
    ("PATCH", "api-keys"): {"name": "mine now"},
}
OF_VERBS: dict[tuple[str, str], Any] = {
    ("POST", "api/templates/<str:template>/test"): {"to": "ann@acme.test"},
}
# Explaining an address says what this tenant knows of it: any address may be asked for.
ANSWERS = {("GET", "api/suppressions/<str:entry>/explain")}


def snapshot() -> list[Any]:
    models = (Message, Delivery, Recipient, Event, ApiKey, AuditEntry)
    return [list(model.across_tenants.order_by("pk").values()) for model in models]


def test_another_tenants_objects_are_404_on_every_route_and_nothing_happens(acme, api, theirs):
    client = api(acme)
    client.get("/api/domains")  # the key's use is recorded once a minute
    before = snapshot()
    named = [(route, method) for route, method in CALLS if NAMES.search(route) and not VIEWS[route].operator]
    assert {route.split("/")[1] for route, _ in named} <= set(theirs), "a new family: add its objects above"
    for route, method in named:
        family = route.split("/")[1]
        for value in theirs[family]:
            is_verb = "/" in route.split(">")[-1]
            body = OF_VERBS.get((method, route)) if is_verb else BODIES.get((method, family))
            answer = client.send(method, path(route, value), body)
            if (method, route) in ANSWERS:
                assert b"blocked" not in answer.content or "@" in value
                continue
            assert (answer.status_code, answer.json()["name"]) == (404, "not_found"), (
                method,
                route,
                answer.content,
            )
            unknown = client.send(method, path(route), body).json()
            same = ("statusCode", "name", "message")
            assert [answer.json()[name] for name in same] == [unknown[name] for name in same], (method, route)
    assert snapshot() == before


def test_another_tenants_objects_are_in_no_list(acme, api, theirs):
    client = api(acme)
    for route, method in CALLS:
        if method == "GET" and not NAMES.search(route) and not VIEWS[route].operator:
            answer = client.get(path(route)).content.decode()
            for secret in ("their", "Their", "globex", "blocked@"):
                assert secret not in answer, route
            for value in (value for values in theirs.values() for value in values if value != UNKNOWN_ID):
                assert value not in answer, route


@pytest.mark.parametrize(
    "query",
    ["email_id", "after", "before"],
    ids=["by their email", "after their event", "before their event"],
)
def test_another_tenants_ids_filter_nothing(acme, api, theirs, query):
    value = theirs["emails"][0] if query == "email_id" else theirs["events"][0]
    answer = api(acme).get("/api/events", {query: value})
    assert answer.status_code == 422 or answer.json()["data"] == []


def test_the_other_mode_is_another_tenant_too(globex, api, theirs):
    """A test key of the same tenant sees none of its live mail, and may not touch live keys."""
    client = api(globex.test_key)
    for route, method in CALLS:
        family = route.split("/")[1]
        if family in {"emails", "events"} and NAMES.search(route):
            for value in theirs[family]:
                body = BODIES.get((method, family)) if route.endswith(">") else None
                assert client.send(method, path(route, value), body).status_code == 404, (method, route)


@pytest.mark.parametrize("field", ["stream", "transport"])
def test_another_tenants_id_in_a_body_is_422_and_looks_unknown(acme, api, theirs, mail, field):
    client = api(acme)
    bodies = {"stream": ("emails", mail), "transport": ("streams", {"name": "mine"})}
    route, body = bodies[field]
    for value in theirs[f"{field}s"]:
        answer = client.post(f"/api/{route}", {**body, field: value})
        assert answer.status_code == 422
        assert [(item["field"], item["code"]) for item in answer.json()["errors"]] == [(field, "not_found")]


def test_every_answer_has_a_request_id_and_is_an_object(operator, api):
    client = api(operator)
    for route, method in CALLS:
        answer = client.send(method, path(route), b"{nope")
        assert answer.status_code < 500, (method, route, answer.content)
        assert isinstance(answer.json(), dict), (method, route)
        assert answer["X-Request-Id"]
        assert answer["Content-Type"] == "application/json"
        if answer.status_code < 300:
            assert not {"statusCode", "http_headers"} & set(answer.json())
            assert method in {"GET", "POST", "DELETE"}
