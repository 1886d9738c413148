"""A tenant arranges its mail in streams."""

import pytest

from emails.streams.models import Stream
from emails.transports.models import Transport
from tests.unit.emails.events.mail import accepted

FIELDS = {
    "default_from": None,
    "default_reply_to": None,
    "transport": None,
    "configuration_set": None,
    "ip_pool": None,
    "delivery": "at_least_once",
    "max_age_seconds": None,
    "rate_per_second": None,
    "track_opens": None,
    "track_clicks": None,
    "sensitive": False,
    "enabled": True,
    "paused": False,
}


def test_a_new_tenant_has_three_streams_and_reads_them_by_name_or_id(api, acme):
    listed = api(acme).get("/api/streams").json()
    assert (listed["object"], listed["has_more"]) == ("list", False)
    names = {row["name"]: row for row in listed["data"]}
    assert set(names) == {"transactional", "notifications", "marketing"}
    stream = names["notifications"]
    assert stream == {
        "object": "stream",
        "id": stream["id"],
        "name": "notifications",
        "type": "notifications",
        "priority": 2,
        "list_unsubscribe": True,
        **FIELDS,
        "created_at": stream["created_at"],
    }
    assert stream["created_at"].endswith("Z")
    assert api(acme).get("/api/streams/notifications").json() == stream
    assert api(acme).get(f"/api/streams/{stream['id']}").json() == stream


def test_lists_are_filtered_by_type_and_enabled_and_cost_the_same_however_long(
    api, acme, django_assert_max_num_queries
):
    api(acme).post("/api/streams", {"name": "codes", "enabled": False})
    found = api(acme).get("/api/streams?type=transactional,marketing&enabled=true").json()["data"]
    assert [row["name"] for row in found] == ["marketing", "transactional"]
    own = Transport.across_tenants.create(tenant=acme.tenant, name="mine", kind="sandbox")
    Stream.across_tenants.bulk_create(
        Stream(tenant=acme.tenant, name=f"s{n}", priority=1, transport=own) for n in range(20)
    )
    with django_assert_max_num_queries(1):
        assert len(api(acme).get("/api/streams").json()["data"]) == 24


@pytest.mark.parametrize("query", ["type=x", "enabled=maybe", "name=codes", "limit=101", "after=x"])
def test_a_filter_nobody_knows_is_refused(api, acme, query):
    response = api(acme).get(f"/api/streams?{query}")
    assert (response.status_code, response.json()["name"]) == (422, "invalid_parameter")


def test_a_stream_is_created_with_everything_it_can_have(api, acme):
    Transport.across_tenants.create(tenant=acme.tenant, name="mine", kind="sandbox")
    wanted = {
        "name": "one-time_codes",
        "type": "transactional",
        "default_from": f"Acme <codes@{acme.domain}>",
        "default_reply_to": "desk@example.com",
        "transport": "mine",
        "configuration_set": "codes",
        "ip_pool": "fast",
        "priority": "immediate",
        "delivery": "at_most_once",
        "max_age_seconds": 60,
        "rate_per_second": 2.5,
        "track_opens": False,
        "track_clicks": True,
        "list_unsubscribe": True,
        "sensitive": True,
        "enabled": False,
    }
    response = api(acme).post("/api/streams", wanted)
    made = response.json()
    assert response.status_code == 201
    assert made == {
        **wanted,
        "object": "stream",
        "id": made["id"],
        "priority": 0,
        "paused": False,
        "created_at": made["created_at"],
    }


@pytest.mark.parametrize(
    ("body", "name", "field", "code"),
    [
        ({"name": None}, "missing_required_field", "name", "missing_required_field"),
        ({"name": "Codes"}, "validation_error", "name", "invalid_choice"),
        ({"name": "x" * 64}, "validation_error", "name", "invalid_choice"),
        ({"type": "spam"}, "validation_error", "type", "invalid_choice"),
        ({"default_from": "nobody"}, "invalid_from_address", "default_from", "invalid_email"),
        ({"default_from": "a@globex.test"}, "invalid_from_address", "default_from", "invalid_email"),
        ({"default_reply_to": "nobody"}, "invalid_from_address", "default_reply_to", "invalid_email"),
        ({"transport": "gone"}, "validation_error", "transport", "not_found"),
        ({"configuration_set": "x" * 65}, "validation_error", "configuration_set", "too_long"),
        ({"ip_pool": 1}, "validation_error", "ip_pool", "invalid_type"),
        ({"priority": 4}, "validation_error", "priority", "out_of_range"),
        ({"priority": "soon"}, "validation_error", "priority", "invalid_choice"),
        ({"priority": True}, "validation_error", "priority", "invalid_type"),
        ({"delivery": "exactly_once"}, "validation_error", "delivery", "invalid_choice"),
        ({"max_age_seconds": 59}, "validation_error", "max_age_seconds", "out_of_range"),
        ({"max_age_seconds": 604_801}, "validation_error", "max_age_seconds", "out_of_range"),
        ({"rate_per_second": 0}, "validation_error", "rate_per_second", "out_of_range"),
        ({"track_opens": "yes"}, "validation_error", "track_opens", "invalid_type"),
        ({"enabled": 1}, "validation_error", "enabled", "invalid_type"),
        ({"paused": True}, "validation_error", "paused", "unknown_field"),
        ({"tenant_id": "x"}, "validation_error", "tenant_id", "unknown_field"),
    ],
)
def test_a_wrong_field_is_named_and_nothing_is_made(api, acme, globex, body, name, field, code):
    response = api(acme).post("/api/streams", {"name": "codes", **body})
    refused = response.json()
    assert (response.status_code, refused["name"]) == (422, name)
    assert [(item["field"], item["code"]) for item in refused["errors"]] == [(field, code)]
    assert Stream.across_tenants.filter(tenant=acme.tenant).count() == 3


def test_a_stream_needs_a_name_that_is_free(api, acme):
    response = api(acme).post("/api/streams", {})
    assert (response.status_code, response.json()["name"]) == (422, "missing_required_field")
    response = api(acme).post("/api/streams", {"name": "marketing"})
    assert (response.status_code, response.json()["name"]) == (409, "conflict")


def test_a_patch_changes_what_is_given_and_null_clears_what_can_be_cleared(api, acme):
    made = api(acme).post(
        "/api/streams", {"name": "codes", "max_age_seconds": 60, "ip_pool": "fast", "track_opens": True}
    )
    response = api(acme).patch(
        "/api/streams/codes",
        {
            "id": made.json()["id"],  # repeated by SDKs
            "max_age_seconds": None,
            "ip_pool": None,
            "track_opens": None,
            "priority": None,
            "enabled": False,
        },
    )
    assert (response.status_code, response.json()) == (200, {"object": "stream", "id": made.json()["id"]})
    cleared = {"max_age_seconds": None, "ip_pool": None, "track_opens": None, "enabled": False}
    assert api(acme).get("/api/streams/codes").json() == {**made.json(), **cleared}


def test_pausing_and_resuming_say_so(api, acme):
    response = api(acme).post("/api/streams/marketing/pause")
    assert (response.status_code, response.json()["paused"]) == (200, True)
    assert api(acme).get("/api/streams/marketing").json()["paused"] is True
    assert api(acme).post("/api/streams/marketing/resume").json()["paused"] is False


def test_an_unused_stream_goes_and_the_default_or_a_used_one_stays(api, acme):
    stream_id = api(acme).get("/api/streams/notifications").json()["id"]
    gone = api(acme).delete("/api/streams/notifications")
    assert (gone.status_code, gone.json()) == (200, {"object": "stream", "id": stream_id, "deleted": True})
    assert api(acme).delete("/api/streams/notifications").status_code == 404
    accepted(acme.tenant, stream=Stream.across_tenants.get(tenant=acme.tenant, name="marketing"))
    for name in ("transactional", "marketing"):
        response = api(acme).delete(f"/api/streams/{name}")
        assert (response.status_code, response.json()["name"]) == (409, "conflict")


def test_globex_finds_nothing_of_acmes_and_changes_nothing(api, acme, globex):
    made = api(acme).post("/api/streams", {"name": "codes"}).json()
    for which in ("codes", made["id"], "no-such", "%00"):
        address = f"/api/streams/{which}"
        answers = [
            api(globex).get(address),
            api(globex).patch(address, {"enabled": False}),
            api(globex).delete(address),
            api(globex).post(f"{address}/pause"),
            api(globex).post(f"{address}/resume"),
        ]
        assert [(one.status_code, one.json()["name"]) for one in answers] == [(404, "not_found")] * 5
    assert api(acme).get("/api/streams/codes").json() == made
