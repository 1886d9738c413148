"""A tenant asks whether somebody reads the mail of an address: by a code, or by a link."""

import re
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.db import connection
from django.test import Client

from emails.messages.content import load_one
from emails.models import Message, MessageContent, Verification
from emails.verifications import retention, secrets
from mailgrid.core import ratelimit
from mailgrid.core.cache import forget_everything
from mailgrid.core.clock import now
from tenants.tenancy.models import Tenant

VERIFICATIONS = "/api/verifications"
ADDRESS = "ann@example.com"
APP = "https://app.example.com"


@pytest.fixture
def client(acme, api) -> Any:
    """acme's client; its default stream has a sender, and its app may be redirected to."""
    own = api(acme)
    ok(own.patch("/api/streams/transactional", {"default_from": acme.sender}))
    ok(own.patch("/api/tenant", {"settings": {"redirect_origins": [APP]}}))
    return own


@pytest.fixture
def drawn(monkeypatch) -> list[str]:
    """Every code and token as it was drawn: nobody keeps them."""
    known: list[str] = []
    for name in ("new_code", "new_token"):
        draw = getattr(secrets, name)
        monkeypatch.setattr(secrets, name, lambda *a, draw=draw: known.append(draw(*a)) or known[-1])
    return known


@pytest.fixture
def forget() -> Any:
    """As if the process had begun anew: it remembers no bucket and no tenant."""

    def everything() -> None:
        forget_everything()
        ratelimit._limiter.cache_clear()

    return everything


def ok(answer: Any) -> dict[str, Any]:
    assert answer.status_code in {200, 201}, answer.content
    return answer.json()


def ask(client: Any, **more: Any) -> dict[str, Any]:
    return ok(client.post(VERIFICATIONS, {"to": ADDRESS, **more}))


def check(client: Any, made: dict[str, Any], code: str | None = None) -> Any:
    return client.post(f"{VERIFICATIONS}/{made['id']}/check", {} if code is None else {"code": code})


def wrong(code: str) -> str:
    return f"{(int(code) + 1) % 10 ** len(code):0{len(code)}d}"


# ---- Codes ----------------------------------------------------------------------------------------------------------


def test_a_code_is_sent_at_once_and_approves_once(client, drawn, work):
    made = ask(client)
    assert (made["object"], made["status"], made["channel"]) == ("verification", "pending", "code")
    message = Message.across_tenants.get(pk=made["email_id"])
    assert (message.priority, message.source) == (0, "verification")
    assert message.expires_at - message.created_at == timedelta(seconds=600)
    (code,) = drawn
    assert re.fullmatch(r"[0-9]{6}", code)
    content = load_one(message.pk)
    assert content is not None
    work.deliver()
    message.refresh_from_db()
    assert message.status in {"sent", "delivered"}
    assert ok(check(client, made, wrong(code)))["status"] == "pending"
    assert ok(check(client, made, code))["status"] == "approved"
    again = check(client, made, code)
    assert (again.status_code, again.json()["name"]) == (409, "conflict")


def test_nothing_of_the_code_or_address_is_kept_in_clear(client, drawn):
    made = ask(client)
    row = Verification.across_tenants.get(pk=made["id"])
    written = " ".join(str(value) for value in vars(row).values())
    assert drawn[0] not in written
    assert ADDRESS not in written
    content = MessageContent.objects.get(pk=made["email_id"])
    assert (content.payload, bool(content.sealed)) == (None, True)
    read = ok(client.get(f"/api/emails/{made['email_id']}"))
    assert (read["html"], read["text"]) == (None, None)
    assert drawn[0] not in str(read)


@pytest.mark.parametrize("digits", [4, 10])
def test_a_code_has_as_many_digits_as_were_asked_for(client, drawn, digits):
    ask(client, length=digits)
    assert re.fullmatch(rf"[0-9]{{{digits}}}", drawn[0])


def test_the_fifth_wrong_code_ends_it(client, drawn):
    made = ask(client)
    tries = [ok(check(client, made, wrong(drawn[0])))["status"] for _ in range(5)]
    assert tries == ["pending"] * 4 + ["failed"]
    assert ok(check(client, made, drawn[0]))["status"] == "failed"


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_whoever_guesses_side_by_side_has_five_tries_in_all(client, drawn):
    made = ask(client)
    start = threading.Barrier(8)

    def guess(_number: int) -> str:
        start.wait(10)
        try:
            return str(ok(check(client, made, wrong(drawn[0])))["status"])
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        told = Counter(pool.map(guess, range(8)))
    assert told["pending"] == 4
    assert Verification.across_tenants.get(pk=made["id"]).tries == 5
    assert ok(check(client, made, drawn[0]))["status"] == "failed"


def test_a_late_code_is_expired_and_its_mail_is_not_sent(client, drawn, work):
    made = ask(client, ttl_seconds=60)
    late = now() + timedelta(seconds=61)
    Verification.across_tenants.update(expires_at=now() - timedelta(seconds=1))
    assert ok(check(client, made, drawn[0]))["status"] == "expired"
    work.sweep(at=late)
    assert Message.across_tenants.get(pk=made["email_id"]).status == "expired"


def test_a_mail_that_ends_unsent_fails_it(client, drawn, work):
    made = ask(client, to="reject@simulator.mailgrid.test")
    work.everything()
    work.everything()
    assert Message.across_tenants.get(pk=made["email_id"]).status == "rejected"
    assert ok(check(client, made, drawn[0]))["status"] == "failed"


def test_a_new_one_cancels_the_one_that_is_pending(client, drawn):
    first, second = ask(client), ask(client)
    assert ok(check(client, first, drawn[0]))["status"] == "canceled"
    assert Message.across_tenants.get(pk=first["email_id"]).status == "canceled"
    assert ok(check(client, second, drawn[1]))["status"] == "approved"


def test_a_repeated_request_with_a_key_sends_one_code(client, drawn):
    body = {"to": ADDRESS}
    first = client.post(VERIFICATIONS, body, Idempotency_Key="login-1")
    again = client.post(VERIFICATIONS, body, Idempotency_Key="login-1")
    assert (again.content, again["Idempotent-Replayed"]) == (first.content, "true")
    assert Message.across_tenants.count() == 1


def test_a_code_is_not_sent_again_by_a_retry(client, drawn, work):
    """Nor does it lose its secrecy that way."""
    made = ask(client, to="fail@simulator.mailgrid.test")
    work.everything()
    again = client.post(f"/api/emails/{made['email_id']}/retry")
    assert (again.status_code, again.json()["name"]) == (409, "conflict")


def test_what_is_refused_uses_up_no_turn_of_the_address(client, api, globex, forget):
    """A tenant past its own limit cannot keep an address from the others."""
    Tenant.objects.filter(pk=globex.tenant.pk).update(limits={"verifications_per_hour": 1, "daily_quota": 1})
    forget()
    other = api(globex)
    ok(other.patch("/api/streams/transactional", {"default_from": globex.sender}))
    ask(other, to="first@example.com")
    for _ in range(6):
        assert other.post(VERIFICATIONS, {"to": ADDRESS}).status_code == 429
    for _ in range(5):
        ask(client)


# ---- Links ----------------------------------------------------------------------------------------------------------


def test_a_link_is_approved_by_its_button_and_not_by_a_look(client, drawn):
    made = ask(client, channel="link", redirect_url=f"{APP}/in?step=2&flag")
    person, link = Client(), f"/v/{drawn[0]}"
    for _ in range(3):  # scanners follow links
        page = person.get(link)
        assert (page.status_code, person.head(link).status_code) == (200, 200)
    assert (page["Cache-Control"], page["Referrer-Policy"], page.cookies) == ("no-store", "no-referrer", {})
    assert f"form-action 'self' {APP};" in page["Content-Security-Policy"]
    assert ok(check(client, made))["status"] == "pending"
    approved = person.post(link)
    target = urlsplit(approved["Location"])
    assert (approved.status_code, f"{target.scheme}://{target.netloc}{target.path}") == (303, f"{APP}/in")
    assert target.query == f"step=2&flag&verification={made['id']}"
    assert ok(check(client, made))["status"] == "approved"


def test_bad_used_expired_and_canceled_links_get_one_same_page(client, drawn):
    person = Client()
    for _ in range(3):
        ask(client, channel="link")
    canceled, also_canceled, used = drawn
    assert person.post(f"/v/{used}").status_code == 200
    ask(client, channel="link")
    Verification.across_tenants.filter(status="pending").update(expires_at=now())
    tokens = ["x", canceled, also_canceled, used, drawn[3]]
    pages = {
        (answer.status_code, answer.content)
        for token in tokens
        for answer in (person.get(f"/v/{token}"), person.post(f"/v/{token}"))
    }
    assert len(pages) == 1
    assert pages.pop()[0] == 404


def test_one_link_is_not_looked_at_without_end(client, drawn):
    ask(client, channel="link")
    person = Client()
    statuses = [person.get(f"/v/{drawn[0]}").status_code for _ in range(25)]
    assert statuses == [200] * 20 + [404] * 5


# ---- Bad input, limits, strangers -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "field", "code"),
    [
        ({}, "to", "missing_required_field"),
        ({"to": "nobody"}, "to", "invalid_email"),
        ({"to": ADDRESS, "length": 3}, "length", "out_of_range"),
        ({"to": ADDRESS, "ttl_seconds": 59}, "ttl_seconds", "out_of_range"),
        ({"to": ADDRESS, "channel": "call"}, "channel", "invalid_choice"),
        ({"to": ADDRESS, "code": "123456"}, "code", "unknown_field"),
        ({"to": ADDRESS, "redirect_url": APP}, "", "mutually_exclusive"),
        ({"to": ADDRESS, "channel": "link", "length": 6}, "", "mutually_exclusive"),
        ({"to": ADDRESS, "template": {"id": "nowhere"}}, "template.id", "not_found"),
    ],
)
def test_bad_requests_are_refused_and_send_nothing(client, body, field, code):
    answer = client.post(VERIFICATIONS, body)
    assert answer.status_code == 422, answer.content
    (error,) = answer.json()["errors"]
    assert (error["field"], error["code"]) == (field, code)
    assert (Message.across_tenants.count(), Verification.across_tenants.count()) == (0, 0)


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example.com/in",
        "https://app.example.com.evil.test/",
        "https://app.example.com@evil.test/",
        "http://app.example.com/",
        "https://app.example.com\\@evil.test/",
        "//app.example.com/",
        "https://app.example.com/a b",
        "https://app.example.com/\r\nSet-Cookie: a=b",
    ],
)
def test_people_are_led_only_where_the_tenant_allows(client, url):
    answer = client.post(VERIFICATIONS, {"to": ADDRESS, "channel": "link", "redirect_url": url})
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "forbidden_host")
    assert Message.across_tenants.count() == 0


def test_one_address_gets_five_an_hour_whoever_asks(client, api, globex):
    other = api(globex)
    ok(other.patch("/api/streams/transactional", {"default_from": globex.sender}))
    for asked in (client, other, client, other, client):
        ask(asked)
    for asked in (client, other):
        refused = asked.post(VERIFICATIONS, {"to": "ANN@example.com"})
        assert (refused.status_code, refused.json()["name"]) == (429, "rate_limit_exceeded")
        assert int(refused["Retry-After"]) >= 1
    ask(client, to="bob@example.com")
    assert Verification.across_tenants.count() == 6


def test_the_hour_is_counted_from_the_rows_where_a_bucket_was_lost(client, forget):
    for _ in range(5):
        ask(client)
    forget()
    assert client.post(VERIFICATIONS, {"to": ADDRESS}).status_code == 429
    Verification.across_tenants.update(created_at=now() - timedelta(minutes=61))
    forget()
    ask(client)


def test_the_operator_limits_a_tenant(client, acme, forget):
    Tenant.objects.filter(pk=acme.tenant.pk).update(limits={"verifications_per_hour": 2})
    forget()
    ask(client, to="a@example.com")
    ask(client, to="b@example.com")
    assert client.post(VERIFICATIONS, {"to": "c@example.com"}).status_code == 429


def test_a_stranger_sees_and_changes_nothing(client, api, globex, drawn):
    made = ask(client)
    answer = check(api(globex), made, drawn[0])
    assert (answer.status_code, answer.json()["name"]) == (404, "not_found")
    assert Verification.across_tenants.get(pk=made["id"]).tries == 0


def test_old_ones_are_forgotten(client):
    made = ask(client)
    assert retention.delete_old(now=now() + timedelta(days=29)) == 0
    assert retention.delete_old(now=now() + timedelta(days=31)) == 1
    assert check(client, made, "123456").status_code == 404
