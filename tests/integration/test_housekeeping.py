"""What is past its time is erased, and nothing else."""

import base64
import os
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.files.storage import storages

from emails.messages import content as contents
from emails.messages.models import Message, MessageContent
from emails.models import CapturedMail, Notification
from mailgrid.core.clock import now
from tenants.audit.services import SYSTEM
from tenants.files import retention
from tenants.models import File, Tenant
from tenants.tenancy import services as tenancy
from workers.housekeeping import NAMED, collect_garbage, sweep_store

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _own_store(settings, tmp_path):
    """Whatever lies in it, this test has put there."""
    blobs = settings.STORAGES["blobs"] | {"OPTIONS": {"location": str(tmp_path)}}
    settings.STORAGES = settings.STORAGES | {"blobs": blobs}


def send(api, who, work, **more):
    body = {"from": who.sender, "to": "ann@example.com", "subject": "Secret", "text": "hello", **more}
    answer = api(who).post("/api/emails", body)
    assert answer.status_code == 200, answer.content
    work.everything()
    return answer.json()["id"]


def test_content_goes_after_its_retention_and_the_record_stays(api, acme, work):
    email = send(api, acme, work)
    assert "contents" not in collect_garbage(now=now() + timedelta(days=29))
    assert collect_garbage(now=now() + timedelta(days=31))["contents"] == 1
    read = api(acme).get(f"/api/emails/{email}").json()
    assert (read["status"], read["subject"], read["text"]) == ("delivered", "", None)
    assert api(acme).post(f"/api/emails/{email}/retry").status_code == 409


def test_content_of_open_mail_stays_however_old(api, acme, work):
    send(api, acme, work, scheduled_at="in 300 days")
    assert "contents" not in collect_garbage(now=now() + timedelta(days=200))


def test_sensitive_content_goes_a_day_after_its_end(api, acme, work):
    api(acme).post("/api/streams", {"name": "codes", "sensitive": True})
    send(api, acme, work, stream="codes")
    assert "contents" not in collect_garbage(now=now() + timedelta(hours=23))
    assert collect_garbage(now=now() + timedelta(hours=25))["contents"] == 1


def test_shared_bytes_stay_as_long_as_somebody_names_them(api, acme, work):
    attachment = {"attachments": [{"filename": "a.txt", "content": "aGVsbG8="}]}
    first, second = (send(api, acme, work, **attachment) for _ in range(2))
    (reference,) = MessageContent.objects.get(pk=first).attachments
    assert MessageContent.objects.get(pk=second).attachments == [reference]
    later = now() + timedelta(days=31)
    Message.across_tenants.filter(pk=second).update(created_at=later)
    collect_garbage(now=later)
    part = contents.load_one(Message.across_tenants.get(pk=second).pk).attachments[0]
    assert contents.read_attachment(part, tenant_id=acme.tenant.pk) == b"hello"
    assert swept(days=32) == {}
    collect_garbage(now=later + timedelta(days=31))
    assert swept(days=64) == {"set_aside": 1}
    assert swept(days=66) == {"deleted": 1}
    assert not storages["blobs"].exists(reference)


def swept(*, days):
    """What becomes of old bytes in a walk through the store so many days from now."""
    moment = now() + timedelta(days=days)
    done = sweep_store(clock=lambda: moment)
    age_what_is_aside()
    return {word: count for word, count in done.items() if word != "seen"}


def age_what_is_aside():
    root = Path(storages["blobs"].location)
    for path in (path for path in root.rglob("discarded/**/*") if path.is_file()):
        os.utime(path, (0, 0))


def test_bytes_of_every_kind_that_rows_name_stay(api, acme, work):
    body = "x" * (300 * 1024)  # in the store, not in its row
    attachment = [{"filename": "a.txt", "content": "YXR0YWNoZWQ="}]
    email = send(api, acme, work, text=body, attachments=attachment)
    file = api(acme).post("/api/files", {"filename": "b.txt", "content": "dXBsb2FkZWQ="}).json()
    assert swept(days=2) == {}
    assert swept(days=4) == {}
    assert api(acme).get(f"/api/emails/{email}").json()["text"] == body
    for read, content in ((f"/api/files/{file['id']}/download", b"uploaded"),):
        url = api(acme).get(read).json()["download_url"]
        assert b"".join(api(None).get(url[url.index("/f/") :]).streaming_content) == content
    api(acme).delete(f"/api/files/{file['id']}")
    assert swept(days=6) == {"set_aside": 1}
    assert swept(days=8) == {"deleted": 1}


def test_a_file_keeps_its_bytes_when_the_mail_with_equal_ones_is_erased(api, acme, work):
    send(api, acme, work, attachments=[{"filename": "a.txt", "content": "c2hhcmVk"}])
    file = api(acme).post("/api/files", {"filename": "b.txt", "content": "c2hhcmVk"}).json()
    collect_garbage(now=now() + timedelta(days=31))
    assert swept(days=40) == {}
    url = api(acme).get(f"/api/files/{file['id']}/download").json()["download_url"]
    assert b"".join(api(None).get(url[url.index("/f/") :]).streaming_content) == b"shared"


def test_sealed_bytes_go_with_their_message(api, acme, work):
    api(acme).post("/api/streams", {"name": "codes", "sensitive": True})
    files = [{"filename": "a.txt", "content": "c2VjcmV0"}]
    email = send(api, acme, work, stream="codes", attachments=files, text="y" * (300 * 1024))
    row = MessageContent.objects.get(pk=email)
    references = [row.blob, *row.attachments]
    assert all(storages["blobs"].exists(reference) for reference in references)
    assert len(references) == 2
    collect_garbage(now=now() + timedelta(hours=25))
    assert not any(storages["blobs"].exists(reference) for reference in references)


def test_a_walk_through_the_store_rests_for_hours_and_goes_on_where_it_was_left(api, acme, monkeypatch):
    monkeypatch.setattr("tenants.files.retention.NAMES", 2)
    for number in range(5):
        content = base64.b64encode(bytes([number])).decode()
        api(acme).post("/api/files", {"filename": "a.txt", "content": content})
    moment = now() + timedelta(days=3)
    steps = [retention.sweep_store(asked=NAMED, now=moment) for _ in range(40)]
    walked = [step for step in steps if step is not None]
    assert walked[-1].position == ""
    assert all(step.position for step in walked[:-1])
    assert sum(step.seen for step in walked) >= 5
    assert retention.sweep_store(asked=NAMED, now=moment + timedelta(hours=5)) is None
    assert retention.sweep_store(asked=NAMED, now=moment + timedelta(hours=6)) is not None


def test_a_file_goes_at_its_time(api, acme):
    made = [
        api(acme).post("/api/files", {"filename": "a.txt", "content": "YQ==", **more}).json()["id"]
        for more in ({"expires_at": "in 1 hour"}, {"expires_at": "in 3 hours"}, {})
    ]
    assert "files" not in collect_garbage(now=now() + timedelta(minutes=59))
    assert collect_garbage(now=now() + timedelta(minutes=61))["files"] == 1
    assert [str(pk) for pk in File.across_tenants.order_by("pk").values_list("pk", flat=True)] == made[1:]


def test_raw_notifications_and_captured_mail_go_after_a_week(api, acme, work):
    send(api, acme, work)
    collect_garbage(now=now() + timedelta(days=8))
    assert (Notification.objects.count(), CapturedMail.across_tenants.count()) == (0, 0)


def test_a_closed_tenant_is_erased_after_thirty_days_and_nobody_else(api, acme, globex, work):
    send(api, acme, work, attachments=[{"filename": "a.txt", "content": "aGVsbG8="}])
    kept = send(api, globex, work)
    tenancy.close(tenant_id=acme.tenant.pk, actor=SYSTEM, now=now())
    collect_garbage(now=now() + timedelta(days=29))
    assert Tenant.objects.filter(pk=acme.tenant.pk).exists()
    for _ in range(2):
        collect_garbage(now=now() + timedelta(days=31))
    assert not Tenant.objects.filter(pk=acme.tenant.pk).exists()
    assert list(map(str, Message.across_tenants.values_list("pk", flat=True))) == [kept]
