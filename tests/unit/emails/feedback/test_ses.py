"""SES payloads become facts: one per recipient, whatever form, and never anything but facts or one error."""

import copy
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emails.feedback.ses import BounceType, Fact, FactKind, UnreadablePayload, facts, suppresses

_DATA = Path(__file__).parents[3] / "data" / "ses"
_FIXTURES = sorted(path.stem for path in _DATA.glob("*.json"))
_ANN = "ann@example.org"


def _payload(name: str) -> dict[str, Any]:
    payload: dict[str, Any] = json.loads((_DATA / f"{name}.json").read_text())
    return payload


def _only(name: str) -> Fact:
    (fact,) = facts(_payload(name))
    return fact


def _bounce(**recipient: str) -> dict[str, Any]:
    payload = _payload("bounce_permanent_general_policy")
    payload["bounce"]["bouncedRecipients"] = [{"emailAddress": _ANN, **recipient}]
    return payload


def test_a_send_event_proves_the_attempt_its_tags_name() -> None:
    fact = _only("send")
    assert fact.kind is FactKind.SENT
    assert fact.address is None
    assert fact.occurred_at == datetime(2026, 3, 2, 9, 15, 0, 125_000, tzinfo=UTC)
    assert fact.provider_message_id == "0102019a1b2c3d4e-5f60718293a4b5c6-d7e8f9a0-000000"
    assert fact.delivery_id == UUID("01981e2c-5d3a-7c41-9a57-3f0c1b2d4e5f")
    assert fact.fence == 1
    assert fact.tenant_hex == "01981d00aaaa7bbb8cccdddddddddddd"


def test_a_delivery_to_two_recipients_is_two_facts_with_domains_in_lower_case() -> None:
    found = facts(_payload("delivery"))
    assert [fact.address for fact in found] == [_ANN, "bob@example.net"]
    assert {fact.kind for fact in found} == {FactKind.DELIVERED}
    assert len({fact.dedupe_key for fact in found}) == 2


def test_two_hundred_recipients_in_one_notification_are_two_hundred_facts() -> None:
    payload = _payload("delivery")
    payload["delivery"]["recipients"] = [f"r{number}@example.org" for number in range(200)]
    assert len(facts(payload)) == 200


def test_a_hard_bounce_keeps_the_words_of_ses_and_the_status_code() -> None:
    fact = _only("bounce_permanent_no_email")
    assert fact.kind is FactKind.BOUNCED
    assert fact.address == _ANN
    assert fact.bounce_type is BounceType.PERMANENT
    assert fact.status_code == "5.1.1"
    assert fact.detail == {
        "type": "Permanent",
        "subType": "NoEmail",
        "message": "The recipient's email provider sent a bounce message indicating that the email address "
        "doesn't exist.",
        "diagnosticCode": ["smtp; 550 5.1.1 user unknown"],
    }


def test_a_soft_bounce_of_two_recipients_is_one_fact_each() -> None:
    ann, bob = facts(_payload("bounce_transient_two_recipients"))
    assert (ann.bounce_type, bob.bounce_type) == (BounceType.TRANSIENT, BounceType.TRANSIENT)
    assert ann.detail["diagnosticCode"] == ["smtp; 452 4.2.2 mailbox full"]
    assert bob.detail["diagnosticCode"] == []


@pytest.mark.parametrize("name", [name for name in _FIXTURES if "bounce" in name])
def test_every_bounce_message_has_the_phrase_that_clients_look_for(name: str) -> None:
    for fact in facts(_payload(name)):
        stopped_by_list = fact.detail["subType"] in {"Suppressed", "OnAccountSuppressionList"}
        phrase = "suppressed sending" if stopped_by_list else "bounce message"
        assert phrase in fact.detail["message"]


def test_an_unknown_bounce_type_counts_as_undetermined_and_keeps_its_words() -> None:
    payload = _payload("bounce_undetermined")
    payload["bounce"] |= {"bounceType": "Cosmic", "bounceSubType": "Ray"}
    (fact,) = facts(payload)
    assert fact.bounce_type is BounceType.UNDETERMINED
    assert (fact.detail["type"], fact.detail["subType"]) == ("Cosmic", "Ray")
    assert "bounce message" in fact.detail["message"]


@pytest.mark.parametrize(
    ("name", "kind", "address", "detail"),
    [
        (
            "delivery_delay",
            FactKind.DELIVERY_DELAYED,
            _ANN,
            {"type": "MailboxFull", "message": "smtp; 452 4.2.2 mailbox is over its quota"},
        ),
        ("complaint", FactKind.COMPLAINED, _ANN, {"type": "abuse"}),
        ("identity_complaint", FactKind.COMPLAINED, _ANN, {"type": "other"}),
        ("reject", FactKind.REJECTED, None, {"reason": "virus", "message": "Bad content"}),
        (
            "rendering_failure",
            FactKind.RENDERING_FAILED,
            None,
            {"reason": "rendering", "message": "Attribute 'name' is not present in the rendering data."},
        ),
        (
            "open",
            FactKind.OPENED,
            _ANN,
            {
                "ipAddress": "203.0.113.9",
                "userAgent": "Mozilla/5.0 (X11; Linux x86_64)",
                "timestamp": "2026-03-02T10:00:00.500Z",
            },
        ),
        (
            "click",
            FactKind.CLICKED,
            _ANN,
            {
                "ipAddress": "203.0.113.9",
                "link": "https://acme.example/orders/7?from=mail",
                "timestamp": "2026-03-02T10:00:09.000Z",
                "userAgent": "Mozilla/5.0 (X11; Linux x86_64)",
            },
        ),
        (
            "subscription",
            FactKind.SUBSCRIBED,
            _ANN,
            {
                "contactList": "acme",
                "source": "UnsubscribeHeader",
                "unsubscribeAll": True,
                "topics": [{"topic": "news", "status": "OptOut"}],
            },
        ),
    ],
)
def test_each_kind_is_told_in_the_event_vocabulary(
    name: str, kind: FactKind, address: str | None, detail: dict[str, Any]
) -> None:
    fact = _only(name)
    assert (fact.kind, fact.address, fact.detail) == (kind, address, detail)


def test_an_open_among_several_recipients_is_nobodys() -> None:
    payload = _payload("open")
    payload["mail"]["destination"] = [_ANN, "bob@example.net"]
    assert [fact.address for fact in facts(payload)] == [None]


def test_both_forms_of_one_bounce_have_one_dedupe_key() -> None:
    published, identity = _only("bounce_permanent_no_email"), _only("identity_bounce")
    assert published.dedupe_key == identity.dedupe_key
    assert (identity.delivery_id, identity.fence, identity.tenant_hex) == (None, None, None)


def test_both_forms_of_one_delivery_have_one_dedupe_key() -> None:
    assert _only("identity_delivery").dedupe_key == facts(_payload("delivery"))[0].dedupe_key


def test_a_dedupe_key_names_no_address_and_fits_a_column() -> None:
    for name in _FIXTURES:
        for fact in facts(_payload(name)):
            assert "ann" not in fact.dedupe_key
            assert len(fact.dedupe_key) < 255


def test_one_address_named_twice_is_one_fact() -> None:
    payload = _payload("complaint")
    payload["complaint"]["complainedRecipients"] *= 2
    assert len(facts(payload)) == 1


def test_a_display_name_around_an_address_is_dropped() -> None:
    payload = _payload("delivery")
    payload["delivery"]["recipients"] = ['"Ann, of <Example>" <ann@EXAMPLE.org>']
    assert [fact.address for fact in facts(payload)] == [_ANN]


@pytest.mark.parametrize("name", ["unknown_kind", "subscription_succeeded"])
def test_an_unknown_kind_is_no_fact(name: str) -> None:
    assert facts(_payload(name)) == []


def test_unknown_fields_are_ignored() -> None:
    payload = _payload("send")
    payload["novelty"] = payload["mail"]["novelty"] = [1, 2]
    assert facts(payload) == facts(_payload("send"))


def test_text_that_a_database_refuses_is_cleaned() -> None:
    payload = _bounce(diagnosticCode="a\0b\ud800c" + "x" * 5_000, status="nonsense")
    (fact,) = facts(payload)
    (words,) = fact.detail["diagnosticCode"]
    assert words.startswith("ab?cx")
    assert len(words) <= 2_000
    assert fact.status_code is None


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("mail",), None),
        (("mail",), "text"),
        (("mail", "messageId"), None),
        (("mail", "messageId"), ""),
        (("mail", "messageId"), "m" * 400),
        (("mail", "timestamp"), "yesterday"),
        (("mail", "timestamp"), "2026-03-02T09:15:00"),
        (("mail", "timestamp"), "0001-01-01T00:00:00+23:59"),
        (("mail", "tags"), []),
        (("mail", "tags", "mg_d"), "01981e2c-5d3a-7c41-9a57-3f0c1b2d4e5f"),
        (("mail", "tags", "mg_d"), ["{01981e2c-5d3a-7c41-9a57-3f0c1b2d4e5f}"]),
        (("mail", "tags", "mg_d"), [7]),
        (("mail", "tags", "mg_f"), ["-1"]),
        (("mail", "tags", "mg_f"), ["٣"]),
        (("mail", "tags", "mg_t"), ["DROP TABLE"]),
        (("bounce",), None),
        (("bounce", "timestamp"), 12),
        (("bounce", "bouncedRecipients"), {}),
        (("bounce", "bouncedRecipients"), ["ann@example.org"]),
        (("bounce", "bouncedRecipients"), [{}]),
        (("bounce", "feedbackId"), 4),
        (("eventType",), None),
        (("eventType",), {"a": 1}),
    ],
)
def test_a_malformed_payload_is_unreadable(path: tuple[str, ...], value: object) -> None:
    payload = _payload("bounce_permanent_no_email")
    parent = payload
    for key in path[:-1]:
        parent = parent[key]
    parent[path[-1]] = value
    with pytest.raises(UnreadablePayload):
        facts(payload)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def _replace_somewhere(node: Any, draw: st.DrawFn) -> Any:
    """The same document with one of its values, at any depth, replaced by arbitrary JSON."""
    if isinstance(node, dict) and node and draw(st.booleans()):
        key = draw(st.sampled_from(sorted(node)))
        return {**node, key: _replace_somewhere(node[key], draw)}
    if isinstance(node, list) and node and draw(st.booleans()):
        return [_replace_somewhere(node[0], draw), *node[1:]]
    return draw(_JSON)


@st.composite
def _spoilt(draw: st.DrawFn) -> Any:
    payload = copy.deepcopy(_payload(draw(st.sampled_from(_FIXTURES))))
    for _ in range(draw(st.integers(1, 3))):
        payload = _replace_somewhere(payload, draw)
    return payload


@settings(max_examples=400, deadline=None)
@given(_spoilt())
def test_a_spoilt_payload_gives_facts_or_one_kind_of_error(payload: Any) -> None:
    try:
        found = facts(payload)
    except UnreadablePayload:
        return
    for fact in found:
        assert fact.occurred_at.tzinfo is UTC
        json.dumps(fact.detail, ensure_ascii=False).encode()
        suppresses(fact)


@pytest.mark.parametrize(
    ("recipient", "expected"),
    [
        ({"status": "5.1.1"}, "bounce"),
        ({"status": "5.1.10"}, "bounce"),
        ({"diagnosticCode": "smtp; 550-5.1.1 no such user"}, "bounce"),
        ({"status": "5.0.0", "diagnosticCode": "smtp; 550 5.1.0 Address rejected."}, "bounce"),
        ({"status": "5.1.8", "diagnosticCode": "smtp; 501 5.1.8 bad sender's address"}, None),
        ({"status": "5.7.1"}, None),
        ({"status": "5.1.1", "diagnosticCode": "smtp; 550 5.7.606 access denied, banned sending IP"}, None),
        ({"status": "5.2.1"}, None),
        ({"diagnosticCode": "smtp; 554 blocked, see 5.1.1.9 or 15.1.1"}, None),
        ({}, None),
    ],
)
def test_a_permanent_bounce_suppresses_by_its_status_code(
    recipient: dict[str, str], expected: str | None
) -> None:
    (fact,) = facts(_bounce(**recipient))
    assert suppresses(fact) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("bounce_permanent_no_email", "bounce"),
        ("identity_bounce", "bounce"),
        ("bounce_permanent_on_account_suppression_list", "bounce"),
        ("bounce_permanent_general_policy", None),
        ("bounce_transient_two_recipients", None),
        ("bounce_undetermined", None),
        ("complaint", "complaint"),
        ("identity_complaint", "complaint"),
        ("delivery", None),
        ("reject", None),
    ],
)
def test_what_suppresses(name: str, expected: str | None) -> None:
    assert {suppresses(fact) for fact in facts(_payload(name))} == {expected}


def test_no_email_with_a_policy_code_does_not_suppress() -> None:
    payload = _bounce(status="5.7.1")
    payload["bounce"]["bounceSubType"] = "NoEmail"
    assert {suppresses(fact) for fact in facts(payload)} == {None}


def test_a_report_that_it_was_not_spam_does_not_suppress() -> None:
    payload = _payload("complaint")
    payload["complaint"]["complaintFeedbackType"] = "not-spam"
    assert {suppresses(fact) for fact in facts(payload)} == {None}
