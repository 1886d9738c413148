"""A developer sends what a designer wrote: by name, with values, by version, and with expressions of their own."""

from typing import Any

import pytest

from emails.messages.versions import UNSUBSCRIBE_MARK
from emails.models import CapturedMail, Message, MessageContent
from templates.rendering import programs
from tenants.members.models import Membership, User

EMAILS = "/api/emails"
TO = {"to": "ann@example.com"}


@pytest.fixture
def client(acme, api) -> Any:
    """acme's client."""
    return api(acme)


@pytest.fixture
def welcome(client, acme) -> dict[str, Any]:
    """A published template with a sender of its own."""
    ok(
        client.post(
            "/api/templates",
            {
                "name": "Hello",
                "alias": "hello",
                "subject": "Hello {{name}}",
                "from": acme.sender,
                "html": "<h1>Hello {{name}}</h1>",
                "variables": [{"key": "name", "type": "string"}],
            },
        )
    )
    return ok(client.post("/api/templates/hello/publish", {}))


def ok(answer: Any) -> dict[str, Any]:
    assert answer.status_code in {200, 201}, answer.content
    return answer.json()


def by(name: str, **more: Any) -> dict[str, Any]:
    return {**TO, "template": {"id": name, "variables": {"name": "Ann & Bob"}, **more}}


def refusal(answer: Any) -> tuple[int, str, str]:
    """Status, field and code."""
    (error,) = answer.json()["errors"]
    return answer.status_code, error["field"], error["code"]


def the_captured() -> CapturedMail:
    return CapturedMail.across_tenants.get()


@pytest.mark.parametrize("wanted", ["hello", "Hello", "id"])
def test_it_is_sent_by_id_alias_or_name(client, welcome, work, wanted):
    name = ok(client.get("/api/templates/hello"))["id"] if wanted == "id" else wanted
    sent = ok(client.post(EMAILS, by(name)))
    read = ok(client.get(f"{EMAILS}/{sent['id']}"))
    assert read["subject"] == "Hello Ann & Bob"
    assert read["html"] == "<h1>Hello Ann &amp; Bob</h1>"
    assert "Hello Ann & Bob" in read["text"]
    assert read["template"] == {"id": ok(client.get("/api/templates/hello"))["id"], "version": 1}
    work.deliver()
    mail = the_captured()
    assert (mail.subject, mail.html) == ("Hello Ann & Bob", "<h1>Hello Ann &amp; Bob</h1>")


def test_what_was_accepted_is_what_is_sent(client, welcome, work):
    """Edited, published anew and rolled back meanwhile: a message keeps its version."""
    ok(client.post(EMAILS, by("hello")))
    ok(client.patch("/api/templates/hello", {"html": "<h1>Bye {{name}}</h1>"}))
    ok(client.post("/api/templates/hello/publish", {}))
    programs.clear()  # a worker that has never seen it
    work.deliver()
    assert the_captured().html == "<h1>Hello Ann &amp; Bob</h1>"


def test_a_version_may_be_pinned_in_the_request(client, welcome):
    ok(client.patch("/api/templates/hello", {"html": "<h1>Bye {{name}}</h1>"}))
    ok(client.post("/api/templates/hello/publish", {}))
    old, new = ok(client.post(EMAILS, by("hello", version=1))), ok(client.post(EMAILS, by("hello")))
    shown = [ok(client.get(f"{EMAILS}/{one['id']}"))["template"]["version"] for one in (old, new)]
    assert shown == [1, 2]


def test_its_words_are_not_kept_with_every_message(client, welcome):
    sent = ok(client.post(EMAILS, by("hello")))
    payload = MessageContent.objects.get(pk=sent["id"]).payload
    assert "<h1>" not in payload
    assert "Ann & Bob" in payload


def test_a_draft_is_sent_with_a_test_key_only(client, acme, api, welcome):
    ok(client.patch("/api/templates/hello", {"html": "<h1>Draft {{name}}</h1>"}))
    assert refusal(client.post(EMAILS, by("hello", version="draft"))) == (
        422,
        "template.version",
        "invalid_choice",
    )
    tester = api(acme.test_key)
    sent = ok(tester.post(EMAILS, by("hello", version="draft")))
    assert ok(tester.get(f"{EMAILS}/{sent['id']}"))["html"] == "<h1>Draft Ann &amp; Bob</h1>"


def test_a_subject_of_the_request_goes_before_the_templates(client, welcome):
    sent = ok(client.post(EMAILS, by("hello") | {"subject": "{{as it is}}"}))
    assert ok(client.get(f"{EMAILS}/{sent['id']}"))["subject"] == "{{as it is}}"


def test_expressions_without_a_template(client, acme, work):
    ok(
        client.post(
            EMAILS,
            {
                **TO,
                "from": acme.sender,
                "subject": "{{n}} new",
                "html": "{{#each items}}<li>{{this}}</li>{{/each}}",
                "variables": {"n": 2, "items": ["<a>", "b"]},
            },
        )
    )
    work.deliver()
    mail = the_captured()
    assert (mail.subject, mail.html) == ("2 new", "<li>&lt;a&gt;</li><li>b</li>")


def test_braces_stay_braces_where_nobody_gave_variables(client, mail, work):
    ok(client.post(EMAILS, {**mail, "html": "<p>{{name}}</p>"}))
    work.deliver()
    assert the_captured().html == "<p>{{name}}</p>"


def test_a_batch_may_mix_them_and_names_what_is_wrong(client, welcome, mail):
    batch = [by("hello"), mail, {**TO, "template": {"id": "hello"}}]
    refused = client.post(f"{EMAILS}/batch", batch)
    assert refusal(refused) == (422, "[2].subject", "missing_variable")
    assert Message.across_tenants.count() == 0
    done = ok(client.post(f"{EMAILS}/batch", batch, x_batch_validation="permissive"))
    assert [one["index"] for one in done["data"]] == [0, 1]


def test_a_retry_says_the_same(client, welcome, work):
    sent = ok(client.post(EMAILS, by("hello") | {"to": "fail@simulator.mailgrid.test"}))
    work.everything()
    assert ok(client.get(f"{EMAILS}/{sent['id']}"))["status"] == "failed"
    again = ok(client.post(f"{EMAILS}/{sent['id']}/retry"))
    assert ok(client.get(f"{EMAILS}/{again['id']}"))["html"] == "<h1>Hello Ann &amp; Bob</h1>"


def test_a_preflight_shows_the_rendered_mail(client, welcome):
    shown = ok(client.post(f"{EMAILS}/preflight", by("hello")))
    assert shown["ok"] is True
    assert shown["rendered"]["html"] == "<h1>Hello Ann &amp; Bob</h1>"
    missing = ok(client.post(f"{EMAILS}/preflight", {**TO, "template": {"id": "hello"}}))
    assert (missing["ok"], missing["errors"][0]["code"]) == (False, "missing_variable")


def test_a_place_for_the_unsubscribe_link_is_kept(client, acme):
    sent = ok(
        client.post(
            EMAILS,
            {
                **TO,
                "from": acme.sender,
                "subject": "News",
                "html": '<a href="{{unsubscribe_url}}">no more</a>',
                "variables": {},
            },
        )
    )
    assert ok(client.get(f"{EMAILS}/{sent['id']}"))["html"] == f'<a href="{UNSUBSCRIBE_MARK}">no more</a>'


@pytest.mark.parametrize(
    ("change", "field", "code"),
    [
        ({"template": {"id": "nowhere"}}, "template.id", "not_found"),
        ({"template": {"id": "hello", "version": 9}}, "template.version", "not_found"),
        ({"template": {"id": "hello", "version": "live"}}, "template.version", "invalid_choice"),
        ({"template": {"id": "hello", "variables": {"name": 7}}}, "variables.name", "invalid_type"),
        ({"template": {"id": "hello"}}, "subject", "missing_variable"),
        ({"html": "<p>Hi</p>"}, "", "mutually_exclusive"),
        ({"variables": {}}, "", "mutually_exclusive"),
        ({"template": None, "subject": "Hi", "html": "{{#if}}", "variables": {}}, "html", "invalid_syntax"),
        ({"template": None, "html": "<p>Hi</p>"}, "subject", "missing_required_field"),
    ],
)
def test_what_cannot_be_sent_is_refused_and_stores_nothing(client, welcome, acme, change, field, code):
    answer = client.post(EMAILS, {"from": acme.sender, **by("hello"), **change})
    assert answer.status_code == 422, answer.content
    (error, *_) = answer.json()["errors"]
    assert (error["field"], error["code"]) == (field, code)
    assert Message.across_tenants.count() == 0


def test_an_author_looks_at_the_draft_in_their_own_inbox(client, welcome, work):
    """With a live key, too: with an example's values, and with others before them."""
    ok(client.put("/api/templates/hello/test-data", {"test_data": {"ann": {"name": "Ann"}}}))
    ok(client.patch("/api/templates/hello", {"html": "<h1>Draft {{name}} {{n}}</h1>"}))
    trial = {"to": "author@acme.test", "test_data": "ann", "variables": {"n": 2}}
    ok(client.post("/api/templates/hello/test", trial))
    work.deliver()
    assert the_captured().html == "<h1>Draft Ann 2</h1>"


def test_a_member_may_look_too_and_strangers_may_not(client, welcome, acme):
    trial = {"to": "mia@example.org", "variables": {"name": "Ann"}}
    assert refusal(client.post("/api/templates/hello/test", trial)) == (422, "to", "forbidden_host")
    person = User.objects.create(username="mia", email="mia@example.org")
    Membership.across_tenants.create(tenant=acme.tenant, user=person)
    ok(client.post("/api/templates/hello/test", {**trial, "version": 1}))
    assert refusal(client.post("/api/templates/hello/test", {**trial, "test_data": "x"}))[1] == "test_data"
    assert client.post("/api/templates/nowhere/test", trial).status_code == 404
    assert Message.across_tenants.count() == 1


def test_what_was_never_published_is_not_sent(client):
    ok(client.post("/api/templates", {"name": "New", "subject": "S", "html": "<p>New</p>"}))
    assert refusal(client.post(EMAILS, by("New"))) == (422, "template.id", "template_not_published")


def test_a_strangers_template_is_none(client, welcome, api, globex):
    answer = api(globex).post(EMAILS, by(ok(client.get("/api/templates/hello"))["id"]))
    assert refusal(answer) == (422, "template.id", "not_found")
    assert Message.across_tenants.count() == 0
