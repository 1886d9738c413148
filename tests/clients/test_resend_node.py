"""Resend's Node package, unchanged but for its address, does with Mailgrid what it does with Resend."""

import base64
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from tests.clients.node import HERE, Node
from tests.live import LiveMailgrid

Call = Callable[..., Any]

SCRIPT = HERE / "resend_node.mjs"
FILE = b"a,b\r\n1,\xff\n"


@pytest.fixture(scope="module")
def node() -> Iterator[Node]:
    with Node(SCRIPT) as script:
        yield script


@pytest.fixture
def call(live: LiveMailgrid, node: Node) -> Call:
    """`call("emails.get", "…")`: the data; `error=True`: the error instead."""

    def ask(verb: str, *values: Any, key: str | None = None, error: bool = False) -> Any:
        question = {"key": key or live.api_key, "url": f"{live.url}/api", "verb": verb, "arguments": values}
        answer = node.ask(question)
        assert (answer["error"] is not None) is error, answer
        return answer["error" if error else "data"]

    return ask


@pytest.fixture
def mail(live: LiveMailgrid) -> dict[str, Any]:
    """The least that can be sent."""
    return {"from": live.sender, "to": "ann@example.com", "subject": "Hello", "text": "Hello Ann"}


def test_an_email_is_sent_and_read(live: LiveMailgrid, call: Call, mail: dict[str, Any]) -> None:
    sent = call("emails.send", {**mail, "html": "<p>Hello Ann</p>"})
    live.settled(sent["id"])
    read = call("emails.get", sent["id"])
    assert (read["object"], read["from"], read["to"]) == ("email", live.sender, ["ann@example.com"])
    assert (read["subject"], read["html"], read["text"]) == ("Hello", "<p>Hello Ann</p>", "Hello Ann")
    assert read["last_event"] == "delivered"


def test_the_address_may_come_from_the_environment(live: LiveMailgrid) -> None:
    with Node(SCRIPT, RESEND_BASE_URL=f"{live.url}/api", RESEND_API_KEY=live.api_key) as script:
        answer = script.ask({"verb": "domains.list", "arguments": []})
    assert answer["data"]["data"][0]["name"] == "demo.mailgrid.test", answer


def test_every_field_arrives(live: LiveMailgrid, call: Call, mail: dict[str, Any]) -> None:
    sent = call(
        "emails.send",
        {
            **mail,
            "to": ["Ann <ann@example.com>", "abe@example.com"],
            "cc": "bob@example.com",
            "bcc": ["eve@example.com"],
            "replyTo": "help@example.com",
            "subject": "Grüße 🎁",
            "headers": {"X-Order": "7"},
            "tags": [{"name": "kind", "value": "welcome"}],
        },
    )
    read = call("emails.get", sent["id"])
    assert read["to"] == ["Ann <ann@example.com>", "abe@example.com"]
    assert (read["cc"], read["bcc"]) == (["bob@example.com"], ["eve@example.com"])
    assert (read["reply_to"], read["subject"]) == (["help@example.com"], "Grüße 🎁")
    assert read["tags"] == [{"name": "kind", "value": "welcome"}]
    mail_out = live.captured(sent["id"])
    assert len(mail_out.recipients) == 4
    assert mail_out.headers == {"X-Order": "7"}


@pytest.mark.parametrize(
    "content",
    [{"bytes": base64.b64encode(FILE).decode()}, base64.b64encode(FILE).decode()],
    ids=["Buffer", "base64"],
)
def test_an_attachment_arrives_whole(
    live: LiveMailgrid, call: Call, mail: dict[str, Any], content: Any
) -> None:
    attachment = {"filename": "table.csv", "content": content, "contentType": "text/csv"}
    inline = {"filename": "logo.png", "content": base64.b64encode(b"\x89PNG").decode(), "contentId": "logo"}
    sent = call("emails.send", {**mail, "html": '<img src="cid:logo">', "attachments": [attachment, inline]})
    assert live.captured(sent["id"]).attachments == [
        {"filename": "table.csv", "content_type": "text/csv", "size": len(FILE)},
        {"filename": "logo.png", "content_type": "image/png", "size": 4},
    ]


def test_an_email_is_scheduled_rescheduled_and_cancelled(
    live: LiveMailgrid, call: Call, mail: dict[str, Any]
) -> None:
    sent = call("emails.send", {**mail, "scheduledAt": "in 1 hour"})
    assert call("emails.get", sent["id"])["last_event"] == "scheduled"
    moved_to = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=3)
    changed = call("emails.update", {"id": sent["id"], "scheduledAt": moved_to.isoformat()})
    assert changed == {"object": "email", "id": sent["id"]}
    assert datetime.fromisoformat(call("emails.get", sent["id"])["scheduled_at"]) == moved_to
    cancelled = call("emails.cancel", sent["id"])
    assert (cancelled["object"], cancelled["id"]) == ("email", sent["id"])
    assert call("emails.get", sent["id"])["last_event"] == "canceled"
    refused = call("emails.update", {"id": sent["id"], "scheduledAt": "in 1 hour"}, error=True)
    assert (refused["statusCode"], refused["name"]) == (409, "conflict")
    assert live.journal(sent["id"]) == []


def test_an_idempotency_key_sends_once(live: LiveMailgrid, call: Call, mail: dict[str, Any]) -> None:
    option = {"idempotencyKey": f"welcome/{uuid4()}"}
    first = call("emails.send", mail, option)
    assert call("emails.send", mail, option) == first
    live.settled(first["id"])
    assert len(live.journal(first["id"])) == 1
    refused = call("emails.send", {**mail, "subject": "Other"}, option, error=True)
    assert (refused["statusCode"], refused["name"]) == (409, "invalid_idempotent_request")


def test_a_batch_is_sent_in_order(live: LiveMailgrid, call: Call, mail: dict[str, Any]) -> None:
    batch = [{**mail, "to": [f"r{number}@example.com"]} for number in range(3)]
    sent = call("batch.send", batch, {"idempotencyKey": str(uuid4())})
    assert [live.captured(one["id"]).recipients for one in sent["data"]] == [
        [f"r{number}@example.com"] for number in range(3)
    ]


def test_a_batch_with_a_wrong_item_sends_nothing_or_the_rest(call: Call, mail: dict[str, Any]) -> None:
    address = f"{uuid4().hex}@example.com"
    batch = [{**mail, "to": address}, {**mail, "to": "nobody"}]
    refused = call("batch.send", batch, error=True)
    assert (refused["statusCode"], refused["name"]) == (422, "validation_error")
    assert address not in {one["to"][0] for one in call("emails.list")["data"]}
    sent = call("batch.send", batch, {"batchValidation": "permissive"})
    assert [error["index"] for error in sent["errors"]] == [1]
    assert call("emails.get", sent["data"][0]["id"])["to"] == [address]


def test_emails_are_listed_page_by_page(call: Call, mail: dict[str, Any]) -> None:
    ids = [call("emails.send", mail)["id"] for _ in range(3)]
    page = call("emails.list", {"limit": 2})
    assert (page["object"], page["has_more"]) == ("list", True)
    assert [one["id"] for one in page["data"]] == [ids[2], ids[1]]
    older = call("emails.list", {"limit": 1, "after": ids[1]})
    assert [one["id"] for one in older["data"]] == [ids[0]]


@pytest.mark.parametrize(
    ("changes", "key", "status", "name"),
    [
        ({"to": None}, None, 422, "missing_required_field"),
        ({"to": "nobody"}, None, 422, "validation_error"),
        ({"from": "hi@elsewhere.example"}, None, 422, "invalid_from_address"),
        ({}, "mg_live_wrong", 403, "invalid_api_key"),
    ],
)
def test_errors_have_resends_names(
    call: Call, mail: dict[str, Any], changes: dict[str, Any], key: str | None, status: int, name: str
) -> None:
    given = {field: value for field, value in {**mail, **changes}.items() if value is not None}
    refused = call("emails.send", given, key=key, error=True)
    assert (refused["statusCode"], refused["name"]) == (status, name)


def test_keys_are_made_and_removed(call: Call, mail: dict[str, Any]) -> None:
    made = call("apiKeys.create", {"name": "CI", "permission": "sending_access"})
    call("emails.send", mail, key=made["token"])
    refused = call("apiKeys.list", key=made["token"], error=True)
    assert (refused["statusCode"], refused["name"]) == (403, "restricted_api_key")
    call("apiKeys.remove", made["id"])
    assert made["id"] not in {key["id"] for key in call("apiKeys.list")["data"]}


def test_suppressed_addresses_are_listed_found_and_lifted(
    live: LiveMailgrid, call: Call, mail: dict[str, Any]
) -> None:
    address = f"gone+{uuid4().hex[:8]}@example.com"
    added = call("suppressions.add", {"email": address})
    assert call("suppressions.get", address)["id"] == added["id"]
    assert added["id"] in {one["id"] for one in call("suppressions.list", {"origin": "manual"})["data"]}
    sent = call("emails.send", {**mail, "to": address})
    assert call("emails.get", sent["id"])["last_event"] == "suppressed"
    assert call("suppressions.remove", address)["deleted"] is True
    live.settled(call("emails.send", {**mail, "to": address})["id"])
    batch = call("suppressions.batch.add", {"emails": [address]})
    removed = call("suppressions.batch.remove", {"ids": [batch["data"][0]["id"]]})
    assert removed["data"][0]["deleted"] is True
