"""An operator deals with mail and notifications that go on no more by themselves."""

import re
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from emails.dead_letters.models import Disposition
from emails.delivery import retry, services
from emails.delivery.ports import ErrorClass
from emails.delivery.retry import Schedule
from emails.events.models import Event, Notification
from emails.feedback import ingest
from emails.messages import content as contents
from emails.messages import retention
from emails.messages.models import Delivery, Message, Recipient
from emails.transports.models import SANDBOX_ID
from mailgrid.core.clock import now, to_wire
from tenants.audit.models import AuditEntry
from tenants.members.services import create_operator

UNKNOWN_ID = "01970000-0000-7000-8000-000000000000"
LETTERS = "/api/dead-letters"
# Threads see committed rows only; the flush behind such a test would take what migrations had made, too.
THREADS = pytest.mark.django_db(transaction=True, serialized_rollback=True)


def broken(*_args: Any) -> Any:
    raise ValueError("broken")


@pytest.fixture
def send(acme, api, mail) -> Callable[..., str]:
    """`send(subject="x")`: an accepted email; its id."""

    def one(key: Any = acme, **more: Any) -> str:
        answer = api(key).post("/api/emails", {**mail, **more})
        assert answer.status_code == 200, answer.content
        return answer.json()["id"]

    return one


@pytest.fixture
def quarantine(work, monkeypatch) -> Callable[[], None]:
    """Everything that is queued meets an error of our own three times."""

    def all_of_it() -> None:
        with monkeypatch.context() as patched:
            patched.setattr(contents, "read", broken)
            for round in range(3):
                work.sweep(at=now() + timedelta(hours=round))
                work.deliver()

    return all_of_it


@pytest.fixture
def exhaust(work, monkeypatch) -> Callable[[], None]:
    """Everything that is queued fails until there are no attempts left."""

    def all_of_it() -> None:
        with monkeypatch.context() as patched:
            patched.setitem(
                retry.SCHEDULES, ErrorClass.NETWORK, Schedule(delays=(1,), counts=True, attempts=2)
            )
            patched.setattr(services, "compose_batch", broken)
            for round in range(2):
                work.sweep(at=now() + timedelta(hours=round))
                work.deliver()

    return all_of_it


@pytest.fixture
def poison(work, monkeypatch) -> Callable[..., str]:
    """A notification that cannot be worked off, tried as often as it may; its id."""

    def one(transport_id: Any = SANDBOX_ID) -> str:
        row = Notification.objects.create(
            transport_id=transport_id, body="{}", state="pending", due_at=now(), received_at=now()
        )
        with monkeypatch.context() as patched:
            patched.setattr(ingest, "facts", broken)
            for _ in range(ingest.ATTEMPTS):
                Notification.objects.filter(pk=row.pk, state="pending").update(due_at=now())
                work.ingest()
        row.refresh_from_db()
        assert row.state == "exhausted"
        return str(row.pk)

    return one


def letters(client: Any, **filters: Any) -> list[dict[str, Any]]:
    answer = client.get(LETTERS, filters)
    assert answer.status_code == 200, answer.content
    assert answer.json()["object"] == "list"
    return answer.json()["data"]


def latest_audit(actor: Any) -> tuple[str, str, dict[str, Any]]:
    entry = AuditEntry.across_tenants.filter(tenant=actor.tenant).order_by("-seq")[0]
    return entry.action, entry.target_id, entry.changes


def test_a_quarantined_email_is_listed_redriven_once_and_sent(api, operator, acme, send, quarantine, work):
    email_id = send()
    quarantine()
    delivery = Delivery.across_tenants.get(message=email_id)
    attempts = list(delivery.journal.order_by("fence"))
    assert len(attempts) == 3
    assert letters(api(operator)) == [
        {
            "object": "dead_letter",
            "id": str(delivery.pk),
            "kind": "delivery",
            "reason": "quarantined",
            "tenant_id": str(acme.tenant.pk),
            "email_id": email_id,
            "attempts": 3,
            "error": "ValueError: The mail could not be composed.",
            "first_at": to_wire(attempts[0].at),
            "last_at": to_wire(attempts[2].at),
        }
    ]
    redrive = f"{LETTERS}/{delivery.pk}/redrive"
    answer = api(operator).post(redrive)
    assert (answer.status_code, answer.json()) == (
        200,
        {"object": "dead_letter", "id": str(delivery.pk), "redriven": True, "email_id": None},
    )
    assert latest_audit(acme) == ("message.redrive", email_id, {})
    delivery.refresh_from_db()
    assert (delivery.state, delivery.suspect) == ("queued", True)  # claimed alone: it may be poison
    assert letters(api(operator)) == []
    again = api(operator).post(redrive)
    assert (again.status_code, again.json()["name"]) == (409, "conflict")
    assert work.deliver()["sent"] == 1
    assert api(acme).get(f"/api/emails/{email_id}").json()["status"] == "sent"
    assert api(operator).delete(f"{LETTERS}/{delivery.pk}").status_code == 409


def test_a_quarantined_email_is_given_up(api, operator, acme, send, quarantine):
    email_id = send()
    quarantine()
    (letter,) = letters(api(operator))
    answer = api(operator).delete(f"{LETTERS}/{letter['id']}")
    assert (answer.status_code, answer.json()) == (
        200,
        {"object": "dead_letter", "id": letter["id"], "deleted": True},
    )
    recipient = Recipient.across_tenants.get(message=email_id)
    assert (recipient.status, recipient.reason) == ("failed", "given_up")
    assert latest_audit(acme) == ("message.give_up", email_id, {})
    event = Event.across_tenants.get(message=email_id, type="email.failed")
    assert event.data["failed"]["reason"] == "given_up"
    assert letters(api(operator)) == []
    for method, path in (("POST", f"{letter['id']}/redrive"), ("DELETE", letter["id"])):
        assert api(operator).send(method, f"{LETTERS}/{path}").status_code == 409


def test_an_exhausted_email_goes_out_as_a_new_one_once(api, operator, acme, send, exhaust, work):
    email_id = send(
        to=["ann@example.com", "bob@example.com"],
        attachments=[{"filename": "a.txt", "content": "aGVsbG8="}],
        tags=[{"name": "kind", "value": "x"}],
    )
    exhaust()
    (letter,) = letters(api(operator))
    assert (letter["reason"], letter["email_id"], letter["attempts"]) == ("exhausted", email_id, 2)
    assert letter["error"] == "ValueError: The mail could not be loaded."
    answer = api(operator).post(f"{LETTERS}/{letter['id']}/redrive")
    assert answer.status_code == 200, answer.content
    new_id = answer.json()["email_id"]
    assert answer.json() == {
        "object": "dead_letter",
        "id": letter["id"],
        "redriven": True,
        "email_id": new_id,
    }
    assert latest_audit(acme) == ("message.redrive", email_id, {"email_id": new_id})
    new = Message.across_tenants.get(pk=new_id)
    old = Message.across_tenants.get(pk=email_id)
    assert (new.retry_of, new.source, new.tenant_id, new.key_id) == (
        old.pk,
        "retry",
        old.tenant_id,
        old.key_id,
    )
    assert letters(api(operator)) == []

    assert work.deliver()["sent"] == 1
    sent, failed = (api(acme).get(f"/api/emails/{pk}").json() for pk in (new_id, email_id))
    assert [one["email"] for one in sent["recipients"]] == ["ann@example.com", "bob@example.com"]
    assert (sent["status"], sent["html"], sent["tags"]) == (
        "sent",
        "<p>Hello Ann</p>",
        [{"name": "kind", "value": "x"}],
    )
    assert failed["status"] == "failed"
    assert {one["reason"] for one in failed["recipients"]} == {"retries_exhausted"}

    for method, path in (("POST", f"{letter['id']}/redrive"), ("DELETE", letter["id"])):
        refused = api(operator).send(method, f"{LETTERS}/{path}")
        assert (refused.status_code, refused.json()["name"]) == (409, "conflict")
    assert Message.across_tenants.count() == 2


def test_test_mail_stays_test_mail(api, operator, acme, send, exhaust, work):
    email_id = send(acme.test_key)
    exhaust()
    (letter,) = letters(api(operator))
    new_id = api(operator).post(f"{LETTERS}/{letter['id']}/redrive").json()["email_id"]
    assert api(acme.test_key).get(f"/api/emails/{new_id}").json()["retry_of"] == email_id
    assert api(acme).get(f"/api/emails/{new_id}").status_code == 404


def test_an_exhausted_email_is_taken_off_the_list_and_stays_failed(api, operator, acme, send, exhaust):
    email_id = send()
    exhaust()
    (letter,) = letters(api(operator))
    answer = api(operator).delete(f"{LETTERS}/{letter['id']}")
    assert (answer.status_code, answer.json()["deleted"]) == (200, True)
    assert letters(api(operator)) == []
    assert latest_audit(acme) == ("message.dismiss", email_id, {})
    assert api(acme).get(f"/api/emails/{email_id}").json()["recipients"][0]["reason"] == "retries_exhausted"
    assert api(operator).post(f"{LETTERS}/{letter['id']}/redrive").status_code == 409
    assert Disposition.objects.get().verdict == "removed"


def test_what_lost_its_content_cannot_be_redriven_and_is_listed_still(api, operator, acme, send, exhaust):
    send()
    exhaust()
    retention.erase_contents(now=now() + timedelta(days=400))
    (letter,) = letters(api(operator))
    answer = api(operator).post(f"{LETTERS}/{letter['id']}/redrive")
    assert (answer.status_code, answer.json()["name"]) == (409, "conflict")
    assert answer.json()["message"] == "The content of this email is gone."
    assert Message.across_tenants.count() == 1
    assert len(letters(api(operator))) == 1


def test_what_may_not_be_sent_any_more_is_refused_as_a_send_is(api, operator, acme, send, exhaust):
    """And the dead letter stays: the operator may try again when the domain is back."""
    send(stream="notifications")
    exhaust()
    stream = api(acme).patch("/api/streams/notifications", {"enabled": False})
    assert stream.status_code == 200
    (letter,) = letters(api(operator))
    answer = api(operator).post(f"{LETTERS}/{letter['id']}/redrive")
    assert answer.status_code == 422
    assert [(item["field"], item["code"]) for item in answer.json()["errors"]] == [
        ("stream", "stream_disabled")
    ]
    api(acme).patch("/api/streams/notifications", {"enabled": True})
    assert api(operator).post(f"{LETTERS}/{letter['id']}/redrive").status_code == 200


def test_a_poison_notification_is_tried_ten_times_then_left_to_an_operator(
    api, operator, poison, work, monkeypatch
):
    row_id = poison()
    row = Notification.objects.get(pk=row_id)
    assert (row.attempts, work.ingest()) == (10, {})
    (letter,) = letters(api(operator))
    assert letter == {
        "object": "dead_letter",
        "id": row_id,
        "kind": "notification",
        "reason": "exhausted",
        "tenant_id": None,
        "email_id": None,
        "attempts": 10,
        "error": "ValueError: broken",
        "first_at": to_wire(row.received_at),
        "last_at": to_wire(row.due_at),
    }
    answer = api(operator).post(f"{LETTERS}/{row_id}/redrive")
    assert (answer.status_code, answer.json()) == (
        200,
        {"object": "dead_letter", "id": row_id, "redriven": True, "email_id": None},
    )
    assert latest_audit(operator) == ("notification.redrive", row_id, {})
    assert api(operator).post(f"{LETTERS}/{row_id}/redrive").status_code == 409
    assert work.ingest() == {"unreadable": 1}  # `{}` is no event, and nothing is broken any more
    assert letters(api(operator)) == []


def test_a_notification_of_a_tenants_own_account_stands_in_its_audit_trail_and_is_dismissed(
    api, operator, acme, poison, work
):
    own = api(acme).post("/api/transports", {"name": "box", "kind": "sandbox"}).json()["id"]
    row_id = poison(own)
    assert letters(api(operator), tenant_id=str(acme.tenant.pk))[0]["id"] == row_id
    answer = api(operator).delete(f"{LETTERS}/{row_id}")
    assert (answer.status_code, answer.json()) == (
        200,
        {"object": "dead_letter", "id": row_id, "deleted": True},
    )
    assert latest_audit(acme) == ("notification.dismiss", row_id, {})
    assert Notification.objects.get(pk=row_id).state == "ignored"
    assert work.ingest() == {}
    assert api(operator).delete(f"{LETTERS}/{row_id}").status_code == 409
    assert api(operator).post(f"{LETTERS}/{row_id}/redrive").status_code == 409


@pytest.fixture
def graveyard(send, quarantine, exhaust, poison, globex, mail) -> list[str]:
    """Five dead letters, oldest first: two quarantined, two exhausted, a notification; the second is globex's."""
    ids = [send(), send(globex, **{"from": globex.sender})]
    quarantine()
    ids += [send(), send()]
    exhaust()
    deliveries = {str(row.message_id): str(row.pk) for row in Delivery.across_tenants.all()}
    return [*(deliveries[email_id] for email_id in ids), poison()]


def test_the_list_is_filtered(api, operator, acme, globex, graveyard):
    one, theirs, three, four, note = graveyard

    def found(**filters: Any) -> list[str]:
        return [letter["id"] for letter in letters(api(operator), **filters)][::-1]

    assert found() == graveyard
    assert found(kind="delivery") == [one, theirs, three, four]
    assert found(kind="notification") == [note]
    assert found(kind="delivery,notification") == graveyard
    assert found(reason="quarantined") == [one, theirs]
    assert found(reason="exhausted") == [three, four, note]
    assert found(kind="notification", reason="quarantined") == []
    assert found(tenant_id=str(globex.tenant.pk)) == [theirs]
    assert found(tenant_id=UNKNOWN_ID) == []
    assert found(since="now") == []
    last = {letter["id"]: letter["last_at"] for letter in letters(api(operator))}
    assert found(since=last[three]) == [three, four, note]
    for wrong in (
        {"kind": "webhook"},
        {"reason": "old"},
        {"tenant_id": "x"},
        {"since": "soon"},
        {"limit": "0"},
        {"color": "red"},
    ):
        answer = api(operator).get(LETTERS, wrong)
        assert (answer.status_code, answer.json()["name"]) == (422, "invalid_parameter"), wrong


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 5, 6])
def test_the_list_is_paged_across_kinds_in_both_directions(api, operator, graveyard, limit):
    newest_first = graveyard[::-1]
    client = api(operator)

    def walk(direction: str, cursor: str | None) -> list[str]:
        seen: list[str] = []
        while True:
            more = {} if cursor is None else {direction: cursor}
            body = client.get(LETTERS, {"limit": limit, **more}).json()
            page = [letter["id"] for letter in body["data"]]
            seen = [*seen, *page] if direction == "after" else [*page, *seen]
            if not body["has_more"]:
                return seen
            assert len(page) == limit
            cursor = page[-1] if direction == "after" else page[0]

    assert walk("after", None) == newest_first
    assert walk("before", newest_first[-1]) == newest_first[:-1]


def test_the_list_makes_a_constant_number_of_queries(api, operator, send, quarantine, exhaust, poison):
    def counted() -> int:
        with CaptureQueriesContext(connection) as queries:
            letters(api(operator))
        return len(queries)

    def more(count: int) -> None:
        for make in (quarantine, exhaust):
            for _ in range(count):
                send()
            make()
        for _ in range(count):
            poison()

    more(1)
    counted()  # the key and its tenant are remembered from here on
    few = counted()
    more(3)
    assert len(letters(api(operator))) == 12
    assert counted() == few


def test_it_is_the_operators_alone(api, operator, acme, globex, send, quarantine):
    send()
    quarantine()
    (letter,) = letters(api(operator))
    before = AuditEntry.across_tenants.count()
    for actor in (acme, globex):
        for method, path in (
            ("GET", LETTERS),
            ("POST", f"{LETTERS}/{letter['id']}/redrive"),
            ("DELETE", f"{LETTERS}/{letter['id']}"),
        ):
            answer = api(actor).send(method, path)
            assert (answer.status_code, answer.json()["name"]) == (403, "restricted_api_key")
    for unknown in (UNKNOWN_ID, "x", letter["email_id"], letter["tenant_id"]):
        for method, path in (("POST", f"{unknown}/redrive"), ("DELETE", unknown)):
            answer = api(operator).send(method, f"{LETTERS}/{path}")
            assert (answer.status_code, answer.json()["name"]) == (404, "not_found"), (method, unknown)
    assert letters(api(operator)) == [letter]
    assert AuditEntry.across_tenants.count() == before


def test_mail_that_is_on_its_way_is_no_dead_letter(api, operator, send, work):
    waiting, gone = send(scheduled_at="in 1 hour"), send()
    work.deliver()
    assert letters(api(operator)) == []
    for email_id in (waiting, gone):
        delivery = Delivery.across_tenants.get(message=email_id)
        for method, path in (("POST", f"{delivery.pk}/redrive"), ("DELETE", str(delivery.pk))):
            answer = api(operator).send(method, f"{LETTERS}/{path}")
            assert (answer.status_code, answer.json()["message"]) == (409, "This is no dead letter any more.")
    assert sorted(Message.across_tenants.values_list("status", flat=True)) == ["scheduled", "sent"]


@THREADS
def test_two_operators_at_once_make_one_new_email(api, operator, send, exhaust):
    send()
    exhaust()
    (letter,) = letters(api(operator))
    start = threading.Barrier(4)

    def redrive(_number: int) -> int:
        client = api(operator)
        start.wait()
        try:
            return client.post(f"{LETTERS}/{letter['id']}/redrive").status_code
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as threads:
        answers = sorted(threads.map(redrive, range(4)))
    assert answers == [200, 409, 409, 409]
    assert Message.across_tenants.count() == 2


# ---- In the console -------------------------------------------------------------------------------------------------


@pytest.fixture
def console(db: None) -> Client:
    """Olga's browser."""
    client = Client()
    client.force_login(create_operator(username="olga", password="correct horse battery"))
    return client


MESSAGES = "/admin/emails/message/"


def rows(page: Any) -> list[str]:
    """The ids of the messages of a list, once each, as shown."""
    return list(
        dict.fromkeys(re.findall(r"/admin/emails/message/([0-9a-f-]{36})/change/", page.content.decode()))
    )


def test_the_console_lists_dead_letters_with_their_trouble(console, send, graveyard, work):
    fine = send()
    work.deliver()
    *deliveries, _note = graveyard
    emails = {str(row.pk): str(row.message_id) for row in Delivery.across_tenants.filter(pk__in=deliveries)}
    newest_first = [emails[pk] for pk in deliveries][::-1]
    front = console.get(reverse("admin:index")).content.decode()
    assert f'href="{MESSAGES}?dead_letter=any"' in front

    every = console.get(MESSAGES, {"dead_letter": "any"})
    assert every.status_code == 200
    assert rows(every) == newest_first
    text = every.content.decode()
    assert "ValueError: The mail could not be composed." in text
    assert "ValueError: The mail could not be loaded." in text
    assert "/admin/emails/notification/?state=exhausted" in text
    assert rows(console.get(MESSAGES, {"dead_letter": "quarantined"})) == newest_first[2:]
    assert rows(console.get(MESSAGES, {"dead_letter": "exhausted"})) == newest_first[:2]
    assert fine in rows(console.get(MESSAGES))
    assert "ValueError" not in console.get(MESSAGES).content.decode()


def test_the_console_redrives_and_gives_up(console, send, exhaust, quarantine, work):
    first, second = send(), send()
    exhaust()
    third = send()
    quarantine()
    verbs = [reverse(f"admin:emails_message_{verb}", args=[first]) for verb in ("redrive", "give_up")]
    page = console.get(f"{MESSAGES}{first}/change/").content.decode()
    assert all(verb in page for verb in verbs)
    answer = console.post(verbs[0])
    new = Message.across_tenants.get(retry_of=first)
    assert (answer.status_code, answer["Location"]) == (302, f"{MESSAGES}{new.pk}/change/")
    page = console.get(f"{MESSAGES}{first}/change/").content.decode()
    assert not any(verb in page for verb in verbs)
    console.post(reverse("admin:emails_message_give_up", args=[second]))
    console.post(reverse("admin:emails_message_redrive", args=[third]))
    work.deliver()
    statuses = {str(pk): status for pk, status in Message.across_tenants.values_list("pk", "status")}
    assert statuses == {first: "failed", second: "failed", third: "sent", str(new.pk): "sent"}
    assert rows(console.get(MESSAGES, {"dead_letter": "any"})) == []


def test_the_console_says_why_a_redrive_is_refused(console, send, exhaust):
    email_id = send()
    exhaust()
    retention.erase_contents(now=now() + timedelta(days=400))
    answer = console.post(reverse("admin:emails_message_redrive", args=[email_id]))
    assert answer.status_code == 200
    assert "The content of this email is gone." in answer.content.decode()


def test_the_console_acts_on_many(console, send, exhaust, quarantine, work):
    dead = [send(), send()]
    exhaust()
    dead.append(send())
    quarantine()
    fine = send(scheduled_at="in 1 hour")
    chosen = {"action": "redrive_chosen", "_selected_action": [*dead, fine]}
    told = console.post(f"{MESSAGES}?dead_letter=any", chosen, follow=True).content.decode()
    assert "3 of 3 were in a state for it." in told  # the list holds dead letters alone
    assert Message.across_tenants.filter(retry_of__in=dead).count() == 2
    work.deliver()
    assert Message.across_tenants.filter(status="sent").count() == 3

    last = [send(), send()]
    exhaust()
    told = console.post(MESSAGES, {"action": "give_up_chosen", "_selected_action": last}, follow=True)
    assert "2 of 2 were in a state for it." in told.content.decode()
    assert Disposition.objects.filter(verdict="removed").count() == 2


def test_the_console_deals_with_notifications(console, operator, poison, work):
    first, second, third, fourth = (poison() for _ in range(4))
    listed = console.get("/admin/emails/notification/", {"state": "exhausted"}).content.decode()
    assert all(row_id in listed for row_id in (first, second, third, fourth))
    redrive = reverse("admin:emails_notification_redrive", args=[first])
    assert redrive in console.get(f"/admin/emails/notification/{first}/change/").content.decode()
    console.post(redrive)
    assert redrive not in console.get(f"/admin/emails/notification/{first}/change/").content.decode()
    refused = console.post(redrive)
    assert "This is no dead letter any more." in refused.content.decode()
    console.post(reverse("admin:emails_notification_dismiss", args=[second]))
    for action, row_id in (("redrive_chosen", third), ("dismiss_chosen", fourth)):
        told = console.post(
            "/admin/emails/notification/",
            {"action": action, "_selected_action": [row_id, first]},
            follow=True,
        )
        assert "1 of 2 were exhausted." in told.content.decode()
    states = {str(pk): state for pk, state in Notification.objects.values_list("pk", "state")}
    assert states == {first: "pending", second: "ignored", third: "pending", fourth: "ignored"}
