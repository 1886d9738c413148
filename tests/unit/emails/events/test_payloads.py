"""The wire form of an event is Resend's, with ours added."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from emails.events.payloads import MAX_HEADER_BYTES, ToldEvent, affected_first, body, custom, item

ACCEPTED = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
HAPPENED = datetime(2026, 11, 22, 9, 31, tzinfo=UTC)

BOUNCE = {"type": "Permanent", "subType": "NoEmail", "message": "A bounce message.", "diagnosticCode": []}

EVENT = ToldEvent(
    event_id=UUID(int=1),
    seq=812,
    type="email.bounced",
    status="bounced",
    occurred_at=HAPPENED,
    test=False,
    data={"bounce": BOUNCE, "recipient": "mine"},
    email_id=UUID(int=2),
    provider_message_id="0107@eu-west-1.amazonses.com",
    email_created_at=ACCEPTED,
    sender="Acme <hi@acme.test>",
    to=["Ann <ann@example.com>", "bob@example.com"],
    subject="Hi",
    stream="transactional",
    tags={"kind": "welcome"},
    metadata={"order": 7},
    recipient="bob@example.com",
    recipient_type="to",
    headers=(("X-Tags", '["a"]'), ("Reply-By", "now")),
)


def test_a_webhook_body_says_everything_docs_promise():
    assert body(EVENT) == {
        "type": "email.bounced",
        "created_at": HAPPENED,
        "timestamp": HAPPENED,
        "data": {
            "email_id": UUID(int=2),
            "message_id": "0107@eu-west-1.amazonses.com",
            "created_at": ACCEPTED,
            "from": "Acme <hi@acme.test>",
            "to": ["bob@example.com", "ann@example.com"],
            "subject": "Hi",
            "tags": {"kind": "welcome"},
            "headers": [{"name": "X-Tags", "value": '["a"]'}],
            "event_id": UUID(int=1),
            "seq": 812,
            "recipient": "bob@example.com",
            "recipient_type": "to",
            "status": "bounced",
            "stream": "transactional",
            "metadata": {"order": 7},
            "test": False,
            "bounce": BOUNCE,
        },
    }


def test_an_item_of_a_list_is_the_same_with_object_and_id():
    assert item(EVENT) == {"object": "event", "id": UUID(int=1), **body(EVENT)}


@pytest.mark.parametrize(
    ("recipient", "to", "told"),
    [
        ("a@x.test", ["a@x.test"], ["a@x.test"]),
        ("b@x.test", ["A <a@x.test>", "B <b@x.test>"], ["b@x.test", "a@x.test"]),
        ("cc@x.test", ["a@x.test"], ["cc@x.test", "a@x.test"]),
    ],
)
def test_the_affected_address_comes_first(recipient, to, told):
    assert affected_first(recipient, to) == told


def test_only_custom_headers_are_told_and_only_as_many_as_fit():
    half = ("X-Half", "v" * (MAX_HEADER_BYTES // 2 - len("X-Half")))
    assert custom([("Date", "now"), half, ("x-half", half[1]), ("X-Over", "")]) == [half, ("x-half", half[1])]
