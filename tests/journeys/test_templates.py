"""A tenant writes a template, tries it, publishes it, and decides which version is live."""

import threading
from uuid import uuid4

import pytest
from django.db import connections

from mailgrid.core.clock import now
from templates.installing import NAMES
from templates.models import Template, TemplateVersion
from templates.services import MAX_TEMPLATES
from tenants.audit.models import AuditEntry
from tenants.audit.services import SYSTEM
from tenants.tenancy import services as tenancy

pytestmark = pytest.mark.django_db
WELCOME = {
    "name": "Greeting",
    "alias": "greet",
    "subject": "Hello {{name}}",
    "html": "<style>p { color: #333333 }</style><p>Hello {{name}}</p>{{#each items}}<p>{{title}}</p>{{/each}}",
    "variables": [
        {"key": "name"},
        {"key": "items", "type": "list", "fallback_value": []},
    ],
    "tags": {"team": "growth", "language": "en"},
}


@pytest.fixture
def client(api, acme):
    return api(acme)


@pytest.fixture
def made(client):
    """Its id; it is a draft."""
    answer = client.post("/api/templates", WELCOME)
    assert answer.status_code == 201, answer.content
    return answer.json()["id"]


def everything():
    return [
        list(model.across_tenants.order_by("pk").values())
        for model in (Template, TemplateVersion, AuditEntry)
    ]


def refused(answer, status, name, field=None, code=None):
    """Whether an answer refuses as documented."""
    body = answer.json()
    assert (answer.status_code, body["name"]) == (status, name), answer.content
    if field is not None:
        assert (field, code) in [(item["field"], item["code"]) for item in body["errors"]], body
    return body["message"]


def test_from_the_first_draft_to_a_rollback(client, made):
    sets = {"test_data": {"Ann": {"name": "Ann", "items": [{"title": "One"}]}, "nobody": {"name": ""}}}
    assert client.put("/api/templates/greet/test-data", sets).json() == {
        "object": "template_test_data",
        "id": made,
        **sets,
    }
    assert client.get("/api/templates/Greeting/test-data").json()["test_data"] == sets["test_data"]

    first = client.post("/api/templates/greet/publish", {"revision": 1, "note": "first"})
    assert first.status_code == 200, first.content
    assert first.json() == {
        "object": "template",
        "id": made,
        "version": 1,
        "pinned": False,
        "published_version": 1,
        "warnings": [],
    }

    edited = client.patch("/api/templates/greet", {"subject": "Hi {{name}}", "revision": 1})
    assert edited.json() == {"object": "template", "id": made, "revision": 2}
    shown = client.get("/api/templates/greet").json()
    assert (shown["subject"], shown["version"], shown["has_unpublished_versions"]) == ("Hi {{name}}", 1, True)
    live = client.get("/api/templates/greet", {"version": "live"}).json()
    assert (live["subject"], live["version"]) == ("Hello {{name}}", 1)
    assert client.get("/api/templates/greet/diff").json() == {
        "object": "template_diff",
        "from": 1,
        "to": "draft",
        "subject": ["@@ -1 +1 @@", "-Hello {{name}}", "+Hi {{name}}"],
        "html": [],
        "text": [],
    }

    assert client.post("/api/templates/greet/publish").json()["version"] == 2
    assert client.post("/api/templates/greet/pin", {"version": 1}).json()["version"] == 1
    client.patch("/api/templates/greet", {"text": "Hi {{name}}"})
    third = client.post("/api/templates/greet/publish").json()
    assert (third["version"], third["pinned"], third["published_version"]) == (1, True, 3)
    assert client.post("/api/templates/greet/pin").json() == {
        "object": "template",
        "id": made,
        "version": 3,
        "pinned": False,
    }
    assert client.post("/api/templates/greet/rollback").json()["version"] == 2
    assert client.post("/api/templates/greet/rollback", {"version": 1}).json()["version"] == 1
    assert client.post("/api/templates/greet/publish").json()["version"] == 4

    listed = client.get("/api/templates/greet/versions", {"limit": 2}).json()
    assert ([row["version"] for row in listed["data"]], listed["has_more"]) == ([4, 3], True)
    assert [row["live"] for row in listed["data"]] == [True, False]
    one = client.get("/api/templates/greet/versions/1").json()
    assert (one["subject"], one["note"], one["html"]) == ("Hello {{name}}", "first", WELCOME["html"])
    assert one["prepared"]["html"] == WELCOME["html"].replace("<p>", '<p style="color: #333333;">')
    assert one["prepared"]["text"] == "Hello {{name}}\n\n{{#each items}}\n\n{{title}}\n\n{{/each}}"


def test_a_template_is_read_as_it_was_written(client, made):
    shown = client.get(f"/api/templates/{made}").json()
    assert shown == {
        "object": "template",
        "id": made,
        "name": "Greeting",
        "alias": "greet",
        "status": "draft",
        "format": "html",
        "subject": "Hello {{name}}",
        "from": None,
        "reply_to": [],
        "html": WELCOME["html"],
        "text": None,
        "variables": [
            {"key": "name", "type": "string", "fallback_value": None},
            {"key": "items", "type": "list", "fallback_value": []},
        ],
        "used_variables": [
            {"key": "name", "kind": "string", "required": True},
            {"key": "items", "kind": "list", "required": False},
        ],
        "version": None,
        "pinned": False,
        "current_version_id": None,
        "has_unpublished_versions": True,
        "revision": 1,
        "tags": {"team": "growth", "language": "en"},
        "created_at": shown["created_at"],
        "updated_at": shown["created_at"],
        "published_at": None,
        "archived_at": None,
    }
    assert client.get("/api/templates/greet").json() == client.get("/api/templates/Greeting").json() == shown


def test_everything_may_be_given_and_taken_away_again(client, acme):
    given = {
        "name": "All",
        "subject": "S",
        "from": acme.sender,
        "reply_to": "a@b.example",
        "html": "<p>x</p>",
        "text": "t",
        "alias": "all",
    }
    template_id = client.post("/api/templates", given).json()["id"]
    shown = client.get("/api/templates/all").json()
    assert (shown["from"], shown["reply_to"]) == (acme.sender, ["a@b.example"])
    nothing = {
        "alias": None,
        "subject": None,
        "from": None,
        "reply_to": None,
        "html": None,
        "variables": None,
        "tags": None,
    }
    assert client.patch("/api/templates/all", nothing).status_code == 200
    shown = client.get(f"/api/templates/{template_id}").json()
    assert {name: shown[name] for name in nothing} == {**nothing, "reply_to": [], "variables": [], "tags": {}}


def test_lists_are_searched_by_name_tag_and_status(client, made, django_assert_max_num_queries):
    client.post("/api/templates", {"name": "Other", "text": "x", "tags": {"team": "ops"}})

    def found(**query):
        return [row["name"] for row in client.get("/api/templates", query).json()["data"]]

    assert found() == ["Other", "Greeting", *reversed(NAMES)]
    assert found(name="GREET") == ["Greeting"]
    assert found(tag="team") == ["Other", "Greeting"]
    assert found(tag="team:growth,nothing") == ["Greeting"]
    assert found(tag="team:x") == []
    assert found(status="draft") == ["Other", "Greeting"]
    assert found(status="published", name="word") == ["password-reset"]
    assert found(limit="1") == ["Other"]
    row = client.get("/api/templates").json()["data"][0]
    assert not {"html", "text", "test_data"} & set(row)
    with django_assert_max_num_queries(2):
        assert len(found(tag="category,team")) == 8


@pytest.mark.parametrize("query", ["status=live", "search=x", "limit=0", "after=x"])
def test_a_filter_nobody_knows_is_refused(client, query):
    refused(client.get(f"/api/templates?{query}"), 422, "invalid_parameter")


@pytest.mark.parametrize("version", ["x", "-1", "1.0", "²"])
def test_a_version_that_is_none_is_refused(client, made, version):
    refused(client.get("/api/templates/greet", {"version": version}), 422, "invalid_parameter")


@pytest.mark.parametrize("version", ["live", "9", "999999"])
def test_a_version_that_is_not_there_is_404(client, made, version):
    refused(client.get("/api/templates/greet", {"version": version}), 404, "not_found")
    refused(client.get("/api/templates/greet/versions/9"), 404, "not_found")
    refused(client.get("/api/templates/greet/versions/x"), 404, "not_found")


def test_a_stale_revision_is_refused_and_changes_nothing(client, made):
    client.patch("/api/templates/greet", {"subject": "Second {{name}}"})
    before = everything()
    for call in (
        lambda: client.patch("/api/templates/greet", {"subject": "Mine {{name}}", "revision": 1}),
        lambda: client.patch("/api/templates/greet", {"name": "Mine", "revision": 3}),
        lambda: client.post("/api/templates/greet/publish", {"revision": 1}),
    ):
        assert "revision 2" in refused(call(), 409, "conflict")
    assert everything() == before


def test_names_and_aliases_are_unique_in_a_tenant_until_they_are_archived(client, made, api, globex):
    for body in ({"name": "Greeting"}, {"name": "x", "alias": "greet"}):
        before = everything()
        refused(client.post("/api/templates", {"text": "x", **body}), 409, "conflict")
        assert everything() == before
    client.post("/api/templates", {"name": "Other", "text": "x"})
    refused(client.patch("/api/templates/Other", {"name": "Greeting"}), 409, "conflict")
    refused(client.patch("/api/templates/Other", {"alias": "greet"}), 409, "conflict")
    assert api(globex).post("/api/templates", WELCOME).status_code == 201
    client.post("/api/templates/greet/publish")
    assert client.delete("/api/templates/greet").status_code == 200
    assert client.patch("/api/templates/Other", {"name": "Greeting", "alias": "greet"}).status_code == 200


def test_an_archived_template_keeps_its_versions_and_is_out_of_use(client, made):
    client.post("/api/templates/greet/publish")
    assert client.delete("/api/templates/greet").json() == {
        "object": "template",
        "id": made,
        "deleted": True,
        "archived": True,
    }
    refused(client.get("/api/templates/greet"), 404, "not_found")
    shown = client.get(f"/api/templates/{made}", {"version": "1"}).json()
    assert (shown["status"], shown["html"]) == ("archived", WELCOME["html"])
    assert shown["archived_at"].endswith("Z")
    names = [row["name"] for row in client.get("/api/templates", {"status": "archived"}).json()["data"]]
    assert names == ["Greeting"]
    before = everything()
    refused(client.patch(f"/api/templates/{made}", {"subject": "x"}), 409, "conflict")
    refused(client.put(f"/api/templates/{made}/test-data", {}), 409, "conflict")
    for verb in ("publish", "rollback", "pin"):
        refused(client.post(f"/api/templates/{made}/{verb}"), 409, "conflict")
    refused(client.delete(f"/api/templates/{made}"), 404, "not_found")
    assert everything() == before
    copy = client.post(f"/api/templates/{made}/duplicate").json()
    assert client.get(f"/api/templates/{copy['id']}").json()["html"] == WELCOME["html"]


def test_one_that_was_never_published_is_removed(client, made):
    assert client.delete("/api/templates/greet").json()["archived"] is False
    refused(client.get(f"/api/templates/{made}"), 404, "not_found")
    assert not Template.across_tenants.filter(pk=made).exists()


def test_a_duplicate_is_a_draft_of_its_own(client, made):
    client.put("/api/templates/greet/test-data", {"test_data": {"Ann": {"name": "Ann"}}})
    client.post("/api/templates/greet/publish")
    first = client.post("/api/templates/greet/duplicate").json()
    second = client.post("/api/templates/greet/duplicate").json()
    named = client.post("/api/templates/greet/duplicate", {"name": "Mine"}).json()
    assert [one["name"] for one in (first, second, named)] == ["Greeting (copy)", "Greeting (copy 2)", "Mine"]
    shown = client.get(f"/api/templates/{first['id']}").json()
    assert (shown["status"], shown["alias"], shown["html"], shown["tags"]) == (
        "draft",
        None,
        WELCOME["html"],
        WELCOME["tags"],
    )
    assert client.get("/api/templates/Mine/test-data").json()["test_data"] == {"Ann": {"name": "Ann"}}
    refused(client.post("/api/templates/greet/duplicate", {"name": "Mine"}), 409, "conflict")


def test_a_preview_shows_any_content_with_any_data_and_stores_nothing(client, made):
    client.post("/api/templates/greet/publish")
    client.patch("/api/templates/greet", {"subject": "Draft {{name}}"})
    before = everything()
    seen = client.post(
        "/api/templates/greet/preview", {"variables": {"name": "A & B", "items": [{"title": "x"}]}}
    ).json()
    assert seen == {
        "object": "template_preview",
        "id": made,
        "version": None,
        "subject": "Draft A & B",
        "html": '<style>p { color: #333333 }</style><p style="color: #333333;">Hello A &amp; B</p>'
        '<p style="color: #333333;">x</p>',
        "text": "Hello A & B\n\n\nx\n\n",
        "missing": [],
        "warnings": [],
    }
    live = client.post("/api/templates/greet/preview", {"version": "live", "variables": {"name": "x"}}).json()
    assert (live["version"], live["subject"]) == (1, "Hello x")
    assert client.post("/api/templates/greet/preview", {"version": 1}).json()["subject"] == "Hello {{name}}"
    assert everything() == before


def test_a_preview_tells_what_is_missing(client):
    body = {
        "name": "gaps",
        "subject": "{{user.name}} {{count}}",
        "html": "<p>{{user.name}}{{#each items}}{{price}}{{/each}}{{#if maybe}}x{{/if}}</p>",
        "text": "{{currency count}}",
    }
    client.post("/api/templates", body)
    seen = client.post("/api/templates/gaps/preview", {"variables": {"items": [{}]}}).json()
    assert seen["missing"] == ["user.name", "count", "price"]
    assert (seen["subject"], seen["html"], seen["text"]) == ("{{user.name}} {{count}}", None, None)


def test_a_preview_of_what_cannot_be_rendered_is_refused_with_its_place(client, made):
    answer = client.post("/api/templates/greet/preview", {"variables": {"name": 5}})
    refused(answer, 422, "template_render_error", "variables.name", "invalid_type")
    client.post(
        "/api/templates", {"name": "bad", "html": "<style>p{margin:0}</style>\n<p>{{currency x 'XYZ'}}</p>"}
    )
    answer = client.post("/api/templates/bad/preview", {"variables": {"x": 1}})
    message = refused(answer, 422, "template_render_error", "html", "render_failed")
    assert message.startswith("html, line 2, column 6: ")


def test_publishing_needs_every_example_to_render(client, made):
    client.put(
        "/api/templates/greet/test-data", {"test_data": {"good": {"name": "x"}, "no name": {"items": []}}}
    )
    before = everything()
    answer = client.post("/api/templates/greet/publish")
    message = refused(answer, 422, "template_render_error", "subject", "missing_variable")
    assert message.startswith("test data 'no name': subject, line 1, column 9: ")
    assert "name" in message
    assert everything() == before


def test_publishing_needs_every_used_variable_declared_if_any_is(client, made):
    client.patch("/api/templates/greet", {"text": "{{other}} {{unsubscribe_url}}"})
    answer = client.post("/api/templates/greet/publish")
    message = refused(answer, 422, "template_render_error", "variables", "undeclared_variable")
    assert message == "variables: Used and not declared: other."
    client.patch("/api/templates/greet", {"variables": []})
    assert client.post("/api/templates/greet/publish").status_code == 200


def test_warnings_come_with_publishing_and_preview(client):
    body = {
        "name": "letter",
        "html": '<p><a href="http://a.example">x</p><img src="https://a.example/p.png">',
        "text": "",
        "tags": {"kind": "newsletter"},
    }
    client.post("/api/templates", body)
    codes = ["no_unsubscribe_link", "no_text_part", "unbalanced_tags", "insecure_links", "no_alt_text"]
    for answer in (
        client.post("/api/templates/letter/preview"),
        client.post("/api/templates/letter/publish"),
    ):
        assert [one["code"] for one in answer.json()["warnings"]] == codes
    assert [one["code"] for one in client.get("/api/templates/letter/versions/1").json()["warnings"]] == codes


def test_mjml_is_compiled_when_it_is_published_and_read_as_it_was_written(client):
    source = (
        "<mjml><mj-body><mj-section><mj-column>{{#each items}}<mj-text>{{title}}</mj-text>{{/each}}"
        "</mj-column></mj-section></mj-body></mjml>"
    )
    client.post("/api/templates", {"name": "m", "format": "mjml", "html": source})
    assert client.post("/api/templates/m/publish").json()["warnings"] == []
    version = client.get("/api/templates/m/versions/1").json()
    assert (version["html"], version["format"]) == (source, "mjml")
    seen = client.post(
        "/api/templates/m/preview", {"version": 1, "variables": {"items": [{"title": "x & y"}]}}
    ).json()
    assert "x &amp; y" in seen["html"]
    assert "mj-text" not in seen["html"]
    assert seen["text"].strip() == "x & y"


def test_an_idempotency_key_creates_once(client):
    first = client.post("/api/templates", WELCOME, Idempotency_Key="one")
    again = client.post("/api/templates", WELCOME, Idempotency_Key="one")
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.content == again.content
    assert again["Idempotent-Replayed"] == "true"
    other = client.post("/api/templates", {**WELCOME, "name": "y"}, Idempotency_Key="one")
    refused(other, 409, "invalid_idempotent_request")


def test_a_tenant_has_a_thousand_templates_at_the_most(client, acme):
    at = now()
    rows = [
        Template(tenant=acme.tenant, name=f"t{n}", text="x", created_at=at, updated_at=at)
        for n in range(MAX_TEMPLATES - len(NAMES) - 1)
    ]
    Template.across_tenants.bulk_create(rows)
    assert client.post("/api/templates", {"name": "last", "text": "x"}).status_code == 201
    refused(client.post("/api/templates", {"name": "more", "text": "x"}), 409, "conflict")
    refused(client.post("/api/templates/last/duplicate"), 409, "conflict")
    client.delete("/api/templates/t0")
    assert client.post("/api/templates", {"name": "more", "text": "x"}).status_code == 201


def test_a_template_has_five_hundred_versions_at_the_most(client, made):
    Template.across_tenants.filter(pk=made).update(newest=499)
    assert client.post("/api/templates/greet/publish").json()["version"] == 500
    refused(client.post("/api/templates/greet/publish"), 409, "conflict")


BAD = [
    ({}, 422, "missing_required_field", "name", "missing_required_field"),
    ({"name": "x"}, 422, "validation_error", "html", "invalid_type"),
    ({"name": "x", "text": ""}, 422, "validation_error", "html", "invalid_type"),
    ({"name": "", "text": "x"}, 422, "validation_error", "name", "out_of_range"),
    ({"name": " x", "text": "x"}, 422, "validation_error", "name", "invalid_choice"),
    ({"name": "a\nb", "text": "x"}, 422, "validation_error", "name", "invalid_choice"),
    ({"name": "x" * 101, "text": "x"}, 422, "validation_error", "name", "too_long"),
    ({"name": "x", "text": "x", "alias": "Ünique"}, 422, "validation_error", "alias", "invalid_choice"),
    (
        {"name": "x", "text": "x", "subject": "a\r\nBcc: b"},
        422,
        "validation_error",
        "subject",
        "invalid_choice",
    ),
    ({"name": "x", "text": "x", "subject": "x" * 999}, 422, "validation_error", "subject", "too_long"),
    ({"name": "x", "text": "x", "from": "nobody"}, 422, "invalid_from_address", "from", "invalid_email"),
    (
        {"name": "x", "text": "x", "from": "a@other.example"},
        422,
        "invalid_from_address",
        "from",
        "invalid_email",
    ),
    (
        {"name": "x", "text": "x", "reply_to": ["a@b.example", "c"]},
        422,
        "validation_error",
        "reply_to[1]",
        "invalid_email",
    ),
    (
        {"name": "x", "text": "x", "reply_to": ["a@b.example"] * 6},
        422,
        "validation_error",
        "reply_to",
        "too_many",
    ),
    ({"name": "x", "text": "x", "format": "pdf"}, 422, "validation_error", "format", "invalid_choice"),
    ({"name": "x", "format": "text", "html": "x"}, 422, "validation_error", "html", "mutually_exclusive"),
    ({"name": "x", "format": "mjml", "text": "x"}, 422, "validation_error", "html", "invalid_type"),
    ({"name": "x", "format": "mjml", "html": "<p>"}, 422, "template_render_error", "html", "invalid_syntax"),
    ({"name": "x", "html": "{{#if a}}x"}, 422, "template_render_error", "html", "invalid_syntax"),
    (
        {"name": "x", "html": "x", "text": "{{> partial}}"},
        422,
        "template_render_error",
        "text",
        "invalid_syntax",
    ),
    ({"name": "x", "html": "x", "subject": "{{"}, 422, "template_render_error", "subject", "invalid_syntax"),
    ({"name": "x", "html": "ä" * 1_100_000}, 422, "validation_error", "html", "too_long"),
    (
        {"name": "x", "text": "x", "variables": [{"key": "1a"}]},
        422,
        "validation_error",
        "variables[0].key",
        "invalid_choice",
    ),
    (
        {"name": "x", "text": "x", "variables": [{"key": "a", "type": "date"}]},
        422,
        "validation_error",
        "variables[0].type",
        "invalid_choice",
    ),
    (
        {"name": "x", "text": "x", "variables": [{"key": f"a{n}"} for n in range(101)]},
        422,
        "validation_error",
        "variables",
        "too_many",
    ),
    (
        {"name": "x", "text": "x", "variables": [{"key": "a"}, {"key": "a"}]},
        422,
        "validation_error",
        "variables[1].key",
        "mutually_exclusive",
    ),
    (
        {"name": "x", "text": "x", "tags": {f"t{n}": "" for n in range(11)}},
        422,
        "validation_error",
        "tags",
        "too_many",
    ),
    ({"name": "x", "text": "x", "tags": {"mg:x": "y"}}, 422, "validation_error", "tags", "reserved_name"),
    ({"name": "x", "text": "x", "tags": {"x": "y" * 257}}, 422, "validation_error", "tags.x", "too_long"),
    ({"name": "x", "text": "x", "txet": "y"}, 422, "validation_error", "txet", "unknown_field"),
    (
        {"name": "x", "text": "x", "tenant_id": str(uuid4())},
        422,
        "validation_error",
        "tenant_id",
        "unknown_field",
    ),
]


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: f"{bad[3]} {bad[4]} {str(bad[0])[:40]}")
def test_bad_input_is_refused_and_changes_nothing(client, made, bad):
    body, status, name, field, code = bad
    before = everything()
    refused(client.post("/api/templates", body), status, name, field, code)
    if field != "name" and len(body) > 1:
        changes = {"html": None, "text": None, **body, "name": "Greeting"}
        refused(client.patch("/api/templates/greet", changes), status, name, field, code)
    assert everything() == before


@pytest.mark.parametrize(
    ("path", "method", "body", "name", "field", "code"),
    [
        ("rollback", "post", {"version": 9}, "validation_error", "version", "not_found"),
        ("rollback", "post", {"version": 0}, "validation_error", "version", "out_of_range"),
        ("pin", "post", {"version": 9}, "validation_error", "version", "not_found"),
        ("pin", "post", {"version": "1"}, "validation_error", "version", "invalid_type"),
        ("publish", "post", {"note": "x" * 501}, "validation_error", "note", "too_long"),
        ("publish", "post", {"revision": True}, "validation_error", "revision", "invalid_type"),
        ("preview", "post", {"variables": []}, "validation_error", "variables", "invalid_type"),
        ("preview", "post", {"version": "newest"}, "validation_error", "version", "invalid_choice"),
        ("preview", "post", {"variables": {"a": "x" * 262_144}}, "validation_error", "variables", "too_long"),
        ("test-data", "put", {"test_data": {"a": 1}}, "validation_error", "test_data.a", "invalid_type"),
        (
            "test-data",
            "put",
            {"test_data": {f"s{n}": {} for n in range(21)}},
            "validation_error",
            "test_data",
            "too_many",
        ),
        (
            "test-data",
            "put",
            {"test_data": {"a": {"x": "y" * 262_144}}},
            "validation_error",
            "test_data",
            "too_long",
        ),
        ("test-data", "put", {"a": {"name": "x"}}, "validation_error", "a", "unknown_field"),
        ("duplicate", "post", {"name": ""}, "validation_error", "name", "out_of_range"),
    ],
)
def test_bad_verbs_are_refused_and_change_nothing(client, made, path, method, body, name, field, code):
    client.post("/api/templates/greet/publish")
    before = everything()
    answer = getattr(client, method)(f"/api/templates/greet/{path}", body)
    refused(answer, 422, name, field, code)
    assert everything() == before


def test_there_is_nothing_to_roll_back_to_before_the_first_version(client, made):
    refused(client.post("/api/templates/greet/rollback"), 409, "conflict")
    client.post("/api/templates/greet/publish")
    refused(client.post("/api/templates/greet/rollback"), 409, "conflict")
    assert client.post("/api/templates/greet/pin").json()["version"] == 1


def test_another_tenant_sees_and_touches_nothing(client, made, api, globex):
    client.post("/api/templates/greet/publish")
    before = everything()
    stranger = api(globex)
    for wanted in (made, "greet", "Greeting"):
        for method, path, body in (
            ("GET", "", None),
            ("PATCH", "", {"subject": "mine"}),
            ("DELETE", "", None),
            ("GET", "/versions", None),
            ("GET", "/versions/1", None),
            ("GET", "/diff", None),
            ("GET", "/test-data", None),
            ("PUT", "/test-data", {"test_data": {}}),
            ("POST", "/publish", {}),
            ("POST", "/rollback", {"version": 1}),
            ("POST", "/pin", {"version": 1}),
            ("POST", "/duplicate", {}),
            ("POST", "/preview", {}),
        ):
            refused(stranger.send(method, f"/api/templates/{wanted}{path}", body), 404, "not_found")
    assert "Greeting" not in stranger.get("/api/templates").content.decode()
    assert everything() == before


def test_a_paused_tenant_goes_on_writing_and_a_suspended_one_reads(api, initech):
    client = api(initech)
    assert client.post("/api/templates", WELCOME).status_code == 201
    assert client.post("/api/templates/greet/publish").status_code == 200
    tenancy.suspend(tenant_id=initech.tenant.pk, reason="x", actor=SYSTEM, now=now())
    refused(client.patch("/api/templates/greet", {"subject": "x"}), 403, "tenant_suspended")
    assert client.get("/api/templates/greet").json()["version"] == 1


def test_both_modes_share_templates(api, acme, made):
    assert api(acme.test_key).get("/api/templates/greet").json()["id"] == made


def test_every_change_is_in_the_audit_trail_without_bodies(client, made, acme):
    client.put("/api/templates/greet/test-data", {"test_data": {"Ann": {"name": "Secret"}}})
    client.patch("/api/templates/greet", {"html": "<p>Secret {{name}}</p>", "subject": "New {{name}}"})
    client.post("/api/templates/greet/publish", {"note": "n"})
    client.post("/api/templates/greet/publish")
    client.post("/api/templates/greet/rollback")
    client.post("/api/templates/greet/pin", {"version": 2})
    client.post("/api/templates/greet/duplicate")
    client.delete("/api/templates/greet")
    trail = AuditEntry.across_tenants.filter(tenant=acme.tenant, action__startswith="template.").order_by(
        "seq"
    )
    assert [entry.action.removeprefix("template.") for entry in trail] == [
        "install_builtins",
        "create",
        "test_data",
        "edit",
        "publish",
        "publish",
        "rollback",
        "pin",
        "duplicate",
        "archive",
    ]
    assert trail[3].changes == {"subject": "New {{name}}", "changed": ["subject", "html"]}
    assert trail[4].changes == {"version": 1, "note": "n"}
    assert "Secret" not in "".join(str(entry.changes) for entry in trail)


def test_a_path_with_a_nul_is_404(client):
    refused(client.get("/api/templates/a%00b"), 404, "not_found")


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_two_that_publish_at_once_make_two_versions_or_one_conflict(api, acme):
    api(acme).post("/api/templates", {**WELCOME, "variables": []})
    answers = []

    def publish():
        answers.append(api(acme).post("/api/templates/greet/publish").status_code)
        connections.close_all()  # those of this thread

    threads = [threading.Thread(target=publish) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(answers) <= {200, 409, 503}
    numbers = TemplateVersion.across_tenants.filter(template__alias="greet").values_list("number", flat=True)
    assert sorted(numbers) == list(range(1, answers.count(200) + 1))
    assert answers.count(200) >= 1
