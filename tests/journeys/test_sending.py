"""A developer sends mail in every way there is, changes their mind, and reads what became of it."""

import base64
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from operator import itemgetter
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import storages
from django.db import connection
from django.test.utils import CaptureQueriesContext

from emails.models import (
    Attempt,
    CapturedMail,
    Delivery,
    Event,
    Message,
    Notification,
    Recipient,
    Suppression,
)
from emails.transports.models import SANDBOX_ID
from mailgrid.core.bells import Priority
from mailgrid.core.clock import now, to_wire
from mailgrid.core.models import IdempotencyRecord

EMAILS = "/api/emails"


@pytest.fixture
def client(acme, api) -> Any:
    """acme's client."""
    return api(acme)


def send(client: Any, mail: dict[str, Any], path: str = EMAILS, **more: Any) -> dict[str, Any]:
    """The answer to an accepted send, with `more` in the mail."""
    answer = client.post(path, mail | more)
    assert answer.status_code == 200, answer.content
    return answer.json()


def read(client: Any, email_id: str) -> dict[str, Any]:
    answer = client.get(f"{EMAILS}/{email_id}")
    assert answer.status_code == 200, answer.content
    return answer.json()


def told(client: Any, email_id: str) -> list[str]:
    """The types of an email's events, oldest first, without `email.`."""
    data = client.get(f"{EMAILS}/{email_id}/events", {"limit": 100}).json()["data"]
    return [event["type"].removeprefix("email.") for event in data]


def statuses(client: Any, email_id: str) -> list[tuple[str, str, str | None]]:
    return [(one["email"], one["status"], one["reason"]) for one in read(client, email_id)["recipients"]]


def listed(client: Any, **query: Any) -> list[str]:
    """The ids a list answers."""
    answer = client.get(EMAILS, query)
    assert answer.status_code == 200, answer.content
    return [one["id"] for one in answer.json()["data"]]


def ok(answer: Any) -> dict[str, Any]:
    assert answer.status_code in {200, 201}, answer.content
    return answer.json()


# ---- Batches --------------------------------------------------------------------------------------------------------


def test_a_batch_answers_in_the_order_of_its_items(client, mail):
    subjects = [f"Number {n}" for n in range(120)]
    batch = ok(client.post(f"{EMAILS}/batch", [{**mail, "subject": subject} for subject in subjects]))
    assert set(batch) == {"data", "errors", "batch_id"}
    assert batch["errors"] == []
    assert [one["index"] for one in batch["data"]] == list(range(120))
    assert [Message.across_tenants.get(pk=one["id"]).subject for one in batch["data"]] == subjects
    ids = [one["id"] for one in batch["data"]]
    assert ids == sorted(ids)  # so that lists keep the order too
    assert listed(client, batch_id=batch["batch_id"], limit=100) == ids[:-101:-1]
    assert read(client, ids[0])["source"] == "batch"


def test_a_batch_goes_out_as_single_mails(client, mail, work):
    batch = ok(client.post(f"{EMAILS}/batch", [mail, {**mail, "scheduled_at": "in 1 hour"}, mail]))
    assert [one["status"] for one in batch["data"]] == ["queued", "scheduled", "queued"]
    work.everything()
    work.ingest()
    assert [read(client, one["id"])["status"] for one in batch["data"]] == [
        "delivered",
        "scheduled",
        "delivered",
    ]
    assert CapturedMail.across_tenants.count() == 2


# ---- Later, other times, never --------------------------------------------------------------------------------------


def test_a_scheduled_email_goes_out_at_its_time_and_not_before(client, mail, work):
    sent = send(client, mail, f"{EMAILS}/schedule", scheduled_at="in 1 hour")
    assert (sent["status"], sent["recipients"]) == (
        "scheduled",
        [{"email": "ann@example.com", "status": "scheduled"}],
    )
    due = datetime.fromisoformat(read(client, sent["id"])["scheduled_at"])
    work.sweep(due - timedelta(milliseconds=1))
    assert work.deliver() == {}
    work.sweep(due + timedelta(milliseconds=1))  # the wire cuts microseconds off
    assert read(client, sent["id"])["status"] == "queued"
    assert work.deliver() == {"claimed": 1, "sent": 1}
    work.ingest()
    assert told(client, sent["id"]) == ["scheduled", "sent", "delivered"]


def test_a_time_up_to_five_minutes_past_means_now(client, mail):
    past = to_wire(now() - timedelta(minutes=4))
    sent = send(client, mail, f"{EMAILS}/schedule", scheduled_at=past)
    assert sent["status"] == "queued"
    assert read(client, sent["id"])["scheduled_at"] is None


def test_rescheduling_moves_the_time_and_keeps_the_lifetime(client, mail, work):
    email_id = send(client, mail, scheduled_at="in 1 hour")["id"]
    before = read(client, email_id)
    assert ok(client.patch(f"{EMAILS}/{email_id}", {"scheduled_at": "in 3 hours"})) == {
        "object": "email",
        "id": email_id,
    }
    after = read(client, email_id)

    def lifetime(email: dict[str, Any]) -> timedelta:
        return datetime.fromisoformat(email["expires_at"]) - datetime.fromisoformat(email["scheduled_at"])

    assert lifetime(after) == lifetime(before) == timedelta(days=1)
    work.sweep(now() + timedelta(hours=2))
    assert read(client, email_id)["status"] == "scheduled"
    work.sweep(now() + timedelta(hours=4))
    assert read(client, email_id)["status"] == "queued"
    assert told(client, email_id) == ["scheduled", "scheduled"]


def test_a_new_end_alone_leaves_the_time(client, mail):
    email_id = send(client, mail, scheduled_at="in 1 hour")["id"]
    before = read(client, email_id)
    ok(client.patch(f"{EMAILS}/{email_id}", {"expires_at": "in 2 hours"}))
    after = read(client, email_id)
    assert after["scheduled_at"] == before["scheduled_at"]
    assert after["expires_at"] < before["expires_at"]


def test_now_sends_a_scheduled_email(client, mail, work):
    email_id = send(client, mail, scheduled_at="in 1 hour")["id"]
    ok(client.patch(f"{EMAILS}/{email_id}", {"scheduled_at": "now"}))
    assert read(client, email_id)["status"] == "queued"
    work.deliver()
    assert read(client, email_id)["status"] == "sent"


@pytest.mark.parametrize("verb", ["sent", "queued", "canceled", "held"])
def test_only_a_scheduled_email_can_be_rescheduled(client, mail, work, verb):
    email_id = send(client, mail)["id"]
    if verb == "sent":
        work.deliver()
    elif verb == "canceled":
        ok(client.post(f"{EMAILS}/{email_id}/cancel"))
    elif verb == "held":
        ok(client.post(f"{EMAILS}/bulk", {"action": "hold", "filter": {"stream": "transactional"}}))
    before = read(client, email_id)
    answer = client.patch(f"{EMAILS}/{email_id}", {"scheduled_at": "in 1 hour"})
    assert (answer.status_code, answer.json()["name"]) == (409, "conflict")
    assert read(client, email_id) == before
    assert before["status"] == verb


@pytest.mark.parametrize("more", [{}, {"scheduled_at": "in 1 hour"}], ids=["queued", "scheduled"])
def test_what_is_canceled_in_time_is_never_sent(client, mail, work, more):
    email_id = send(client, mail, **more)["id"]
    answer = ok(client.post(f"{EMAILS}/{email_id}/cancel"))
    assert answer == {"object": "email", "id": email_id, "status": "canceled"}
    work.sweep(now() + timedelta(days=2))
    assert work.deliver() == {}
    assert read(client, email_id)["last_event"] == "canceled"
    assert told(client, email_id)[-1] == "canceled"
    again = client.post(f"{EMAILS}/{email_id}/cancel")
    assert (again.status_code, again.json()["name"]) == (409, "conflict")
    assert Attempt.objects.count() == 0


def test_what_is_sent_cannot_be_canceled(client, mail, work):
    email_id = send(client, mail)["id"]
    work.deliver()
    answer = client.post(f"{EMAILS}/{email_id}/cancel")
    assert (answer.status_code, answer.json()["name"]) == (409, "conflict")
    assert read(client, email_id)["status"] == "sent"


def test_an_email_past_its_end_is_never_sent(client, mail, work):
    email_id = send(client, mail, expires_at="in 1 hour")["id"]
    work.sweep(now() + timedelta(hours=1, seconds=1))
    assert (read(client, email_id)["status"], read(client, email_id)["last_event"]) == ("expired", "failed")
    assert work.deliver() == {}
    assert told(client, email_id) == ["queued", "expired"]


def test_the_claim_looks_at_the_end_itself(client, mail, work):
    email_id = send(client, mail, expires_at="in 1 hour")["id"]
    Delivery.across_tenants.update(expires_at=now() - timedelta(seconds=1))
    assert work.deliver() == {"expired": 1}
    assert read(client, email_id)["status"] == "expired"
    assert Attempt.objects.count() == 0


@pytest.mark.parametrize(
    ("priority", "lifetime"),
    [
        ("immediate", timedelta(minutes=10)),
        (1, timedelta(days=1)),
        ("medium", timedelta(days=1)),
        (3, timedelta(days=3)),
    ],
)
def test_the_priority_decides_queue_and_lifetime(client, mail, work, priority, lifetime):
    email_id = send(client, mail, priority=priority)["id"]
    email = read(client, email_id)
    assert (
        datetime.fromisoformat(email["expires_at"]) - datetime.fromisoformat(email["created_at"]) == lifetime
    )
    own = Priority(email["priority"])
    assert own == priority or own.name.lower() == priority
    for other in set(Priority) - {own}:
        assert work.deliver(other) == {}
    assert work.deliver(own) == {"claimed": 1, "sent": 1}


# ---- What was not sent, again ---------------------------------------------------------------------------------------


def test_a_failed_email_is_sent_again_as_a_new_one(client, mail, work):
    full = {
        **mail,
        "to": ["fail@simulator.mailgrid.test", "Ann <ann@example.com>"],
        "cc": "bob@example.com",
        "reply_to": "help@acme.test",
        "headers": {"X-Order": "7"},
        "tags": [{"name": "kind", "value": "welcome"}],
        "metadata": {"order": 7},
        "attachments": [{"filename": "a.txt", "content": base64.b64encode(b"hello").decode()}],
        "priority": 2,
    }
    email_id = send(client, full)["id"]
    work.everything()
    first = read(client, email_id)
    assert (first["status"], first["last_event"]) == ("failed", "failed")
    assert {one["reason"] for one in first["recipients"]} == {"rejected"}
    assert told(client, email_id) == ["queued"] * 3 + ["failed"] * 3

    again = ok(client.post(f"{EMAILS}/{email_id}/retry"))
    assert again["retry_of"] == email_id
    second = read(client, again["id"])
    assert (second["retry_of"], second["source"], second["status"]) == (email_id, "retry", "queued")
    same = (
        "from",
        "to",
        "cc",
        "reply_to",
        "subject",
        "html",
        "text",
        "tags",
        "metadata",
        "priority",
        "stream",
    )
    assert {name: second[name] for name in same} == {name: first[name] for name in same}
    assert listed(client, source="retry") == [again["id"]]
    Recipient.across_tenants.filter(message_id=again["id"], address__startswith="fail").update(
        address="eve@example.com"
    )
    work.everything()
    captured = CapturedMail.across_tenants.get(message_id=again["id"])
    assert (captured.headers, captured.attachments) == (
        [["X-Order", "7"]],
        [{"filename": "a.txt", "content_type": "text/plain", "size": 5}],
    )
    assert read(client, email_id)["status"] == "failed"


def test_an_expired_email_may_be_sent_again(client, mail, work):
    email_id = send(client, mail, expires_at="in 1 hour")["id"]
    work.sweep(now() + timedelta(hours=2))
    again = ok(client.post(f"{EMAILS}/{email_id.upper()}/retry"))
    assert again["retry_of"] == email_id
    work.everything()
    assert read(client, again["id"])["status"] in {"sent", "delivered"}


@pytest.mark.parametrize("state", ["queued", "sent", "canceled", "suppressed"])
def test_there_is_nothing_to_retry(client, mail, work, state):
    to = "suppressed@simulator.mailgrid.test" if state == "suppressed" else "ann@example.com"
    email_id = send(client, mail, to=to)["id"]
    if state == "sent":
        work.deliver()
    if state == "canceled":
        client.post(f"{EMAILS}/{email_id}/cancel")
    answer = client.post(f"{EMAILS}/{email_id}/retry", Idempotency_Key="again")
    assert (answer.status_code, answer.json()["name"]) == (409, "conflict")
    assert (Message.across_tenants.count(), IdempotencyRecord.objects.count()) == (1, 0)


def test_without_its_content_an_email_is_not_sent_again(client, mail, work):
    attachment = {"filename": "a.txt", "content": base64.b64encode(b"only here").decode()}
    email_id = send(client, mail, to="fail@simulator.mailgrid.test", attachments=[attachment])["id"]
    work.deliver()
    for file in Path(storages["blobs"].location).rglob("*"):
        if file.is_file() and file.read_bytes() == b"only here":
            file.unlink()
    answer = client.post(f"{EMAILS}/{email_id}/retry")
    assert (answer.status_code, answer.json()["name"]) == (409, "conflict")


# ---- Tags, lists, pages ---------------------------------------------------------------------------------------------


def test_tags_and_metadata_come_back_as_they_were_given(client, mail):
    tags = [
        {"name": "kind", "value": "welcome"},
        {"name": "plain"},
        {"name": "empty", "value": ""},
        {"name": "7", "value": "8"},
    ]
    metadata = {
        "order": 7,
        "big": 2**53 + 1,
        "ratio": 0.5,
        "vip": True,
        "not": False,
        "none": None,
        "ü n": "ö",
        "": "",
    }
    email_id = send(client, mail, tags=tags, metadata=metadata)["id"]
    email = read(client, email_id)
    given = [{"value": None, **tag} for tag in tags]
    assert sorted(email["tags"], key=itemgetter("name")) == sorted(given, key=itemgetter("name"))
    assert email["metadata"] == metadata
    assert client.get(EMAILS).json()["data"][0]["metadata"] == metadata


@pytest.fixture
def variety(client, mail, work) -> dict[str, str]:
    """Emails that differ in one thing each, by what that is; in order of age."""
    ok(client.post("/api/streams", {"name": "receipts"}))
    made = {"plain": send(client, mail)["id"]}
    made["tagged"] = send(client, mail, tags=[{"name": "kind", "value": "welcome"}])["id"]
    made["otherwise tagged"] = send(client, mail, tags=[{"name": "kind", "value": "news"}])["id"]
    made["to bob"] = send(client, mail, to=["ann@example.com"], bcc=["Bob <bob@example.com>"])["id"]
    made["from other"] = send(client, mail, **{"from": "other@acme.test"})["id"]
    made["on receipts"] = send(client, mail, stream="receipts")["id"]
    work.deliver()
    Notification.objects.all().delete()  # these stay `sent`
    made["opened"] = send(client, mail, to="open@simulator.mailgrid.test")["id"]
    made["clicked"] = send(client, mail, to="click@simulator.mailgrid.test")["id"]
    made["bounced"] = send(client, mail, to="bounce@simulator.mailgrid.test")["id"]
    work.deliver()
    work.ingest()
    batch = ok(client.post(f"{EMAILS}/batch", [mail]))
    made["in a batch"] = batch["data"][0]["id"]
    made["batch_id"] = batch["batch_id"]
    made["scheduled"] = send(client, mail, scheduled_at="in 1 hour")["id"]
    made["retried"] = send(client, mail, to="fail@simulator.mailgrid.test", priority=0)["id"]
    work.deliver(Priority.IMMEDIATE)
    made["retry"] = ok(client.post(f"{EMAILS}/{made['retried']}/retry"))["id"]
    return made


SENT = ["on receipts", "from other", "to bob", "otherwise tagged", "tagged", "plain"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"status": "sent"}, SENT),
        ({"status": "sent,bounced"}, ["bounced", *SENT]),
        ({"status": ["scheduled", "bounced"]}, ["scheduled", "bounced"]),
        ({"status": "failed"}, ["retried"]),
        ({"last_event": "sent"}, SENT),
        ({"last_event": "opened"}, ["opened"]),
        ({"last_event": "clicked"}, ["clicked"]),
        ({"last_event": "delivered"}, []),
        ({"last_event": "opened,clicked,bounced"}, ["bounced", "clicked", "opened"]),
        ({"last_event": "failed"}, ["retried"]),
        ({"last_event": "queued"}, ["retry", "in a batch"]),
        ({"to": "bob@example.com"}, ["to bob"]),
        ({"to": "BOB@EXAMPLE.com"}, ["to bob"]),
        ({"from": "other@acme.test"}, ["from other"]),
        ({"from": "nobody@acme.test"}, []),
        ({"stream": "receipts"}, ["on receipts"]),
        ({"stream": "marketing"}, []),
        ({"tag": "kind"}, ["otherwise tagged", "tagged"]),
        ({"tag": "kind:welcome"}, ["tagged"]),
        ({"tag": "kind:"}, []),
        ({"source": "batch"}, ["in a batch"]),
        ({"source": "retry,batch"}, ["retry", "in a batch"]),
        ({"since": "in 1 minute"}, []),
        ({"until": "2020-01-01"}, []),
        (
            {"status": "sent", "tag": "kind", "to": "ann@example.com", "stream": "transactional"},
            ["otherwise tagged", "tagged"],
        ),
    ],
    ids=str,
)
def test_filters_of_the_list(client, variety, query, found):
    names = {email_id: name for name, email_id in variety.items()}
    assert [names[email_id] for email_id in listed(client, **query)] == found


def test_filters_by_batch_stream_id_and_time(client, variety):
    assert listed(client, batch_id=variety["batch_id"]) == [variety["in a batch"]]
    stream_id = client.get("/api/streams/receipts").json()["id"]
    assert listed(client, stream=stream_id) == [variety["on receipts"]]
    created = read(client, variety["bounced"])["created_at"]
    everything = listed(client)
    since, until = listed(client, since=created), listed(client, until=created)
    assert since + until == everything
    assert since[-1] in {variety["bounced"], variety["clicked"]}  # `since` is inclusive, to the millisecond
    assert listed(client, **{"from": "cast@acme.test"}) == [
        one for one in everything if one != variety["from other"]
    ]


def test_pages_in_both_directions_show_every_email_once(client, mail):
    batch = ok(client.post(f"{EMAILS}/batch", [mail] * 25))
    newest_first = [one["id"] for one in batch["data"]][::-1]

    def page(**query: Any) -> tuple[list[str], bool]:
        body = ok(client.get(EMAILS, query))
        assert body["object"] == "list"
        return [one["id"] for one in body["data"]], body["has_more"]

    assert page() == (newest_first[:20], True)
    assert page(limit=25) == (newest_first, False)
    forward, more = page(limit=10)
    while more:
        some, more = page(limit=10, after=forward[-1])
        forward += some
    assert forward == newest_first
    backward, more = page(limit=10, before=newest_first[-1])
    while more:
        some, more = page(limit=10, before=backward[0])
        backward = some + backward
    assert backward == newest_first[:-1]
    assert page(after=newest_first[-1]) == ([], False)
    assert page(before=newest_first[0]) == ([], False)
    assert page(after=newest_first[9], limit=5) == (newest_first[10:15], True)
    Message.across_tenants.filter(pk=newest_first[9]).delete()  # a place stays a place
    assert page(after=newest_first[9], limit=5) == (newest_first[10:15], True)


def test_a_list_costs_the_same_number_of_queries_however_long(client, mail, django_assert_num_queries):
    client.get(EMAILS)
    send(client, mail)
    with CaptureQueriesContext(connection) as one:
        assert len(listed(client)) == 1
    queries = len(one)
    ok(client.post(f"{EMAILS}/batch", [mail] * 30))
    with django_assert_num_queries(queries):
        assert len(listed(client, limit=100)) == 31


# ---- Preflight ------------------------------------------------------------------------------------------------------


def test_a_preflight_says_what_would_happen_and_does_nothing(client, mail):
    client.post("/api/suppressions", {"email": "bob@example.com"})
    attachment = {"filename": "a.txt", "content": "aGVsbG8gd29ybGQgb25seSBoZXJl"}
    body = ok(
        client.post(
            f"{EMAILS}/preflight",
            {**mail, "to": ["ann@example.com", "bob@example.com"], "attachments": [attachment]},
            Idempotency_Key="k",
        )
    )
    assert (body["object"], body["ok"], body["errors"]) == ("preflight", True, [])
    assert body["size"] > 0
    assert body["rendered"] == {"subject": "Hello", "html": "<p>Hello Ann</p>", "text": "Hello Ann"}
    assert body["recipients"] == [
        {"email": "ann@example.com", "status": "queued"},
        {"email": "bob@example.com", "status": "suppressed", "reason": "manual"},
    ]
    for model in (Message, Delivery, Recipient, Event):
        assert model.across_tenants.count() == 0
    assert IdempotencyRecord.objects.count() == 0
    assert not [
        file
        for file in Path(storages["blobs"].location).rglob("*")
        if file.is_file() and b"only here" in file.read_bytes()
    ]


@pytest.mark.parametrize(
    ("part", "field", "code"),
    [
        ({"to": "bad"}, "to[0]", "invalid_email"),
        ({"subject": 5}, "subject", "invalid_type"),
        ({"tenant_id": "x"}, "tenant_id", "unknown_field"),
        ({"stream": "gone"}, "stream", "not_found"),
        ({"from": "bad"}, "from", "invalid_email"),
        ({"from": "a@globex.test"}, "", "invalid_from_address"),
        ({"attachments": [{"filename": "x.exe", "content": ""}]}, "attachments[0]", "invalid_attachment"),
        ({"scheduled_at": "2020-01-01"}, "scheduled_at", "out_of_range"),
    ],
    ids=str,
)
def test_a_preflight_answers_200_also_when_the_mail_would_be_refused(client, mail, part, field, code):
    body = ok(client.post(f"{EMAILS}/preflight", {**mail, **part}))
    assert body["ok"] is False
    assert (field, code) in {(error["field"], error["code"]) for error in body["errors"]}
    assert client.post(EMAILS, {**mail, **part}).status_code in {403, 422}


# ---- Many at once ---------------------------------------------------------------------------------------------------


def bulk(client: Any, action: str, **chosen: Any) -> int:
    body = ok(client.post(f"{EMAILS}/bulk", {"action": action, "filter": chosen}))
    assert (body["object"], body["action"]) == ("bulk_action", action)
    return body["matched"]


def test_hold_release_and_cancel_many(client, mail, work):
    tagged = {"tags": [{"name": "campaign", "value": "1"}]}
    mine = [send(client, mail, **tagged)["id"] for _ in range(3)]
    other = send(client, mail, tags=[{"name": "campaign", "value": "2"}])["id"]
    assert bulk(client, "hold", tag="campaign:1") == 3
    assert work.deliver() == {"claimed": 1, "sent": 1}
    assert read(client, other)["status"] == "sent"
    for email_id in mine:
        assert statuses(client, email_id) == [("ann@example.com", "held", "manual")]
        assert told(client, email_id) == ["queued", "held"]
    work.sweep()
    assert work.deliver() == {}  # nobody but a person ends this
    assert bulk(client, "release", tag="campaign:1") == 3
    assert read(client, mine[0])["status"] == "queued"
    assert bulk(client, "cancel", tag="campaign") == 3
    assert {read(client, email_id)["status"] for email_id in mine} == {"canceled"}
    assert bulk(client, "cancel", tag="campaign") == 0
    assert work.deliver() == {}


def test_many_are_chosen_by_batch_stream_and_time(client, mail):
    batch = ok(client.post(f"{EMAILS}/batch", [mail] * 3))
    alone = send(client, mail)["id"]
    assert bulk(client, "hold", batch_id=batch["batch_id"]) == 3
    assert read(client, alone)["status"] == "queued"
    assert bulk(client, "release", batch_id=batch["batch_id"], stream="marketing") == 0
    assert bulk(client, "cancel", since="in 1 minute") == 0
    assert bulk(client, "cancel", until="in 1 minute", stream="transactional") == 4


def test_a_released_email_still_waits_for_its_time(client, mail, work):
    email_id = send(client, mail, scheduled_at="in 1 hour")["id"]
    bulk(client, "hold", stream="transactional")
    bulk(client, "release", stream="transactional")
    assert read(client, email_id)["status"] == "scheduled"
    work.everything()
    assert read(client, email_id)["status"] == "scheduled"
    work.sweep(now() + timedelta(hours=1))
    work.deliver()
    assert read(client, email_id)["status"] == "sent"


def test_released_after_its_time_an_email_goes_at_once(client, mail, work):
    email_id = send(client, mail, scheduled_at="in 1 hour")["id"]
    bulk(client, "hold", stream="transactional")
    past = now() - timedelta(minutes=1)
    Message.across_tenants.update(scheduled_at=past)
    Delivery.across_tenants.update(due_at=past)
    bulk(client, "release", stream="transactional")
    work.deliver()
    assert read(client, email_id)["status"] == "sent"


def test_another_tenants_mail_is_never_chosen(client, globex, api, mail):
    theirs = send(api(globex), {**mail, "from": globex.sender})["id"]
    assert bulk(client, "cancel", stream="transactional") == 0
    assert bulk(client, "cancel", until="in 1 minute") == 0
    assert read(api(globex), theirs)["status"] == "queued"


# ---- Pauses ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pause", "resume", "reason"),
    [
        ("/api/streams/transactional/pause", "/api/streams/transactional/resume", "stream_paused"),
        ("/api/tenant/pause", "/api/tenant/resume", "tenant_paused"),
    ],
    ids=["stream", "tenant"],
)
def test_what_is_paused_accepts_and_holds_and_then_lets_go(client, mail, work, pause, resume, reason):
    waiting = send(client, mail)["id"]
    later = send(client, mail, scheduled_at="in 1 hour")
    ok(client.post(pause))
    held = send(client, mail)
    assert (held["status"], held["recipients"][0]["status"]) == ("queued", "held")
    assert held["recipients"][0]["reason"] == reason
    assert send(client, mail, scheduled_at="in 1 hour")["status"] == "scheduled"
    assert work.deliver() == {"held": 1}
    for email_id in (waiting, held["id"]):
        assert statuses(client, email_id) == [("ann@example.com", "held", reason)]
        assert told(client, email_id)[-1] == "held"
    work.sweep()
    assert (work.deliver(), Attempt.objects.count()) == ({}, 0)

    ok(client.post(resume))
    work.sweep()
    assert work.deliver() == {"claimed": 2, "sent": 2}
    assert read(client, later["id"])["status"] == "scheduled"


def test_what_falls_due_during_a_pause_is_held(client, mail, work):
    email_id = send(client, mail, scheduled_at="in 1 hour")["id"]
    ok(client.post("/api/tenant/pause"))
    work.sweep(now() + timedelta(hours=1))
    assert work.deliver() == {"held": 1}
    assert statuses(client, email_id) == [("ann@example.com", "held", "tenant_paused")]


def test_a_tenant_that_was_paused_from_the_start_sends_nothing(api, initech, mail, work):
    client = api(initech)
    email_id = send(client, {**mail, "from": initech.sender})["id"]
    work.everything()
    assert read(client, email_id)["status"] == "held"
    ok(client.post(f"{EMAILS}/{email_id}/cancel"))
    assert read(client, email_id)["status"] == "canceled"


def test_held_mail_expires(client, mail, work):
    ok(client.post("/api/tenant/pause"))
    email_id = send(client, mail, expires_at="in 1 hour")["id"]
    work.sweep(now() + timedelta(hours=2))
    assert read(client, email_id)["status"] == "expired"


def test_a_disabled_stream_refuses(client, mail):
    ok(client.patch("/api/streams/marketing", {"enabled": False}))
    answer = client.post(EMAILS, {**mail, "stream": "marketing"})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["code"] == "stream_disabled"
    assert Message.across_tenants.count() == 0


# ---- Suppressions ---------------------------------------------------------------------------------------------------


def suppress(client: Any, email: str) -> None:
    assert client.post("/api/suppressions", {"email": email}).status_code == 201


def test_a_suppressed_address_is_left_out_at_once(client, mail, work):
    suppress(client, "ANN@example.com")
    sent = send(client, mail)
    assert sent["status"] == "suppressed"
    assert sent["recipients"] == [{"email": "ann@example.com", "status": "suppressed", "reason": "manual"}]
    work.everything()
    assert (read(client, sent["id"])["status"], told(client, sent["id"])) == ("suppressed", ["suppressed"])
    assert (Attempt.objects.count(), CapturedMail.across_tenants.count()) == (0, 0)


def test_an_address_suppressed_after_acceptance_is_not_sent_to(client, mail, work):
    email_id = send(client, mail)["id"]
    suppress(client, "ann@example.com")
    assert work.deliver() == {"suppressed": 1}
    assert statuses(client, email_id) == [("ann@example.com", "suppressed", "manual")]
    events = client.get(f"{EMAILS}/{email_id}/events").json()["data"]
    assert [event["type"] for event in events] == ["email.queued", "email.suppressed"]
    assert events[1]["data"]["suppressed"]["reason"] == "manual"
    assert Attempt.objects.count() == 0


def test_the_others_still_get_the_mail(client, mail, work):
    suppress(client, "bob@example.com")
    sent = send(
        client, mail, to=["ann@example.com", "bob@example.com"], cc="eve@example.com", bcc="dan@example.com"
    )
    assert sent["status"] == "queued"
    suppress(client, "dan@example.com")
    assert work.deliver() == {"claimed": 1, "sent": 1}
    work.ingest()
    assert statuses(client, sent["id"]) == [
        ("ann@example.com", "delivered", None),
        ("bob@example.com", "suppressed", "manual"),
        ("eve@example.com", "delivered", None),
        ("dan@example.com", "suppressed", "manual"),
    ]
    assert CapturedMail.across_tenants.get().recipients == ["ann@example.com", "eve@example.com"]
    assert sorted(told(client, sent["id"])) == sorted(
        ["queued"] * 3 + ["suppressed"] * 2 + ["sent"] * 2 + ["delivered"] * 2
    )
    assert read(client, sent["id"])["status"] == "delivered"


def test_when_all_are_suppressed_each_keeps_its_own_reason(client, acme, mail, work):
    email_id = send(client, mail, to=["ann@example.com", "bob@example.com"])["id"]
    suppress(client, "ann@example.com")
    Suppression.across_tenants.create(tenant=acme.tenant, address="bob@example.com", origin="complaint")
    assert work.deliver() == {"suppressed": 1}
    assert statuses(client, email_id) == [
        ("ann@example.com", "suppressed", "manual"),
        ("bob@example.com", "suppressed", "previous_complaint"),
    ]
    reasons = [
        event["data"]["suppressed"]["reason"]
        for event in client.get(f"{EMAILS}/{email_id}/events").json()["data"]
        if event["type"] == "email.suppressed"
    ]
    assert sorted(reasons) == ["manual", "previous_complaint"]
    assert read(client, email_id)["status"] == "suppressed"
    assert Delivery.across_tenants.get().state == "suppressed"


# ---- The simulator --------------------------------------------------------------------------------------------------

OUTCOMES = {
    "success@simulator.mailgrid.test": ("delivered", "delivered", None, None),
    "anything@simulator.mailgrid.test": ("delivered", "delivered", None, None),
    "ann@example.com": ("delivered", "delivered", None, None),
    "bounce@simulator.mailgrid.test": ("bounced", "bounced", None, "permanent"),
    "bounce+label@simulator.mailgrid.test": ("bounced", "bounced", None, "permanent"),
    "BOUNCE@Simulator.Mailgrid.test": ("bounced", "bounced", None, "permanent"),
    "softbounce@simulator.mailgrid.test": ("bounced", "bounced", None, "transient"),
    "complaint@simulator.mailgrid.test": ("complained", "complained", None, None),
    "delay@simulator.mailgrid.test": ("delivery_delayed", "delivery_delayed", None, None),
    "reject@simulator.mailgrid.test": ("rejected", "failed", "virus", None),
    "fail@simulator.mailgrid.test": ("failed", "failed", "rejected", None),
    "suppressed@simulator.mailgrid.test": ("suppressed", "suppressed", "previous_bounce", None),
    "open@simulator.mailgrid.test": ("delivered", "opened", None, None),
    "click@simulator.mailgrid.test": ("delivered", "clicked", None, None),
    "delivered@resend.dev": ("delivered", "delivered", None, None),
    "bounced@resend.dev": ("bounced", "bounced", None, "permanent"),
    "complained@resend.dev": ("complained", "complained", None, None),
    "suppressed@resend.dev": ("suppressed", "suppressed", "previous_bounce", None),
    "bounced+x@resend.dev": ("bounced", "bounced", None, "permanent"),
}


@pytest.mark.parametrize("test_mode", [False, True], ids=["live", "test"])
def test_every_address_of_the_simulator_has_its_outcome(acme, api, mail, work, test_mode):
    client = api(acme.test_key if test_mode else acme.key)
    ids = {address: send(client, mail, to=address)["id"] for address in OUTCOMES}
    work.everything()
    for address, (status, last_event, reason, bounce_type) in OUTCOMES.items():
        email = read(client, ids[address])
        recipient = email["recipients"][0]
        assert (email["status"], email["last_event"]) == (status, last_event), address
        assert (recipient["status"], recipient["reason"], recipient["bounce_type"]) == (
            status,
            reason,
            bounce_type,
        )
        assert email["test"] is test_mode
    bounced = Suppression.across_tenants.values_list("address", flat=True)
    expected = (
        set() if test_mode else {a.lower() for a in OUTCOMES if "bounce" in a.lower() and "soft" not in a}
    )
    expected |= set() if test_mode else {"complaint@simulator.mailgrid.test", "complained@resend.dev"}
    assert set(bounced) == expected


def test_mail_to_many_addresses_of_the_simulator(client, mail, work):
    to = [
        "success@simulator.mailgrid.test",
        "bounce@simulator.mailgrid.test",
        "delay@simulator.mailgrid.test",
    ]
    email_id = send(client, mail, to=to)["id"]
    work.everything()
    assert [status for _, status, _ in statuses(client, email_id)] == [
        "delivered",
        "bounced",
        "delivery_delayed",
    ]
    assert read(client, email_id)["status"] == "bounced"


# ---- What a provider tells, known or not (S16) ----------------------------------------------------------------------


@pytest.fixture
def tell(client, mail, work) -> Any:
    """`tell({...})`: has SES's word for an email of ours changed so, and its result once worked off."""
    email_id = send(client, mail)["id"]
    work.deliver()
    told = Notification.objects.get()
    event = json.loads(told.body)
    Notification.objects.all().delete()

    def change(changes: dict[str, Any] | str) -> tuple[str, str]:
        body = changes if isinstance(changes, str) else json.dumps(event | changes)
        row = Notification.objects.create(
            transport_id=SANDBOX_ID, body=body, state="pending", due_at=now(), received_at=now()
        )
        work.ingest()
        row.refresh_from_db()
        return row.state, read(client, email_id)["status"]

    change.event = event  # type: ignore[attr-defined]
    return change


def test_news_of_a_kind_or_with_fields_that_nobody_knows_is_stored_and_ignored(tell):
    assert tell({"eventType": "Telepathy"}) == ("applied", "sent")
    assert tell(
        {"eventType": "Delivery", "newField": {"a": [1]}, "delivery": {**tell.event["delivery"], "x": None}}
    ) == (
        "applied",
        "delivered",
    )


@pytest.mark.parametrize(
    "body",
    [
        "",
        "nope",
        "[]",
        "5",
        "null",
        '"x"',
        "{}",
        '{"eventType": 5}',
        '{"eventType": "Delivery"}',
        "{" * 5_000,
        '{"eventType": "Bounce", "mail": {}, "bounce": {}}',
        '{"eventType": "Delivery", "mail": []}',
    ],
)
def test_what_cannot_be_read_is_kept_and_does_no_harm(tell, body):
    assert tell(body) == ("unreadable", "sent")


STRANGE_TAGS = [
    {},
    {"mg_d": []},
    {"mg_d": ["x"]},
    {"mg_d": ["01970000-0000-7000-8000-000000000000"]},
    {"mg_f": ["999999999999"]},
    {"mg_t": ["0" * 32]},
    5,
]


@pytest.mark.parametrize("tags", STRANGE_TAGS, ids=str)
def test_news_without_our_tag_or_with_a_strange_one_moves_nothing_it_should_not(tell, tags):
    email = tell.event["mail"]
    marked = tags if not isinstance(tags, dict) or not tags else {**email["tags"], **tags}
    state, status = tell({"mail": {**email, "tags": marked, "messageId": "somebody else's"}})
    assert state in {"applied", "unreadable"}
    assert status == ("delivered" if tags == {"mg_f": ["999999999999"]} else "sent")


def test_news_without_a_tag_is_matched_by_the_providers_id(tell):
    email = {name: value for name, value in tell.event["mail"].items() if name != "tags"}
    assert tell({"mail": email}) == ("applied", "delivered")


def test_news_of_two_hundred_recipients_touches_the_one_that_is_ours(tell):
    everybody = [f"a{n}@example.com" for n in range(199)] + ["ANN@Example.com"]
    assert tell({"delivery": {**tell.event["delivery"], "recipients": everybody}}) == ("applied", "delivered")
    assert Event.across_tenants.filter(type="email.delivered").count() == 1


# ---- Modes and secrets ----------------------------------------------------------------------------------------------


def test_what_a_test_key_sends_is_invisible_to_live_keys_and_the_other_way_round(acme, api, mail, work):
    live, test = api(acme.key), api(acme.test_key)
    ids = {live: send(live, mail)["id"], test: send(test, mail)["id"]}
    work.everything()
    for client, other in ((live, test), (test, live)):
        foreign = ids[other]
        assert listed(client) == [ids[client]]
        for call in ("GET", "PATCH", "POST /cancel", "POST /retry", "GET /events", "GET /timeline"):
            method, _, verb = call.partition(" ")
            body = {"scheduled_at": "now"} if method == "PATCH" else None
            assert client.send(method, f"{EMAILS}/{foreign}{verb}", body).status_code == 404
        assert {event["data"]["email_id"] for event in client.get("/api/events").json()["data"]} == {
            ids[client]
        }
        assert bulk(client, "cancel", until="in 1 minute") == 0
    assert CapturedMail.across_tenants.filter(test=True).count() == 1


SECRETS = ("Tulip", "Begonia", "Crocus", "Dahlia", "Foxglove", "Hyazinth")


def database_text() -> str:
    """Every value of every row, as text: also bytes."""
    with connection.cursor() as cursor:
        everything = []
        for table in connection.introspection.table_names():
            cursor.execute(f'SELECT * FROM "{table}"')
            everything += [value for row in cursor.fetchall() for value in row]
    return "\n".join(
        value.decode("latin-1") if isinstance(value, bytes | memoryview) else str(value)
        for value in everything
    )


@pytest.mark.parametrize("large", [False, True], ids=["small", "large"])
@pytest.mark.parametrize("to", ["ann@example.com", "fail@simulator.mailgrid.test"])
def test_sensitive_content_rests_encrypted_and_is_never_shown(client, mail, work, large, to, capfd):
    assert client.post("/api/streams", {"name": "secret", "sensitive": True}).status_code == 201
    subject, html, text, header, file_name, file = SECRETS
    filling = "x" * 300_000 if large else ""
    email_id = send(
        client,
        mail,
        to=to,
        stream="secret",
        subject=f"{subject} subject",
        html=f"<p>{html}{filling}</p>",
        text=f"{text}",
        headers={f"X-{header}": header},
        attachments=[{"filename": f"{file_name}.txt", "content": base64.b64encode(file.encode() * 50).decode()}],
    )["id"]  # fmt: skip

    def assert_hidden() -> None:
        stored = database_text()
        blobs = b"".join(
            file.read_bytes() for file in Path(storages["blobs"].location).rglob("*") if file.is_file()
        )
        own = f"{EMAILS}/{email_id}"
        paths = (EMAILS, own, f"{own}/events", f"{own}/timeline", "/api/events")
        shown = [client.get(path).content.decode() for path in paths]
        for secret in (subject, html, text, header, file_name, file):
            assert secret not in stored
            assert secret.encode() not in blobs
            assert not any(secret in body for body in shown)

    assert_hidden()
    work.everything()
    assert_hidden()
    email = read(client, email_id)
    assert (email["html"], email["text"]) == (None, None)
    assert email["status"] == ("delivered" if to == "ann@example.com" else "failed")
    logged = capfd.readouterr()
    assert not any(secret in logged.out + logged.err for secret in SECRETS)
    if email["status"] == "failed":
        assert client.post(f"{EMAILS}/{email_id}/retry").status_code == 200
        assert_hidden()


# ---- Once -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [EMAILS, f"{EMAILS}/schedule", f"{EMAILS}/batch"])
def test_a_repeated_request_gets_the_first_answer_byte_for_byte(client, mail, work, path):
    mail = {**mail, "scheduled_at": "in 1 hour"} if path.endswith("schedule") else mail
    body = [mail, mail] if path.endswith("batch") else mail
    first = client.post(path, body, Idempotency_Key="order 7")
    assert first.status_code == 200
    assert "Idempotent-Replayed" not in first
    work.everything()
    shuffled = json.dumps(body, indent=3, sort_keys=True).encode()
    for again in (body, shuffled):
        second = client.post(path, again, Idempotency_Key="order 7")
        assert (second.status_code, second.content) == (200, first.content)
        assert second["Idempotent-Replayed"] == "true"
        assert second["Content-Type"] == "application/json"
        assert "RateLimit-Limit" in second
    assert Message.across_tenants.count() == (2 if path.endswith("batch") else 1)


def test_a_repeated_retry_sends_once(client, mail, work):
    email_id = send(client, mail, to="fail@simulator.mailgrid.test")["id"]
    work.deliver()
    first = client.post(f"{EMAILS}/{email_id}/retry", Idempotency_Key="k")
    second = client.post(f"{EMAILS}/{email_id.upper()}/retry", {}, Idempotency_Key="k")
    assert (second.content, second["Idempotent-Replayed"]) == (first.content, "true")
    assert Message.across_tenants.count() == 2


def test_a_key_belongs_to_a_tenant_a_mode_and_a_route(client, acme, globex, api, mail):
    send_once = [
        (client, EMAILS, mail),
        (client, f"{EMAILS}/schedule", {**mail, "scheduled_at": "in 1 hour"}),
        (client, f"{EMAILS}/batch", [mail]),
        (api(acme.test_key), EMAILS, mail),
        (api(globex), EMAILS, {**mail, "from": globex.sender}),
    ]
    for who, path, body in send_once:
        answer = who.post(path, body, Idempotency_Key="k")
        assert (answer.status_code, "Idempotent-Replayed" in answer) == (200, False), answer.content
    assert Message.across_tenants.count() == 5


def test_a_key_is_forgotten_after_its_time(client, mail):
    client.post(EMAILS, mail, Idempotency_Key="k")
    kept = IdempotencyRecord.objects.get()
    assert kept.expires_at - kept.created_at == timedelta(days=7)
    IdempotencyRecord.objects.update(expires_at=now() - timedelta(seconds=1))
    assert "Idempotent-Replayed" not in client.post(EMAILS, {**mail, "subject": "Other"}, Idempotency_Key="k")
    assert Message.across_tenants.count() == 2


def test_identical_mail_is_sent_once_where_the_tenant_wants_that(client, mail):
    send(client, mail), send(client, mail)
    assert Message.across_tenants.count() == 2
    ok(client.patch("/api/tenant", {"settings": {"dedupe_identical": True}}))
    first = client.post(EMAILS, mail)
    second = client.post(EMAILS, dict(reversed(mail.items())))
    assert (second.content, second["Idempotent-Replayed"]) == (first.content, "true")
    assert "Idempotent-Replayed" not in client.post(EMAILS, {**mail, "subject": "Other"})
    batch = client.post(f"{EMAILS}/batch", [mail])
    assert client.post(f"{EMAILS}/batch", [mail]).content == batch.content
    assert Message.across_tenants.count() == 5
    kept = {record.expires_at - record.created_at for record in IdempotencyRecord.objects.all()}
    assert kept == {timedelta(hours=24)}
    client.post(EMAILS, mail, Idempotency_Key="a key of their own")
    own = IdempotencyRecord.objects.get(key="a key of their own")
    assert own.expires_at - own.created_at == timedelta(days=7)


# Threads see committed rows only; the flush behind such a test would take what migrations had made, too.
THREADS = pytest.mark.django_db(transaction=True, serialized_rollback=True)


@THREADS
@pytest.mark.parametrize("path", [EMAILS, f"{EMAILS}/batch"])
def test_of_eight_at_the_same_time_one_is_accepted(acme, api, mail, path):
    body = [mail] if path.endswith("batch") else mail
    start = threading.Barrier(8)

    def call(_: int) -> Any:
        client = api(acme)
        start.wait()
        try:
            return client.post(path, body, Idempotency_Key="same")
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(call, range(8)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    assert sum("Idempotent-Replayed" in answer for answer in answers) == 7
    assert (Message.across_tenants.count(), Event.across_tenants.count()) == (1, 1)


@THREADS
def test_of_many_with_different_keys_all_are_accepted(acme, api, mail):
    def call(number: int) -> Any:
        try:
            return api(acme).post(EMAILS, {**mail, "subject": str(number)}, Idempotency_Key=str(number))
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(call, range(40)))
    assert {answer.status_code for answer in answers} == {200}
    assert Message.across_tenants.count() == 40
