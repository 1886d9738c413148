"""Resend's Python package, unchanged but for its address, does with Mailgrid what it does with Resend."""

import base64
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
import resend
from resend.exceptions import (
    InvalidApiKeyError,
    MissingApiKeyError,
    MissingRequiredFieldsError,
    RateLimitError,
    ResendError,
    ValidationError,
)

from tests.live import LiveMailgrid, manage

FILE = b"a,b\r\n1,\xff\n"


@pytest.fixture(autouse=True)
def _pointed_here(live: LiveMailgrid, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resend, "api_url", f"{live.url}/api")
    monkeypatch.setattr(resend, "api_key", live.api_key)


@pytest.fixture
def mail(live: LiveMailgrid) -> dict[str, Any]:
    """The least that can be sent."""
    return {"from": live.sender, "to": "ann@example.com", "subject": "Hello", "text": "Hello Ann"}


@pytest.fixture
def new_key(live: LiveMailgrid) -> Callable[..., str]:
    """`new_key("slow", requests_per_minute=1)`: a key of a new tenant of this name with these limits."""

    def make(name: str, **limits: int) -> str:
        code, tenant = live.call("POST", "/api/tenants", {"name": name, "slug": name, "limits": limits})
        assert code == 201, tenant
        code, key = live.call("POST", f"/api/tenants/{tenant['id']}/api-keys", {"name": name})
        assert code == 201, key
        return str(key["token"])

    return make


def test_an_email_is_sent_and_read(live: LiveMailgrid, mail: dict[str, Any]) -> None:
    sent = resend.Emails.send({**mail, "html": "<p>Hello Ann</p>"})
    headers = {name.lower(): value for name, value in sent["http_headers"].items()}
    assert headers["ratelimit-limit"] == "600"
    live.settled(sent["id"])
    read = resend.Emails.get(sent["id"])
    assert (read["object"], read["from"], read["to"]) == ("email", live.sender, ["ann@example.com"])
    assert (read["subject"], read["html"], read["text"]) == ("Hello", "<p>Hello Ann</p>", "Hello Ann")
    assert read["last_event"] == "delivered"
    assert read["created_at"].endswith("Z")


def test_the_address_may_come_from_the_environment(live: LiveMailgrid) -> None:
    script = "import resend; print(resend.Domains.list()['data'][0]['name'])"
    own = {"RESEND_API_URL": f"{live.url}/api", "RESEND_API_KEY": live.api_key}
    done = subprocess.run([sys.executable, "-c", script], env=own, capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("demo.mailgrid.test\n", "")


def test_every_field_arrives(live: LiveMailgrid, mail: dict[str, Any]) -> None:
    sent = resend.Emails.send(
        {
            **mail,
            "to": ["Ann <ann@example.com>", "abe@example.com"],
            "cc": "bob@example.com",
            "bcc": ["eve@example.com"],
            "reply_to": "help@example.com",
            "subject": "Grüße 🎁",
            "headers": {"X-Order": "7", "List-Unsubscribe": "<https://example.com/u>"},
            "tags": [{"name": "kind", "value": "welcome"}],
        }
    )
    read = resend.Emails.get(sent["id"])
    assert read["to"] == ["Ann <ann@example.com>", "abe@example.com"]
    assert (read["cc"], read["bcc"]) == (["bob@example.com"], ["eve@example.com"])
    assert read["reply_to"] == ["help@example.com"]
    assert read["tags"] == [{"name": "kind", "value": "welcome"}]
    mail_out = live.captured(sent["id"])
    assert mail_out.recipients == [
        "Ann <ann@example.com>",
        "abe@example.com",
        "bob@example.com",
        "eve@example.com",
    ]
    assert mail_out.subject == "Grüße 🎁"
    assert mail_out.headers == {"X-Order": "7", "List-Unsubscribe": "<https://example.com/u>"}


@pytest.mark.parametrize(
    "content", [list(FILE), base64.b64encode(FILE).decode()], ids=["list of integers", "base64"]
)
def test_an_attachment_arrives_whole(live: LiveMailgrid, mail: dict[str, Any], content: Any) -> None:
    attachment = {"filename": "table.csv", "content": content, "content_type": "text/csv"}
    sent = resend.Emails.send({**mail, "attachments": [attachment]})
    assert live.captured(sent["id"]).attachments == [
        {"filename": "table.csv", "content_type": "text/csv", "size": len(FILE)}
    ]


def test_an_inline_image_is_taken(live: LiveMailgrid, mail: dict[str, Any]) -> None:
    image = {"filename": "logo.png", "content": list(b"\x89PNG"), "content_id": "logo"}
    sent = resend.Emails.send({**mail, "html": '<img src="cid:logo">', "attachments": [image]})
    assert live.captured(sent["id"]).attachments == [
        {"filename": "logo.png", "content_type": "image/png", "size": 4}
    ]


@pytest.mark.parametrize("when", ["in 1 hour", "in 2 days", "ISO 8601"])
def test_an_email_is_scheduled_rescheduled_and_cancelled(
    live: LiveMailgrid, mail: dict[str, Any], when: str
) -> None:
    if when == "ISO 8601":
        when = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    sent = resend.Emails.send({**mail, "scheduled_at": when})
    assert resend.Emails.get(sent["id"])["last_event"] == "scheduled"
    moved_to = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=3)
    changed = resend.Emails.update({"id": sent["id"], "scheduled_at": moved_to.isoformat()})
    assert (changed["object"], changed["id"]) == ("email", sent["id"])
    assert datetime.fromisoformat(resend.Emails.get(sent["id"])["scheduled_at"]) == moved_to
    cancelled = resend.Emails.cancel(sent["id"])
    assert (cancelled["object"], cancelled["id"]) == ("email", sent["id"])
    assert resend.Emails.get(sent["id"])["last_event"] == "canceled"
    assert live.journal(sent["id"]) == []


def test_a_cancelled_email_cannot_be_moved(mail: dict[str, Any]) -> None:
    sent = resend.Emails.send({**mail, "scheduled_at": "in 1 hour"})
    resend.Emails.cancel(sent["id"])
    with pytest.raises(ResendError) as refused:
        resend.Emails.update({"id": sent["id"], "scheduled_at": "in 1 hour"})
    assert (refused.value.code, refused.value.error_type) == (409, "conflict")


def test_an_email_moved_to_now_is_sent(live: LiveMailgrid, mail: dict[str, Any]) -> None:
    sent = resend.Emails.send({**mail, "scheduled_at": "in 1 hour"})
    resend.Emails.update({"id": sent["id"], "scheduled_at": "now"})
    live.settled(sent["id"])


def test_an_idempotency_key_sends_once(live: LiveMailgrid, mail: dict[str, Any]) -> None:
    key = f"welcome/{uuid4()}"
    first = resend.Emails.send(mail, {"idempotency_key": key})
    again = resend.Emails.send(mail, {"idempotency_key": key})
    assert again["id"] == first["id"]
    assert again["http_headers"]["Idempotent-Replayed"] == "true"
    live.settled(first["id"])
    assert len(live.journal(first["id"])) == 1
    with pytest.raises(ResendError) as refused:
        resend.Emails.send({**mail, "subject": "Other"}, {"idempotency_key": key})
    assert (refused.value.code, refused.value.error_type) == (409, "invalid_idempotent_request")


def test_a_batch_is_sent_in_order(live: LiveMailgrid, mail: dict[str, Any]) -> None:
    batch = [{**mail, "to": [f"r{number}@example.com"]} for number in range(3)]
    sent = resend.Batch.send(batch, {"idempotency_key": str(uuid4())})
    ids = [one["id"] for one in sent["data"]]
    assert [live.captured(email_id).recipients for email_id in ids] == [
        [f"r{number}@example.com"] for number in range(3)
    ]


def test_a_strict_batch_with_a_wrong_item_sends_nothing(live: LiveMailgrid, mail: dict[str, Any]) -> None:
    address = f"{uuid4().hex}@example.com"
    batch = [{**mail, "to": address}, {**mail, "to": "nobody"}]
    with pytest.raises(ValidationError) as refused:
        resend.Batch.send(batch, {"batch_validation": "strict"})
    assert refused.value.code == 422
    assert refused.value.message.startswith("[1].to")
    assert live.call("GET", f"/api/emails?to={address}")[1]["data"] == []


def test_a_permissive_batch_sends_the_good_items(live: LiveMailgrid, mail: dict[str, Any]) -> None:
    batch = [mail, {**mail, "to": "nobody"}, {**mail, "to": "cleo@example.com"}]
    sent = resend.Batch.send(batch, {"batch_validation": "permissive"})
    assert [error["index"] for error in sent["errors"]] == [1]
    assert [live.captured(one["id"]).recipients for one in sent["data"]] == [
        ["ann@example.com"],
        ["cleo@example.com"],
    ]


def test_emails_are_listed_page_by_page(mail: dict[str, Any]) -> None:
    ids = [resend.Emails.send(mail)["id"] for _ in range(3)]
    page = resend.Emails.list({"limit": 2})
    assert (page["object"], page["has_more"]) == ("list", True)
    assert [one["id"] for one in page["data"]] == [ids[2], ids[1]]
    older = resend.Emails.list({"limit": 1, "after": ids[1]})
    assert [one["id"] for one in older["data"]] == [ids[0]]
    newer = resend.Emails.list({"limit": 1, "before": ids[1]})
    assert [one["id"] for one in newer["data"]] == [ids[2]]


def test_errors_come_as_their_types(mail: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MissingRequiredFieldsError):
        resend.Emails.send({name: value for name, value in mail.items() if name != "to"})
    with pytest.raises(ValidationError) as refused:
        resend.Emails.send({**mail, "to": "nobody"})
    assert refused.value.message.startswith("to[0]: ")
    with pytest.raises(ValidationError) as refused:
        resend.Emails.send({**mail, "scheduled_at": "next tuesday"})
    assert refused.value.code == 422
    with pytest.raises(ResendError) as refused_sender:
        resend.Emails.send({**mail, "from": "hi@elsewhere.example"})
    assert (refused_sender.value.code, refused_sender.value.error_type) == (422, "invalid_from_address")
    with pytest.raises(ResendError) as unknown:
        resend.Emails.get(str(uuid4()))
    assert (unknown.value.code, unknown.value.error_type) == (404, "not_found")
    monkeypatch.setattr(resend, "api_key", "mg_live_wrong")
    with pytest.raises(InvalidApiKeyError) as refused_key:
        resend.Emails.send(mail)
    assert refused_key.value.code == 403
    monkeypatch.setattr(resend, "api_key", "")
    with pytest.raises(MissingApiKeyError) as missing_key:
        resend.Emails.send(mail)
    assert missing_key.value.code == 401


def test_too_many_requests_are_a_rate_limit_error(
    new_key: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resend, "api_key", new_key("slow", requests_per_minute=1))
    resend.Emails.list()
    with pytest.raises(RateLimitError) as refused:
        resend.Emails.list()
    assert (refused.value.code, refused.value.error_type) == (429, "rate_limit_exceeded")
    assert 1 <= int(refused.value.headers["Retry-After"]) <= 60


def test_a_spent_quota_is_a_rate_limit_error(
    live: LiveMailgrid, new_key: Callable[..., str], mail: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resend, "api_key", new_key("frugal", daily_quota=1))
    assert manage(live.var_dir, "adddomain", "frugal.test", "--tenant", "frugal").returncode == 0
    own = {**mail, "from": "hi@frugal.test"}
    resend.Emails.send(own)
    with pytest.raises(RateLimitError) as refused:
        resend.Emails.send(own)
    assert refused.value.error_type == "daily_quota_exceeded"
    assert int(refused.value.headers["Retry-After"]) >= 1


def test_keys_are_made_used_renamed_and_removed(
    mail: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = resend.ApiKeys.create({"name": "CI", "permission": "sending_access"})
    renamed = resend.ApiKeys.update({"id": made["id"], "name": "CI 2"})
    assert (renamed["object"], renamed["id"]) == ("api_key", made["id"])
    listed = {key["id"]: key["name"] for key in resend.ApiKeys.list()["data"]}
    assert listed[made["id"]] == "CI 2"
    with monkeypatch.context() as with_new_key:
        with_new_key.setattr(resend, "api_key", made["token"])
        resend.Emails.send(mail)
        with pytest.raises(ResendError) as refused:
            resend.ApiKeys.list()
        assert (refused.value.code, refused.value.error_type) == (403, "restricted_api_key")
    removed = resend.ApiKeys.remove(made["id"])
    assert removed is None or removed["deleted"]
    assert made["id"] not in {key["id"] for key in resend.ApiKeys.list()["data"]}


def test_suppressed_addresses_are_listed_found_and_lifted(live: LiveMailgrid, mail: dict[str, Any]) -> None:
    address = f"Gone+{uuid4().hex[:8]}@example.com"
    added = resend.Suppressions.add({"email": address})
    assert added["object"] == "suppression"
    found = resend.Suppressions.get(address)
    assert (found["id"], found["email"], found["origin"]) == (added["id"], address.lower(), "manual")
    assert added["id"] in {one["id"] for one in resend.Suppressions.list({"origin": "manual"})["data"]}
    sent = resend.Emails.send({**mail, "to": address})
    assert resend.Emails.get(sent["id"])["last_event"] == "suppressed"
    removed = resend.Suppressions.remove(address)
    assert removed["deleted"] is True
    live.settled(resend.Emails.send({**mail, "to": address})["id"])
    assert live.journal(sent["id"]) == []


def test_suppressions_come_and_go_in_batches() -> None:
    addresses = [f"{uuid4().hex}@example.com" for _ in range(3)]
    added = resend.Suppressions.Batch.add({"emails": addresses})
    assert len(added["data"]) == 3
    removed = resend.Suppressions.Batch.remove({"ids": [one["id"] for one in added["data"]]})
    assert [one["deleted"] for one in removed["data"]] == [True] * 3


def test_domains_can_be_read(live: LiveMailgrid) -> None:
    (domain,) = resend.Domains.list()["data"]
    assert (domain["name"], domain["status"]) == ("demo.mailgrid.test", "verified")
    assert resend.Domains.get(domain["id"])["name"] == "demo.mailgrid.test"
