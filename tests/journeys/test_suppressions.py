"""A tenant says who must not get its mail, and learns why somebody does not."""

from uuid import uuid4

import pytest

from emails.suppressions.models import Suppression
from emails.suppressions.services import NewSuppression, suppress
from mailgrid.core.clock import now


def bounced(acme, address: str = "a@example.com", **more) -> Suppression:
    new = NewSuppression(tenant_id=acme.tenant.pk, address=address, origin="bounce", **more)
    suppress([new], now=now())
    return Suppression.across_tenants.get(address=address, origin="bounce")


def test_an_address_is_suppressed_once_and_read_by_id_or_address(api, acme):
    created = api(acme).post("/api/suppressions", {"email": "Ann@Example.com", "note": "asked by phone"})
    assert (created.status_code, created.json()["object"]) == (201, "suppression")
    suppression_id = created.json()["id"]
    again = api(acme).post("/api/suppressions", {"email": "ann@example.com"})
    assert (again.status_code, again.json()) == (200, {"object": "suppression", "id": suppression_id})
    read = api(acme).get(f"/api/suppressions/{suppression_id}").json()
    assert read == {
        "object": "suppression",
        "id": suppression_id,
        "email": "ann@example.com",
        "origin": "manual",
        "source_id": None,
        "scope": "tenant",
        "stream_id": None,
        "topic_id": None,
        "expires_at": None,
        "note": "asked by phone",
        "created_at": read["created_at"],
    }
    for written in ("ann@example.com", "ANN%40example.com"):
        assert api(acme).get(f"/api/suppressions/{written}").json() == read


def test_the_address_may_be_stopped_on_one_stream_for_a_while(api, acme):
    stream_id = api(acme).get("/api/streams/marketing").json()["id"]
    body = {"email": "a@example.com", "scope": "stream", "stream": "marketing", "expires_at": "in 2 days"}
    assert api(acme).post("/api/suppressions", body).status_code == 201
    read = api(acme).get("/api/suppressions/a@example.com").json()
    assert (read["scope"], read["stream_id"]) == ("stream", stream_id)
    assert read["expires_at"].endswith("Z")


@pytest.mark.parametrize(
    ("body", "name", "field", "code"),
    [
        ({"email": None}, "missing_required_field", "email", "missing_required_field"),
        ({"email": "Ann <a@example.com>"}, "validation_error", "email", "invalid_email"),
        ({"email": "nobody"}, "validation_error", "email", "invalid_email"),
        ({"scope": "everywhere"}, "validation_error", "scope", "invalid_choice"),
        ({"scope": "global"}, "validation_error", "scope", "invalid_choice"),
        ({"scope": "stream"}, "missing_required_field", "stream", "missing_required_field"),
        ({"scope": "stream", "stream": "gone"}, "validation_error", "stream", "not_found"),
        ({"stream": "marketing"}, "validation_error", "stream", "mutually_exclusive"),
        ({"scope": "topic", "topic_id": str(uuid4())}, "validation_error", "topic_id", "not_found"),
        ({"expires_at": "soon"}, "validation_error", "expires_at", "invalid_time"),
        ({"expires_at": "2020-01-01"}, "validation_error", "expires_at", "invalid_time"),
        ({"note": "x" * 501}, "validation_error", "note", "too_long"),
        ({"origin": "bounce"}, "validation_error", "origin", "unknown_field"),
    ],
)
def test_a_wrong_field_is_named_and_nothing_is_suppressed(api, acme, body, name, field, code):
    response = api(acme).post("/api/suppressions", {"email": "a@example.com", **body})
    refused = response.json()
    assert (response.status_code, refused["name"]) == (422, name)
    assert [(item["field"], item["code"]) for item in refused["errors"]] == [(field, code)]
    assert not Suppression.across_tenants.exists()


def test_an_address_is_required(api, acme):
    assert api(acme).post("/api/suppressions", {}).json()["name"] == "missing_required_field"


def test_the_list_is_newest_first_filtered_and_costs_one_query(api, acme, django_assert_max_num_queries):
    bounced(acme, "b@example.com")
    for number in range(3):
        api(acme).post("/api/suppressions", {"email": f"{number}@example.com"})
    bounced(acme, "old@example.com", expires_at=now())
    api(acme).get("/api/suppressions")  # the process remembers key and tenant from now on

    def emails(query: str = "") -> list[str]:
        with django_assert_max_num_queries(1):
            return [row["email"] for row in api(acme).get(f"/api/suppressions?{query}").json()["data"]]

    assert emails() == ["2@example.com", "1@example.com", "0@example.com", "b@example.com"]
    assert emails("origin=bounce,complaint") == ["b@example.com"]
    assert emails("email=1%40EXAMPLE.com") == ["1@example.com"]
    assert emails("scope=stream") == []
    assert emails("until=in 1 hour&since=2020-01-01&limit=1") == ["2@example.com"]
    assert emails("since=in 1 hour") == []


@pytest.mark.parametrize("query", ["origin=x", "scope=x", "since=x", "reason=x", "after=x"])
def test_a_filter_nobody_knows_is_refused(api, acme, query):
    response = api(acme).get(f"/api/suppressions?{query}")
    assert (response.status_code, response.json()["name"]) == (422, "invalid_parameter")


def test_lifting_an_address_lifts_every_reason(api, acme):
    source = uuid4()
    row = bounced(acme, source_id=source)
    api(acme).post("/api/suppressions", {"email": "a@example.com", "scope": "stream", "stream": "marketing"})
    told = api(acme).get("/api/suppressions/a@example.com/explain").json()
    assert (told["object"], told["email"], told["suppressed"]) == (
        "suppression_explanation",
        "a@example.com",
        True,
    )
    assert [(one["kind"], one["scope"], one["source_id"]) for one in told["reasons"]] == [
        ("bounce", "tenant", str(source)),
        ("manual", "stream", None),
    ]
    lifted = api(acme).delete("/api/suppressions/a@example.com")
    assert lifted.json() == {"object": "suppression", "id": str(row.pk), "deleted": True}
    assert api(acme).delete("/api/suppressions/a@example.com").status_code == 404
    told = api(acme).get("/api/suppressions/a@example.com/explain").json()
    assert (told["suppressed"], told["reasons"]) == (False, [])


def test_a_batch_answers_in_order_and_is_removed_by_address_or_id(api, acme):
    added = api(acme).post(
        "/api/suppressions/batch/add", {"emails": ["b@example.com", "a@example.com", "B@example.com"]}
    )
    rows = added.json()["data"]
    assert (added.status_code, len(rows), rows[0]) == (200, 3, rows[2])
    removed = api(acme).post("/api/suppressions/batch/remove", {"emails": ["b@example.com", "c@example.com"]})
    assert removed.json() == {"data": [{**rows[0], "deleted": True}]}
    removed = api(acme).post("/api/suppressions/batch/remove", {"ids": [rows[1]["id"]]})
    assert removed.json() == {"data": [{**rows[1], "deleted": True}]}
    assert not Suppression.across_tenants.exists()


@pytest.mark.parametrize(
    ("route", "body", "field", "code"),
    [
        ("add", {"emails": ["a@example.com", "nobody"]}, "emails[1]", "invalid_email"),
        ("add", {"emails": ["a@example.com"] * 101}, "emails", "too_many"),
        ("add", {"emails": []}, "emails", "out_of_range"),
        ("remove", {}, "", "mutually_exclusive"),
        ("remove", {"emails": ["a@example.com"], "ids": ["x"]}, "", "mutually_exclusive"),
        ("remove", {"ids": ["x"]}, "ids[0]", "not_found"),
    ],
)
def test_a_batch_with_a_wrong_item_does_nothing(api, acme, route, body, field, code):
    bounced(acme)
    response = api(acme).post(f"/api/suppressions/batch/{route}", body)
    refused = response.json()
    assert (response.status_code, refused["name"]) == (422, "validation_error")
    assert [(item["field"], item["code"]) for item in refused["errors"]] == [(field, code)]
    assert Suppression.across_tenants.count() == 1


def test_the_operator_suppresses_for_everybody_and_tenants_learn_it_but_cannot_lift_it(api, acme, operator):
    made = api(operator).post("/api/suppressions", {"email": "a@example.com", "scope": "global"})
    assert made.status_code == 201
    told = api(acme).get("/api/suppressions/a@example.com/explain").json()
    assert [(one["kind"], one["scope"]) for one in told["reasons"]] == [("manual", "global")]
    assert api(acme).get("/api/suppressions").json()["data"] == []
    assert api(acme).delete("/api/suppressions/a@example.com").status_code == 404
    assert api(operator).delete("/api/suppressions/a@example.com").status_code == 200


def test_globex_finds_nothing_of_acmes_and_changes_nothing(api, acme, globex):
    row = bounced(acme)
    for which in (str(row.pk), "a@example.com", "nonsense"):
        answers = [
            api(globex).get(f"/api/suppressions/{which}"),
            api(globex).delete(f"/api/suppressions/{which}"),
        ]
        assert [(one.status_code, one.json()["name"]) for one in answers] == [(404, "not_found")] * 2
    assert api(globex).get("/api/suppressions").json()["data"] == []
    assert api(globex).get("/api/suppressions/a@example.com/explain").json()["suppressed"] is False
    assert api(globex).post("/api/suppressions/batch/remove", {"ids": [str(row.pk)]}).status_code == 422
    removed = api(globex).post("/api/suppressions/batch/remove", {"emails": ["a@example.com"]})
    assert removed.json() == {"data": []}
    assert Suppression.across_tenants.get() == row
