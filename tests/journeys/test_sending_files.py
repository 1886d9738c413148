"""A developer attaches what was uploaded before, and what lies elsewhere."""

import base64
from datetime import timedelta
from typing import Any

import pytest

from emails.attachments.models import PendingAttachment
from emails.models import CapturedMail, Message
from mailgrid.core.clock import now
from tenants.files.models import File

EMAILS = "/api/emails"
PDF = b"%PDF-1.7 an invoice"


@pytest.fixture
def client(acme, api) -> Any:
    """acme's client."""
    return api(acme)


@pytest.fixture
def invoice(client) -> dict[str, Any]:
    """A file that was uploaded."""
    body = {"filename": "invoice.pdf", "content": base64.b64encode(PDF).decode()}
    return ok(client.post("/api/files", body))


def ok(answer: Any) -> dict[str, Any]:
    assert answer.status_code in {200, 201}, answer.content
    return answer.json()


def attached(one: dict[str, Any], mail: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {**mail, "attachments": [one], **more}


def sent_files() -> list[tuple[str, str, int]]:
    mail = CapturedMail.across_tenants.get()
    return [(one["filename"], one["content_type"], one["size"]) for one in mail.attachments]


def test_a_file_is_sent_as_it_was_uploaded(client, mail, invoice, work):
    ok(client.post(EMAILS, attached({"file_id": invoice["id"]}, mail)))
    work.deliver()
    assert sent_files() == [("invoice.pdf", "application/pdf", len(PDF))]


def test_a_file_may_have_another_name_in_a_mail(client, mail, invoice, work):
    one = {"file_id": invoice["id"], "filename": "November.txt", "content_type": "text/plain"}
    ok(client.post(EMAILS, attached(one, mail)))
    work.deliver()
    assert sent_files() == [("November.txt", "text/plain", len(PDF))]


def test_accepted_mail_keeps_a_file_that_is_deleted(client, mail, invoice, work):
    ok(client.post(EMAILS, attached({"file_id": invoice["id"]}, mail)))
    ok(client.delete(f"/api/files/{invoice['id']}"))
    work.deliver()
    assert sent_files() == [("invoice.pdf", "application/pdf", len(PDF))]


def test_sensitive_mail_has_its_own_encrypted_copy(client, mail, invoice, work):
    ok(client.post("/api/streams", {"name": "codes", "sensitive": True}))
    ok(client.post(EMAILS, attached({"file_id": invoice["id"]}, mail, stream="codes")))
    work.deliver()
    content = Message.across_tenants.get().content
    (blob,) = content.attachments
    assert blob != File.across_tenants.get().blob
    assert CapturedMail.across_tenants.get().provider_message_id


def test_a_batch_asks_for_its_files_in_one_query(client, mail, invoice, django_assert_max_num_queries):
    batch = [attached({"file_id": invoice["id"]}, mail) for _ in range(20)]
    with django_assert_max_num_queries(20):
        ok(client.post(f"{EMAILS}/batch", batch))


def test_what_lies_elsewhere_is_waited_for(client, mail, settings):
    settings.UNSAFE_HOSTS = frozenset({"127.0.0.1"})
    sent = ok(client.post(EMAILS, attached({"path": "http://127.0.0.1/a.pdf"}, mail)))
    assert sent["status"] == "queued"
    (line,) = ok(client.get(f"{EMAILS}/{sent['id']}"))["recipients"]
    assert (line["status"], line["reason"]) == ("held", "attachments")
    assert PendingAttachment.across_tenants.get().filename == "a.pdf"


@pytest.mark.parametrize(
    ("one", "field", "code"),
    [
        ({}, "attachments[0]", "invalid_attachment"),
        ({"content": "aGk="}, "attachments[0]", "invalid_attachment"),
        ({"content": "aGk=", "filename": "a.txt", "file_id": "x"}, "attachments[0]", "invalid_attachment"),
        ({"file_id": "01970000-0000-7000-8000-000000000000"}, "attachments[0].file_id", "not_found"),
        ({"file_id": "x"}, "attachments[0].file_id", "not_found"),
        ({"path": "http://169.254.169.254/latest/meta-data"}, "attachments[0].path", "forbidden_host"),
        ({"path": "http://localhost./a.txt"}, "attachments[0].path", "forbidden_host"),
        ({"path": "https://example.com/"}, "attachments[0]", "invalid_attachment"),
        ({"path": "https://example.com/a.exe"}, "attachments[0]", "invalid_attachment"),
        ({"path": "source:docs/../secret"}, "attachments[0]", "invalid_attachment"),
        ({"file_id": "x", "filename": "../a"}, "attachments[0]", "invalid_attachment"),
    ],
)  # fmt: skip
def test_wrong_attachments_are_refused_and_store_nothing(client, mail, one, field, code):
    answer = client.post(EMAILS, attached(one, mail))
    assert (answer.status_code, answer.json()["name"]) == (422, "invalid_attachment"), answer.content
    (error,) = answer.json()["errors"]
    assert (error["field"], error["code"]) == (field, code)
    assert (Message.across_tenants.count(), PendingAttachment.across_tenants.count()) == (0, 0)


def test_a_file_whose_time_is_over_is_none(client, mail, invoice):
    File.across_tenants.update(expires_at=now() - timedelta(seconds=1))
    answer = client.post(EMAILS, attached({"file_id": invoice["id"]}, mail))
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "not_found")


def test_a_strangers_file_is_none(mail, invoice, api, globex):
    answer = api(globex).post(EMAILS, attached({"file_id": invoice["id"]}, mail, **{"from": globex.sender}))
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "not_found")
    assert Message.across_tenants.count() == 0


def test_a_preflight_weighs_a_file(client, mail, invoice):
    without = ok(client.post(f"{EMAILS}/preflight", mail))["size"]
    assert (
        ok(client.post(f"{EMAILS}/preflight", attached({"file_id": invoice["id"]}, mail)))["size"] > without
    )
