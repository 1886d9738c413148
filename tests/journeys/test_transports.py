"""A tenant connects its own provider account."""

import pytest

from emails.streams.models import Stream
from emails.transports.models import Transport

KEYS = {"region": "eu-west-1", "access_key_id": "AKIDTEST", "secret_access_key": "s3cret"}
SES = {"name": "main", "kind": "ses", "settings": KEYS}


def test_an_ses_account_is_connected_and_its_secrets_are_never_shown(api, acme, settings):
    settings.PUBLIC_URL = "https://mail.example.com"
    response = api(acme).post("/api/transports", {**SES, "per_day": 1000})
    made = response.json()
    assert response.status_code == 201
    hook_url = made.pop("hook_url")
    assert hook_url.startswith("https://mail.example.com/hooks/ses/")
    assert made == {
        "object": "transport",
        "id": made["id"],
        "name": "main",
        "kind": "ses",
        "settings": {
            "region": "eu-west-1",
            "role_arn": None,
            "access_key_id": "AKIDTEST",
            "endpoint_url": None,
            "configuration_set": "",
            "topic_arns": [],
        },
        "per_minute": None,
        "per_hour": None,
        "per_day": 1000,
        "over_limit": "defer",
        "shared": False,
        "created_at": made["created_at"],
    }
    for which in ("main", made["id"]):
        read = api(acme).get(f"/api/transports/{which}")
        assert (read.status_code, read.json()) == (200, made)
    assert b"s3cret" not in api(acme).get("/api/transports").content


@pytest.mark.parametrize(
    ("body", "name", "field", "code"),
    [
        ({"name": "Main"}, "validation_error", "name", "invalid_choice"),
        ({"kind": "memory"}, "validation_error", "kind", "invalid_choice"),
        ({"settings": {}}, "missing_required_field", "settings.region", "missing_required_field"),
        (
            {"settings": {**KEYS, "endpoint_url": "http://[::ffff:169.254.169.254]/"}},
            "validation_error",
            "settings.endpoint_url",
            "forbidden_host",
        ),
        ({"settings": {**KEYS, "x": 1}}, "validation_error", "settings.x", "unknown_field"),
        ({"per_minute": 0}, "validation_error", "per_minute", "out_of_range"),
        ({"over_limit": "drop"}, "validation_error", "over_limit", "invalid_choice"),
        ({"hook_key": "x"}, "validation_error", "hook_key", "unknown_field"),
    ],
)
def test_a_wrong_field_is_named_and_nothing_is_made(api, acme, body, name, field, code):
    response = api(acme).post("/api/transports", {**SES, **body})
    refused = response.json()
    assert (response.status_code, refused["name"]) == (422, name)
    assert [(item["field"], item["code"]) for item in refused["errors"]] == [(field, code)]
    assert not Transport.across_tenants.filter(tenant=acme.tenant).exists()


def test_a_patch_merges_settings_and_null_clears_a_limit(api, acme):
    made = api(acme).post("/api/transports", {**SES, "per_hour": 5}).json()
    response = api(acme).patch(
        "/api/transports/main", {"settings": {"configuration_set": "a"}, "per_hour": None, "name": "ses"}
    )
    assert (response.status_code, response.json()) == (200, {"object": "transport", "id": made["id"]})
    changed = api(acme).get("/api/transports/ses").json()
    assert (changed["settings"]["configuration_set"], changed["per_hour"]) == ("a", None)
    refused = api(acme).patch("/api/transports/ses", {"kind": "sandbox"})
    assert refused.json()["errors"][0]["code"] == "unknown_field"


def test_one_that_a_stream_uses_stays_and_an_unused_one_goes(api, acme):
    made = api(acme).post("/api/transports", SES).json()
    api(acme).patch("/api/streams/marketing", {"transport": "main"})
    assert api(acme).get("/api/streams/marketing").json()["transport"] == "main"
    response = api(acme).delete("/api/transports/main")
    assert (response.status_code, response.json()["name"]) == (409, "conflict")
    Stream.across_tenants.update(transport=None)
    gone = api(acme).delete("/api/transports/main")
    assert gone.json() == {"object": "transport", "id": made["id"], "deleted": True}


def test_a_taken_name_is_a_conflict(api, acme):
    api(acme).post("/api/transports", SES)
    assert api(acme).post("/api/transports", SES).status_code == 409


def test_lists_cost_one_query(api, acme, django_assert_max_num_queries):
    for number in range(3):
        api(acme).post("/api/transports", {"name": f"t{number}", "kind": "sandbox"})
    api(acme).get("/api/transports")  # the process remembers key and tenant from now on
    with django_assert_max_num_queries(1):
        assert [row["name"] for row in api(acme).get("/api/transports").json()["data"]] == ["t2", "t1", "t0"]


def test_only_the_operator_shares_transports_with_everybody(api, acme, operator):
    refused = api(acme).post("/api/transports", {**SES, "shared": True})
    assert (refused.status_code, refused.json()["name"]) == (403, "restricted_api_key")
    shared = api(operator).post(
        "/api/transports",
        {"name": "account", "kind": "ses", "shared": True, "settings": {"region": "eu-west-1"}},
    )
    assert (shared.status_code, shared.json()["shared"]) == (201, True)
    names = [row["name"] for row in api(operator).get("/api/transports").json()["data"]]
    assert names == ["account", "sandbox"]
    assert api(acme).get("/api/transports").json()["data"] == []
    assert api(acme).get("/api/transports/account").status_code == 404
    assert api(acme).patch("/api/streams/marketing", {"transport": "account"}).status_code == 200


def test_globex_finds_nothing_of_acmes_and_changes_nothing(api, acme, globex):
    made = api(acme).post("/api/transports", SES).json()
    for which in ("main", made["id"], "no-such", "%00"):
        address = f"/api/transports/{which}"
        answers = [
            api(globex).get(address),
            api(globex).patch(address, {"per_day": 1}),
            api(globex).delete(address),
        ]
        assert [(one.status_code, one.json()["name"]) for one in answers] == [(404, "not_found")] * 3
    assert api(globex).patch("/api/streams/marketing", {"transport": made["id"]}).status_code == 422
    row = Transport.across_tenants.get(pk=made["id"])
    assert (row.name, row.per_day) == ("main", None)
