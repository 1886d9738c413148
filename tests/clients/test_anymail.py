"""A Django site that sends through django-anymail's Resend backend sends through Mailgrid instead."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.mime.image import MIMEImage
from typing import Any
from uuid import uuid4

import pytest
from anymail.exceptions import AnymailAPIError
from anymail.message import AnymailMessage
from django.core.mail import get_connection, send_mail

from tests.live import LiveMailgrid


@pytest.fixture(autouse=True)
def _site(live: LiveMailgrid, settings: Any) -> None:
    """The settings of a Django site; the test process is that site."""
    settings.EMAIL_BACKEND = "anymail.backends.resend.EmailBackend"
    settings.DEFAULT_FROM_EMAIL = live.sender
    settings.ANYMAIL = {"RESEND_API_KEY": live.api_key, "RESEND_API_URL": f"{live.url}/api/"}


def _message(**given: Any) -> AnymailMessage:
    return AnymailMessage(
        **{"subject": "Hello", "body": "Hello Ann", "to": ["Ann <ann@example.com>"]} | given
    )


def _ids(message: AnymailMessage) -> Mapping[str, str]:
    recipients = message.anymail_status.recipients
    assert {one.status for one in recipients.values()} == {"queued"}
    return {address: one.message_id for address, one in recipients.items()}


def test_django_sends_as_ever(live: LiveMailgrid) -> None:
    subject = f"Hello {uuid4()}"
    assert send_mail(subject, "Hello Ann", None, ["ann@example.com"], html_message="<p>Hello Ann</p>") == 1
    found = [one for one in live.call("GET", "/api/emails")[1]["data"] if one["subject"] == subject]
    mail = live.captured(found[0]["id"])
    assert (mail.sender, mail.recipients) == (live.sender, ["ann@example.com"])
    assert (mail.text, mail.html) == ("Hello Ann", "<p>Hello Ann</p>")


def test_every_field_arrives(live: LiveMailgrid) -> None:
    message = _message(
        subject="Grüße 🎁",
        cc=["Bob <bob@example.com>"],
        bcc=["eve@example.com"],
        reply_to=["help@example.com", "Desk <desk@example.com>"],
        headers={"X-Order": 7},
        tags=["welcome", "Über uns"],
        metadata={"user": 12, "plan": "größer"},
    )
    message.attach_alternative("<p>Hello Ann</p>", "text/html")
    message.send()
    ids = set(_ids(message).values())
    assert ids == {message.anymail_status.message_id}
    (email_id,) = ids
    mail = live.captured(email_id)
    assert mail.subject == "Grüße 🎁"
    assert (mail.text, mail.html) == ("Hello Ann", "<p>Hello Ann</p>")
    assert mail.recipients == ["Ann <ann@example.com>", "Bob <bob@example.com>", "eve@example.com"]
    assert mail.headers["X-Order"] == "7"
    assert json.loads(mail.headers["X-Tags"]) == ["welcome", "Über uns"]
    assert json.loads(mail.headers["X-Metadata"]) == {"user": 12, "plan": "größer"}
    assert live.settled(email_id)["reply_to"] == ["help@example.com", "Desk <desk@example.com>"]


def test_attachments_and_inline_images_arrive(live: LiveMailgrid) -> None:
    message = _message()
    cid = message.attach_inline_image(b"\x89PNG\r\n", filename="logo.png", subtype="png")
    message.attach_alternative(f'<img src="cid:{cid}">', "text/html")
    message.attach("Tabelle Ü.csv", "ä;b\n1;2\n", "text/csv")
    message.attach("invoice.pdf", b"%PDF-1.7", "application/pdf")
    image = MIMEImage(b"GIF89a", "gif")
    image.add_header("Content-Disposition", "attachment", filename="photo.gif")
    message.attach(image)
    message.send()
    mail = live.captured(message.anymail_status.message_id)
    assert f"cid:{cid}" in (mail.html or "")
    told = {
        part["filename"]: (part["content_type"].partition(";")[0], part["size"]) for part in mail.attachments
    }
    assert told == {
        "logo.png": ("image/png", 6),
        "Tabelle Ü.csv": ("text/csv", len("ä;b\n1;2\n".encode())),
        "invoice.pdf": ("application/pdf", 8),
        "photo.gif": ("image/gif", 6),
    }


def test_a_batch_gives_each_recipient_an_email_of_their_own(live: LiveMailgrid) -> None:
    message = _message(
        to=["Ann <ann@example.com>", "bob@example.com", "cleo@example.com"],
        merge_data={},
        metadata={"run": 5},
        merge_metadata={"ann@example.com": {"user": 1}, "bob@example.com": {"user": 2}},
        merge_headers={"cleo@example.com": {"X-Seat": "4"}},
    )
    message.send()
    ids = _ids(message)
    assert len(set(ids.values())) == 3
    mails = {address: live.captured(email_id) for address, email_id in ids.items()}
    assert {address: mail.recipients for address, mail in mails.items()} == {
        "ann@example.com": ["Ann <ann@example.com>"],
        "bob@example.com": ["bob@example.com"],
        "cleo@example.com": ["cleo@example.com"],
    }
    metadata = {address: json.loads(mail.headers["X-Metadata"]) for address, mail in mails.items()}
    assert metadata == {
        "ann@example.com": {"run": 5, "user": 1},
        "bob@example.com": {"run": 5, "user": 2},
        "cleo@example.com": {"run": 5},
    }
    assert mails["cleo@example.com"].headers["X-Seat"] == "4"


def test_many_messages_go_over_one_connection(live: LiveMailgrid) -> None:
    messages = [_message(to=[f"r{number}@example.com"]) for number in range(3)]
    assert get_connection().send_messages(messages) == 3
    for number, message in enumerate(messages):
        assert live.captured(message.anymail_status.message_id).recipients == [f"r{number}@example.com"]


def test_an_email_is_sent_later(live: LiveMailgrid) -> None:
    message = _message(send_at=datetime.now(UTC) + timedelta(hours=1))
    message.send()
    email = live.settled(message.anymail_status.message_id, status="scheduled")
    assert abs(datetime.fromisoformat(email["scheduled_at"]) - message.send_at) < timedelta(milliseconds=2)


def test_esp_extra_reaches_mailgrids_own_fields(live: LiveMailgrid) -> None:
    message = _message(esp_extra={"tags": [{"name": "kind", "value": "welcome"}], "metadata": {"user": 12}})
    message.send()
    email = live.settled(message.anymail_status.message_id)
    assert (email["tags"], email["metadata"]) == ([{"name": "kind", "value": "welcome"}], {"user": 12})


def test_a_refusal_is_anymails_error() -> None:
    with pytest.raises(AnymailAPIError) as refused:
        _message(from_email="hi@elsewhere.example").send()
    assert refused.value.status_code == 422
    assert "invalid_from_address" in str(refused.value)
