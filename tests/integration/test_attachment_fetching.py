"""What is attached by its place is fetched from a real server, put into the message, and sent; or the message fails."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import storages

from emails.attachments import selectors, services
from emails.attachments.intake import place_of
from emails.attachments.models import PendingAttachment
from emails.attachments.ports import NotFetched
from emails.attachments.settling import settle
from emails.messages import content as contents
from emails.models import CapturedMail, Delivery, Event, Message, Recipient
from mailgrid.core import bells
from mailgrid.core.cache import forget_everything
from mailgrid.core.clock import now
from tenants.audit.models import AuditEntry
from tenants.audit.services import SYSTEM
from tenants.models import Tenant
from tenants.tenancy import services as tenancy
from tenants.tenancy.sources import find_source
from tests.fakes.web import Web
from workers import aside, fetching
from workers.adapters.fetcher import fetch
from workers.housekeeping import NAMED, collect_garbage

pytestmark = pytest.mark.django_db

PNG = b"\x89PNG\r\n\x1a\n" + bytes(24)
State = PendingAttachment.State


@pytest.fixture
def web(settings: Any) -> Iterator[Web]:
    settings.UNSAFE_HOSTS = frozenset({"127.0.0.1"})
    with Web(pages={"/a.pdf": b"%PDF-1.7 one", "/b": PNG, "/secret": b"for one"}) as server:
        yield server


@pytest.fixture
def await_(acme: Any, api: Any, mail: dict[str, Any]) -> Callable[..., Message]:
    """Accept a mail whose attachments are elsewhere."""

    def accept(*paths: str, who: Any = None, **more: Any) -> Message:
        who = who or acme
        attached = [{"path": path} for path in paths] + more.pop("attachments", [])
        answer = api(who).post("/api/emails", {**mail, "from": who.sender, "attachments": attached, **more})
        assert answer.status_code == 200, answer.content
        return Message.across_tenants.select_related("stream").get(pk=answer.json()["id"])

    return accept


def work_off(at: timedelta = timedelta(0), *, fetcher: Any = fetch) -> dict[str, int]:
    """What a worker does, now or later."""
    with ThreadPoolExecutor(4) as pool:
        return dict(services.fetch_batch(fetcher=fetcher, pool=pool, clock=lambda: now() + at))


def delivery(message: Message) -> tuple[str, str]:
    row = Delivery.across_tenants.get(message=message)
    return row.state, row.hold_reason


def ended(message: Message) -> tuple[str, str]:
    row = Recipient.across_tenants.get(message=message)
    return row.status, row.reason


def row_of(message: Message) -> PendingAttachment:
    return PendingAttachment.across_tenants.get(message=message)


def test_a_message_leaves_with_what_was_fetched(web, await_, work, acme, api):
    message = await_(
        f"{web.url}/a.pdf?token=x", f"{web.url}/b", attachments=[{"filename": "c.txt", "content": "aGk="}]
    )
    work.everything()
    assert delivery(message) == ("held", "attachments")
    assert work_off() == {"fetched": 2}
    assert PendingAttachment.across_tenants.count() == 0
    assert delivery(message) == ("queued", "")
    work.everything()
    (captured,) = CapturedMail.across_tenants.values_list("attachments", flat=True)
    assert [(one["filename"], one["size"]) for one in captured] == [("a.pdf", 12), ("b", 32), ("c.txt", 2)]
    listed = api(acme).get(f"/api/emails/{message.pk}/attachments").json()["data"]
    shown = [(one["filename"], one["content_type"], one["size"]) for one in listed]
    assert shown == [("a.pdf", "application/pdf", 12), ("b", "image/png", 32), ("c.txt", "text/plain", 2)]
    url = listed[0]["download_url"]
    got = api(None).get(url[url.index("/f/") :])
    assert b"".join(got.streaming_content) == b"%PDF-1.7 one"
    assert Message.across_tenants.get(pk=message.pk).size > message.size
    told = Event.across_tenants.filter(message_id=message.pk).order_by("seq").values_list("type", flat=True)
    assert set(told) == {"email.held", "email.sent", "email.delivered"}


def test_the_list_shows_what_is_still_to_come(web, await_, acme, api):
    message = await_(f"{web.url}/a.pdf")
    (one,) = api(acme).get(f"/api/emails/{message.pk}/attachments").json()["data"]
    assert (one["filename"], one["size"], one["download_url"], one["expires_at"]) == (
        "a.pdf",
        None,
        None,
        None,
    )


def test_nothing_leaves_before_all_of_it_is_there(web, await_, work):
    message = await_(f"{web.url}/a.pdf", f"{web.url}/status/503")
    assert work_off() == {"fetched": 1, "put_off": 1}
    assert delivery(message) == ("held", "attachments")
    assert sorted(PendingAttachment.across_tenants.values_list("state", flat=True)) == ["pending", "stored"]
    work.everything()
    assert CapturedMail.across_tenants.count() == 0
    web.pages["/status/503"] = b"late"
    assert work_off() == {}
    assert work_off(timedelta(seconds=6)) == {"fetched": 1}
    assert delivery(message) == ("queued", "")


def test_a_message_that_was_let_go_by_mistake_fails_and_never_leaves_without_its_attachment(
    web, await_, work
):
    message = await_(f"{web.url}/a.pdf")
    Delivery.across_tenants.filter(message=message).update(state="queued", hold_reason="")
    work.deliver()
    assert ended(message) == ("failed", "content_missing")
    assert CapturedMail.across_tenants.count() == 0


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/status/404", "HTTP 404"),
        ("/status/302", "HTTP 302: redirects are not followed"),
        ("/huge", "More than"),
    ],
)
def test_what_cannot_be_had_fails_the_message_at_once(web, await_, work, path, told):
    message = await_(f"{web.url}/a.pdf", f"{web.url}{path}")
    assert work_off() == {"fetched": 1, "given_up": 1}
    assert ended(message) == ("failed", "attachment_unavailable")
    event = Event.across_tenants.filter(message_id=message.pk, type="email.failed").get()
    assert event.data["failed"]["reason"] == "attachment_unavailable"
    assert told in event.data["failed"]["message"]
    assert set(PendingAttachment.across_tenants.values_list("state", flat=True)) == {"failed"}
    assert work_off(timedelta(days=1)) == {}
    work.everything()
    assert CapturedMail.across_tenants.count() == 0


def test_a_host_that_is_down_is_tried_eight_times_over_hours(web, await_):
    message = await_(f"{web.url}/status/503")
    Delivery.across_tenants.update(expires_at=now() + timedelta(days=2))
    moment, outcomes = timedelta(0), []
    while row_of(message).state == "pending":
        moment = row_of(message).due_at - now() + timedelta(seconds=1)
        outcomes.append(work_off(moment))
    assert outcomes == [{"put_off": 1}] * 7 + [{"given_up": 1}]
    assert len(web.heard) == 8
    assert timedelta(hours=6) < moment < timedelta(hours=9)
    assert ended(message) == ("failed", "attachment_unavailable")
    assert "HTTP 503" in row_of(message).error


def test_an_address_inside_is_not_called(web, await_, settings):
    message = await_(f"{web.url}/a.pdf")
    settings.UNSAFE_HOSTS = frozenset()  # the operator took it off the list meanwhile
    assert work_off() == {"given_up": 1}
    assert web.heard == []
    assert ended(message) == ("failed", "attachment_unavailable")


@pytest.mark.parametrize("end", ["cancel", "expire"])
def test_what_nobody_waits_for_any_more_is_not_fetched(web, await_, acme, api, work, end):
    message = await_(f"{web.url}/a.pdf")
    if end == "cancel":
        assert api(acme).post(f"/api/emails/{message.pk}/cancel").status_code == 200
    else:
        work.sweep(now() + timedelta(days=30))
    assert work_off() == {"dropped": 1}
    assert (web.heard, PendingAttachment.across_tenants.count()) == ([], 0)


def test_a_message_for_later_is_fetched_now_and_waits_for_its_time(web, await_):
    message = await_(f"{web.url}/a.pdf", scheduled_at="in 3 days")
    assert work_off() == {"fetched": 1}
    assert delivery(message) == ("scheduled", "")


def test_a_message_over_quota_goes_on_waiting(web, await_, acme):
    changes = {"limits": {"daily_quota": 0}, "settings": {"over_quota": "hold"}}
    Tenant.objects.filter(pk=acme.tenant.pk).update(**changes)
    forget_everything()
    message = await_(f"{web.url}/a.pdf")
    assert delivery(message) == ("held", "attachments")
    assert work_off() == {"fetched": 1}
    assert delivery(message) == ("held", "quota")


def test_what_could_not_be_had_is_fetched_anew_by_a_retry(web, await_, acme, api, work):
    message = await_(f"{web.url}/later.pdf", attachments=[{"content": "aGk=", "filename": "hi.txt"}])
    assert work_off() == {"given_up": 1}
    web.pages["/later.pdf"] = b"%PDF-1.7 at last"
    again = api(acme).post(f"/api/emails/{message.pk}/retry")
    assert again.status_code == 200, again.content
    assert work_off() == {"fetched": 1}
    work.deliver()
    (mail,) = CapturedMail.across_tenants.all()
    assert [(one["filename"], one["size"]) for one in mail.attachments] == [("later.pdf", 16), ("hi.txt", 2)]


def test_nobody_gets_it_and_nothing_is_fetched(web, await_, acme, api):
    assert api(acme).post("/api/suppressions", {"email": "ann@example.com"}).status_code == 201
    message = await_(f"{web.url}/a.pdf")
    assert delivery(message) == ("suppressed", "")
    assert (work_off(), web.heard) == ({}, [])


def test_more_than_40_mb_is_too_large(web, await_):
    message = await_(f"{web.url}/a.pdf")
    Message.across_tenants.filter(pk=message.pk).update(size=40 * 1024 * 1024)
    assert work_off() == {"fetched": 1}
    assert ended(message) == ("failed", "too_large")


def test_sensitive_attachments_are_encrypted_where_they_rest(web, await_, acme, api, work):
    api(acme).post("/api/streams", {"name": "codes", "sensitive": True})
    message = await_(f"{web.url}/secret", stream="codes")
    assert work_off() == {"fetched": 1}
    root = Path(storages["blobs"].location)
    assert not any(b"for one" in path.read_bytes() for path in root.rglob("*") if path.is_file())
    (part,) = contents.load_one(message.pk).attachments
    assert part.key_id
    assert contents.read_attachment(part, tenant_id=acme.tenant.pk) == b"for one"


def test_where_it_is_is_kept_encrypted(web, await_):
    message = await_(f"{web.url}/a.pdf?token=s3cret")
    row = row_of(message)
    assert b"s3cret" not in bytes(row.sealed)
    assert row.origin == "127.0.0.1"
    assert place_of(row) == f"{web.url}/a.pdf?token=s3cret"


# ---- Workers --------------------------------------------------------------------------------------------------------


def test_a_worker_that_dies_leaves_its_work_to_the_next(web, await_):
    message = await_(f"{web.url}/a.pdf")

    class Died(BaseException):
        pass

    def die(*_: Any, **__: Any) -> bytes:
        raise Died

    with pytest.raises(Died):
        work_off(fetcher=die)
    assert row_of(message).state == "processing"
    assert work_off() == {}
    assert work_off(timedelta(seconds=services.LEASE_SECONDS + 1)) == {"fetched": 1}
    assert delivery(message) == ("queued", "")


def test_a_worker_that_comes_late_changes_nothing(web, await_):
    message = await_(f"{web.url}/a.pdf")
    slow = row_of(message)
    slow.fence, slow.message = 1, message
    later = timedelta(seconds=services.LEASE_SECONDS + 1)
    PendingAttachment.across_tenants.update(fence=2, state="processing", due_at=now() + later)
    assert settle(slow, b"other", now=now(), random=lambda: 0) == "late"
    assert settle(slow, NotFetched("x", "y", for_good=True), now=now(), random=lambda: 0) == "late"
    assert delivery(message) == ("held", "attachments")


def test_a_fetcher_that_crashes_costs_a_try_and_nobody_else(web, await_):
    broken, fine = await_(f"{web.url}/b"), await_(f"{web.url}/a.pdf")

    def crash(url: str, **more: Any) -> bytes:
        if url.endswith("/b"):
            raise RuntimeError("of ours")
        return fetch(url, **more)

    assert work_off(fetcher=crash) == {"fetched": 1, "put_off": 1}
    assert (delivery(fine)[0], delivery(broken)[0]) == ("queued", "held")


def test_a_store_that_is_away_is_tried_again(web, await_, monkeypatch):
    message = await_(f"{web.url}/a.pdf")

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("os.fsync", full)
        assert work_off() == {"put_off": 1}
    assert work_off(timedelta(seconds=6)) == {"fetched": 1}
    assert delivery(message) == ("queued", "")


def test_tenants_are_served_side_by_side(web, await_, globex):
    for number in range(6):
        await_(f"{web.url}/a.pdf?{number}")
    other = await_(f"{web.url}/a.pdf?other", who=globex)
    assert [row.tenant_id for row in selectors.next_due(now=now(), limit=4)].count(globex.tenant.pk) == 1
    work_off()
    assert delivery(other) == ("queued", "")


def test_the_bell_of_the_queue_works_everything_off(web, await_, monkeypatch):
    messages = [await_(f"{web.url}/a.pdf?{number}") for number in range(5)]
    rung: list[str] = []
    monkeypatch.setattr(bells, "ring", rung.append)
    assert fetching.work_off() == {"fetched": 5}
    assert {delivery(message)[0] for message in messages} == {"queued"}
    assert selectors.is_due(now=now()) is False


def test_the_watch_looks_after_attachments_when_no_bell_arrives(web, await_):
    assert fetching.fetch_alone not in aside._due()
    message = await_(f"{web.url}/a.pdf")
    assert fetching.fetch_alone in aside._due()
    assert fetching.fetch_alone() == {"fetched": 1}
    assert delivery(message) == ("queued", "")


def test_the_sweep_of_the_store_knows_what_waits_for_its_siblings(web, await_):
    await_(f"{web.url}/a.pdf", f"{web.url}/status/503")
    work_off()
    (blob,) = PendingAttachment.across_tenants.exclude(blob="").values_list("blob", flat=True)
    assert set().union(*(ask([blob, "x"]) for ask in NAMED)) == {blob}


def test_the_place_is_forgotten_with_the_content(web, await_, work):
    await_(f"{web.url}/status/404")
    work_off()
    assert "attachments" not in collect_garbage(now=now() + timedelta(days=29))
    assert collect_garbage(now=now() + timedelta(days=31))["attachments"] == 1
    assert PendingAttachment.across_tenants.count() == 0


# ---- Sources --------------------------------------------------------------------------------------------------------


def set_sources(who: Any, *sources: dict[str, Any]) -> None:
    tenancy.update(
        tenant_id=who.tenant.pk,
        values={"settings": {"attachment_sources": list(sources)}},
        actor=SYSTEM,
        now=now(),
    )


def test_a_source_is_read_with_its_own_headers(web, await_, acme):
    web.pages["/files/2026/a%20b.pdf"] = b"%PDF"
    headers = {"Authorization": "Bearer s3cret"}
    set_sources(acme, {"name": "dms", "url": f"{web.url}/files/", "headers": headers})
    message = await_("source:dms/2026/a b.pdf")
    assert row_of(message).origin == "source:dms"
    assert work_off() == {"fetched": 1}
    (heard,) = web.heard
    assert (heard.path, heard.headers["Authorization"]) == ("/files/2026/a%20b.pdf", "Bearer s3cret")
    assert contents.load_one(message.pk).attachments[0].filename == "a b.pdf"


def test_a_source_is_its_tenants_own(web, await_, acme, globex):
    set_sources(acme, {"name": "dms", "url": f"{web.url}/"})
    theirs = await_("source:dms/a.pdf", who=globex)
    assert work_off() == {"given_up": 1}
    assert (ended(theirs), web.heard) == (("failed", "attachment_unavailable"), [])


def test_a_folder_is_read_where_the_operator_allows_it(web, await_, acme, settings, tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "a.pdf").write_bytes(b"%PDF")
    settings.ATTACHMENT_DIRECTORIES = {"acme": (tmp_path,)}
    set_sources(acme, {"name": "share", "directory": str(tmp_path)})
    message = await_("source:share/deep/a.pdf")
    assert work_off() == {"fetched": 1}
    assert contents.load_one(message.pk).attachments[0].size == 4
    settings.ATTACHMENT_DIRECTORIES = {}
    message = await_("source:share/deep/a.pdf")
    assert work_off() == {"given_up": 1}
    assert ended(message) == ("failed", "attachment_unavailable")


def test_nothing_outside_of_a_folder_is_read(web, await_, acme, settings, tmp_path):
    inside = tmp_path / "inside"
    inside.mkdir()
    (tmp_path / "outside.txt").write_text("secret")
    (inside / "link.txt").symlink_to(tmp_path / "outside.txt")
    (inside / "up").symlink_to(tmp_path)
    (inside / "folder").mkdir()
    os.mkfifo(inside / "pipe")
    settings.ATTACHMENT_DIRECTORIES = {"acme": (inside,)}
    set_sources(acme, {"name": "share", "directory": str(inside)})
    for key in ("link.txt", "up/outside.txt", "folder", "pipe", "missing", "%2e%2e/outside.txt"):
        message = await_(f"source:share/{key}")
        assert work_off() == {"given_up": 1}, key
        assert ended(message) == ("failed", "attachment_unavailable")


def test_header_values_are_sealed_and_never_shown(acme, api, db):
    source = {"name": "dms", "url": "https://dms.example.com/", "headers": {"X-Key": "s3cret"}}
    client = api(acme)
    assert client.patch("/api/tenant", {"settings": {"attachment_sources": [source]}}).status_code == 200
    shown = client.get("/api/tenant")
    assert shown.json()["settings"]["attachment_sources"] == [
        {**source, "headers": {"X-Key": None}, "directory": None}
    ]
    row = Tenant.objects.get(pk=acme.tenant.pk)
    kept = [row.settings, bytes(row.secrets), *AuditEntry.across_tenants.values_list("changes", flat=True)]
    assert "s3cret" not in str(kept)
    again = {**source, "url": "https://other.example.com/", "headers": {"X-Key": None}}
    assert client.patch("/api/tenant", {"settings": {"attachment_sources": [again]}}).status_code == 200
    assert dict(find_source(acme.tenant.pk, "dms").headers) == {"X-Key": "s3cret"}
    assert client.patch("/api/tenant", {"name": "Acme Ltd"}).status_code == 200
    assert dict(find_source(acme.tenant.pk, "dms").headers) == {"X-Key": "s3cret"}
    assert client.patch("/api/tenant", {"settings": {"attachment_sources": []}}).status_code == 200
    assert Tenant.objects.get(pk=acme.tenant.pk).secrets is None


@pytest.mark.parametrize(
    ("source", "field", "code"),
    [
        ({"name": "dms", "url": "http://127.0.0.1/"}, "attachment_sources[0].url", "forbidden_host"),
        (
            {"name": "dms", "url": "https://user@dms.example.com/"},
            "attachment_sources[0].url",
            "forbidden_host",
        ),
        ({"name": "dms", "url": "https://dms.example.com/x"}, "attachment_sources[0].url", "invalid_choice"),
        (
            {"name": "dms", "url": "https://dms.example.com/?x=/"},
            "attachment_sources[0].url",
            "invalid_choice",
        ),
        ({"name": "Dms!", "url": "https://dms.example.com/"}, "attachment_sources[0].name", "invalid_choice"),
        ({"name": "dms"}, "attachment_sources[0]", "mutually_exclusive"),
        (
            {"name": "dms", "url": "https://a.example.com/", "directory": "/srv"},
            "attachment_sources[0]",
            "mutually_exclusive",
        ),
        ({"name": "dms", "directory": "/etc"}, "attachment_sources[0].directory", "not_found"),
        ({"name": "dms", "directory": "/srv/acme/../globex"}, "attachment_sources[0].directory", "not_found"),
        ({"name": "dms", "directory": "/srv/globex"}, "attachment_sources[0].directory", "not_found"),
        ({"name": "dms", "url": "https://a.example.com/", "headers": {"Host": "x"}}, None, "reserved_header"),
        (
            {"name": "dms", "url": "https://a.example.com/", "headers": {"X": "a\r\nb"}},
            None,
            "invalid_choice",
        ),
        ({"name": "dms", "url": "https://a.example.com/", "headers": {"X": None}}, None, "invalid_type"),
        (
            {"name": "dms", "url": "https://a.example.com/", "secrets": "x"},
            "attachment_sources[0].secrets",
            "unknown_field",
        ),
    ],
)
def test_a_wrong_source_is_refused_and_changes_nothing(acme, api, settings, source, field, code):
    settings.ATTACHMENT_DIRECTORIES = {"acme": (Path("/srv/acme"),), "globex": (Path("/srv/globex"),)}
    answer = api(acme).patch("/api/tenant", {"settings": {"attachment_sources": [source]}})
    assert (answer.status_code, answer.json()["name"]) == (422, "validation_error"), answer.content
    (item,) = answer.json()["errors"]
    assert item["code"] == code
    assert field is None or item["field"] == f"settings.{field}"
    assert Tenant.objects.get(pk=acme.tenant.pk).settings == {}
