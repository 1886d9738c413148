"""What is past its time is erased, and nothing else."""

from datetime import timedelta

import pytest
from django.core.files.storage import storages

from emails.messages import content as contents
from emails.messages.models import Message, MessageContent
from emails.models import CapturedMail, Notification
from mailgrid.core.clock import now
from tenants.audit.services import SYSTEM
from tenants.models import Tenant
from tenants.tenancy import services as tenancy
from workers.housekeeping import collect_garbage

pytestmark = pytest.mark.django_db


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
    collect_garbage(now=later + timedelta(days=31))
    assert not storages["blobs"].exists(reference)


def test_bytes_stored_again_a_moment_ago_are_not_deleted(api, acme, work):
    attachment = {"attachments": [{"filename": "a.txt", "content": "aGVsbG8="}]}
    email = send(api, acme, work, **attachment)
    (reference,) = MessageContent.objects.get(pk=email).attachments
    old = now() - timedelta(days=40)
    message = Message.across_tenants.get(pk=email)
    Message.across_tenants.filter(pk=email).update(created_at=old)
    message.recipients.update(status_at=old)
    assert collect_garbage(now=now())["contents"] == 1
    assert storages["blobs"].exists(reference)


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
