"""An operator looks at the console, and acts in it."""

import html
import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib import admin
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask

from emails.models import CapturedMail, Delivery, Event, Message, Notification, Stream, Suppression, Transport
from emails.story.overview import Number, overview
from mailgrid.core.clock import now
from mailgrid.core.scoping import in_scope
from mailgrid.core.vocabulary import HoldReason, Status
from tenants.files.models import File
from tenants.members.services import create_operator
from tenants.models import ApiKey, AuditEntry, Domain, Membership, Plan, Tenant, User
from workers.models import WorkerProcess

pytestmark = pytest.mark.django_db
SIMULATOR = "simulator.mailgrid.test"
FACTS = (Message, Event, Notification, CapturedMail, AuditEntry, Stream, Transport)


@pytest.fixture
def person(db: None) -> User:
    """Runs the installation."""
    return create_operator(username="olga", password="correct horse battery")


@pytest.fixture
def console(person: User) -> Client:
    """Olga's browser."""
    client = Client()
    client.force_login(person)
    return client


@pytest.fixture
def told(acme: Any, api: Callable[..., Any], work: Any, mail: dict[str, Any]) -> Message:
    """A mail to two people, sent and told about; one bounced and is suppressed."""
    wanted = {
        **mail,
        "to": [f"success@{SIMULATOR}", f"bounce@{SIMULATOR}"],
        "tags": [{"name": "kind", "value": "x"}],
    }
    answer = api(acme).post("/api/emails", wanted)
    assert answer.status_code == 200, answer.content
    work.everything()
    return Message.across_tenants.get(pk=answer.json()["id"])


def page(model: Any, view: str, *args: object) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{view}", args=args)


def latest_audit(tenant: Tenant) -> AuditEntry:
    return AuditEntry.across_tenants.filter(tenant=tenant).order_by("-seq")[0]


def acted(person: User, tenant: Tenant, action: str) -> AuditEntry:
    """The newest entry of the trail, which must be the operator's."""
    entry = latest_audit(tenant)
    assert (entry.action, entry.actor_type, entry.actor_id) == (action, "operator", str(person.pk))
    assert entry.ip == "127.0.0.1"
    assert entry.request_id
    return entry


@pytest.fixture
def rows(told: Message, acme: Any) -> None:
    """At least one row of everything that has a page."""
    interval = IntervalSchedule.objects.create(every=1, period="seconds")
    CrontabSchedule.objects.create()
    PeriodicTask.objects.create(name="sweep", task="workers.tasks.maintenance.sweep", interval=interval)
    WorkerProcess.objects.create(host="a", pid=1, queues=["events"], started_at=now(), seen_at=now())
    member = User.objects.create(username="mia")
    Membership.across_tenants.create(tenant=acme.tenant, user=member)
    File.across_tenants.create(tenant=acme.tenant, filename="a.txt", size=4, created_at=now())


MODELS = sorted(admin.site._registry, key=lambda model: model._meta.label)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label)
def test_every_page_answers(model: Any, console: Client, rows: None) -> None:
    pages = [
        page(model, "changelist"),
        f"{page(model, 'changelist')}?q=acme",
        f"{page(model, 'changelist')}?q=a@b.c",
    ]
    found = list(model._default_manager.all())
    if model._meta.label != "admin.LogEntry":
        assert found, "the journey makes a row of each"
    pages += [page(model, "change", row.pk) for row in found]
    if admin.site._registry[model].has_add_permission(_request(console)):
        pages.append(page(model, "add"))
    for address in pages:
        answer = console.get(address)
        assert answer.status_code == 200, address
        assert not re.findall(
            r'(?:src|href|action)="(?:https?:)?//', _without_mail(answer.content.decode())
        ), address


def _request(console: Client) -> Any:
    return console.get(reverse("admin:index")).wsgi_request


def _without_mail(text: str) -> str:
    return re.sub(r'srcdoc="[^"]*"', "", text)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label)
def test_nobody_else_gets_in(model: Any, db: None) -> None:
    stranger, member = Client(), Client()
    member.force_login(User.objects.create(username="mia"))
    for client in (stranger, member):
        answer = client.get(page(model, "changelist"))
        assert answer.status_code == 302
        assert answer["Location"].startswith("/admin/login/")


def test_an_operator_without_rights_sees_nothing(db: None, told: Message) -> None:
    client = Client()
    client.force_login(User.objects.create(username="ned", is_staff=True))
    front = client.get(reverse("admin:index"))
    assert front.status_code == 200
    assert "accepted today" not in front.content.decode()
    assert "/admin/emails/message/" not in front.content.decode()
    assert client.get(page(Message, "changelist")).status_code == 403
    assert client.get(page(Message, "change", told.pk)).status_code == 403
    verb = reverse("admin:emails_message_cancel", args=[told.pk])
    assert client.get(verb).status_code == 403
    assert client.post(verb).status_code == 403
    assert client.get(page(ApiKey, "add")).status_code == 403


@pytest.mark.parametrize("model", FACTS, ids=lambda model: model._meta.label)
def test_facts_cannot_be_written(model: Any, console: Client, rows: None) -> None:
    row = model._default_manager.first()
    before = model._default_manager.values().get(pk=row.pk)
    assert console.post(page(model, "change", row.pk), {"name": "other"}).status_code == 403
    assert console.post(page(model, "add"), {}).status_code == 403
    assert console.post(page(model, "delete", row.pk), {"post": "yes"}).status_code == 403
    console.post(
        page(model, "changelist"), {"action": "delete_selected", "_selected_action": [row.pk], "post": "yes"}
    )
    assert model._default_manager.values().get(pk=row.pk) == before


def test_a_verbs_page_changes_nothing_until_it_is_answered(console: Client, told: Message) -> None:
    tenant = told.tenant
    before = AuditEntry.across_tenants.count()
    for name, pk in (("tenants_tenant_pause", tenant.pk), ("emails_message_cancel", told.pk)):
        assert console.get(reverse(f"admin:{name}", args=[pk])).status_code == 200
    assert AuditEntry.across_tenants.count() == before
    assert console.get(reverse("admin:tenants_tenant_pause", args=[told.pk])).status_code == 404


def test_tenants_are_paused_suspended_and_closed(console: Client, person: User, acme: Any) -> None:
    def do(verb: str, **answers: str) -> Tenant:
        answer = console.post(reverse(f"admin:tenants_tenant_{verb}", args=[acme.tenant.pk]), answers)
        assert answer.status_code == 302, answer.content
        return Tenant.objects.get(pk=acme.tenant.pk)

    assert do("pause").paused
    acted(person, acme.tenant, "tenant.pause")
    assert not do("resume").paused
    assert (
        console.post(reverse("admin:tenants_tenant_suspend", args=[acme.tenant.pk])).status_code == 200
    )  # why?
    suspended = do("suspend", reason="Spam")
    assert (suspended.status, suspended.status_reason) == ("suspended", "Spam")
    acted(person, acme.tenant, "tenant.suspend")
    assert do("activate").status == "active"
    assert do("close").status == "closed"
    acted(person, acme.tenant, "tenant.close")


def test_several_tenants_are_paused_from_the_list(
    console: Client, person: User, acme: Any, globex: Any
) -> None:
    chosen = {"action": "pause_chosen", "_selected_action": [acme.tenant.pk, globex.tenant.pk]}
    console.post(page(Tenant, "changelist"), chosen)
    assert Tenant.objects.filter(paused=True).count() == 2
    acted(person, globex.tenant, "tenant.pause")


def test_a_tenant_is_added_and_changed(console: Client, person: User, acme: Any) -> None:
    plan = Plan.objects.get()
    answer = console.post(
        page(Tenant, "add"), {"name": "Hooli", "slug": "hooli", "plan": plan.pk, "daily_quota": 9}
    )
    assert answer.status_code == 302, answer.content
    hooli = Tenant.objects.get(slug="hooli")
    assert hooli.effective_limits.daily_quota == 9
    acted_entry = AuditEntry.across_tenants.get(tenant=hooli, action="tenant.create")
    assert acted_entry.actor_id == str(person.pk)

    edit = reverse("admin:tenants_tenant_edit", args=[hooli.pk])
    taken = console.post(edit, {"name": "Hooli", "slug": "acme", "plan": plan.pk})
    assert taken.status_code == 200
    assert "The slug acme is taken." in taken.content.decode()
    console.post(edit, {"name": "Hooli XYZ", "slug": "hooli", "plan": plan.pk, "plan_limits": "on"})
    hooli.refresh_from_db()
    assert (hooli.name, hooli.limits) == ("Hooli XYZ", {})


def test_plans_are_added_changed_and_deleted(console: Client, operator: Any, acme: Any, person: User) -> None:
    console.post(page(Plan, "add"), {"name": "big", "daily_quota": 1000})
    plan = Plan.objects.get(name="big")
    acted(person, operator.tenant, "plan.create")
    console.post(reverse("admin:tenants_plan_edit", args=[plan.pk]), {"name": "bigger", "daily_quota": 2000})
    plan.refresh_from_db()
    assert (plan.name, plan.limits) == ("bigger", {"daily_quota": 2000})
    used = console.post(reverse("admin:tenants_plan_remove", args=[acme.tenant.plan_id]))
    assert "Tenants are on this plan." in used.content.decode()
    console.post(reverse("admin:tenants_plan_remove", args=[plan.pk]))
    assert not Plan.objects.filter(pk=plan.pk).exists()


def test_a_key_is_issued_shown_once_and_revoked(
    console: Client,
    person: User,
    acme: Any,
    api: Callable[..., Any],
    django_capture_on_commit_callbacks: Any,
) -> None:
    wanted = {"tenant": acme.tenant.pk, "name": "shop", "scopes": ["emails:send", "events:read"]}
    answer = console.post(page(ApiKey, "add"), wanted)
    assert answer.status_code == 200
    assert "no-store" in answer["Cache-Control"]
    (token,) = re.findall(r"mg_live_\w{12}_\w{43}", answer.content.decode())
    key = ApiKey.across_tenants.get(name="shop")
    acted(person, acme.tenant, "api_key.issue")
    assert api(token).get("/api/emails").status_code == 200

    for address in (page(ApiKey, "changelist"), page(ApiKey, "change", key.pk)):
        assert token not in console.get(address).content.decode()
    assert token not in json.dumps(latest_audit(acme.tenant).changes)
    with django_capture_on_commit_callbacks(execute=True):
        console.post(reverse("admin:tenants_apikey_revoke", args=[key.pk]))
    acted(person, acme.tenant, "api_key.revoke")
    assert api(token).get("/api/emails").status_code == 403


def test_a_domain_is_vouched_for_and_removed(console: Client, person: User, acme: Any, globex: Any) -> None:
    console.post(page(Domain, "add"), {"tenant": acme.tenant.pk, "name": "News.Acme.test"})
    domain = Domain.across_tenants.get(name="news.acme.test")
    assert domain.status == "verified"
    acted(person, acme.tenant, "domain.verify")
    taken = console.post(page(Domain, "add"), {"tenant": globex.tenant.pk, "name": "news.acme.test"})
    assert "Another tenant sends from news.acme.test." in taken.content.decode()
    wrong = console.post(page(Domain, "add"), {"tenant": globex.tenant.pk, "name": "not a domain"})
    assert "This is not a domain name." in wrong.content.decode()
    console.post(reverse("admin:tenants_domain_remove", args=[domain.pk]))
    assert not Domain.across_tenants.filter(pk=domain.pk).exists()
    acted(person, acme.tenant, "domain.remove")


def test_a_member_is_added_and_leaves(console: Client, person: User, acme: Any) -> None:
    mia = User.objects.create(username="mia")
    console.post(page(Membership, "add"), {"tenant": acme.tenant.pk, "user": mia.pk, "role": "owner"})
    row = Membership.across_tenants.get(user=mia)
    assert acted(person, acme.tenant, "member.add").changes == {"user": str(mia.pk), "role": "owner"}
    console.post(page(Membership, "delete", row.pk), {"post": "yes"})
    assert not Membership.across_tenants.exists()
    acted(person, acme.tenant, "member.remove")


def test_a_stream_is_paused_and_resumed(console: Client, person: User, acme: Any) -> None:
    stream = Stream.across_tenants.get(tenant=acme.tenant, name="marketing")
    console.post(reverse("admin:emails_stream_pause", args=[stream.pk]))
    stream.refresh_from_db()
    assert stream.paused
    acted(person, acme.tenant, "stream.pause")
    console.post(page(Stream, "changelist"), {"action": "resume_chosen", "_selected_action": [stream.pk]})
    stream.refresh_from_db()
    assert not stream.paused
    acted(person, acme.tenant, "stream.resume")


def test_suppressions_are_added_and_lifted(
    console: Client, person: User, told: Message, acme: Any, operator: Any
) -> None:
    bounced = Suppression.across_tenants.get(address=f"bounce@{SIMULATOR}")
    console.post(reverse("admin:emails_suppression_lift", args=[bounced.pk]))
    assert not Suppression.across_tenants.exists()
    acted(person, acme.tenant, "suppression.lift")

    console.post(
        page(Suppression, "add"), {"address": "Ann@example.com", "tenant": acme.tenant.pk, "note": "asked"}
    )
    console.post(page(Suppression, "add"), {"address": "bob@example.com"})
    mine, everybodys = Suppression.across_tenants.order_by("pk")
    assert (mine.address, mine.tenant, mine.note) == ("ann@example.com", acme.tenant, "asked")
    assert (everybodys.scope, everybodys.tenant) == ("global", None)
    acted(person, operator.tenant, "suppression.add")
    console.post(
        page(Suppression, "changelist"),
        {"action": "lift_chosen", "_selected_action": [mine.pk, everybodys.pk]},
    )
    assert not Suppression.across_tenants.exists()
    acted(person, operator.tenant, "suppression.lift")


def test_messages_are_held_released_and_canceled(
    console: Client, person: User, acme: Any, api: Callable[..., Any], mail: dict[str, Any], work: Any
) -> None:
    ids = [api(acme).post("/api/emails", mail).json()["id"] for _ in range(3)]
    console.post(page(Message, "changelist"), {"action": "hold_chosen", "_selected_action": ids})
    assert acted(person, acme.tenant, "message.hold").changes == {"ids": sorted(ids), "matched": 3}
    assert work.deliver() == {}
    console.post(reverse("admin:emails_message_release", args=[ids[0]]))
    acted(person, acme.tenant, "message.release")
    console.post(reverse("admin:emails_message_cancel", args=[ids[1]]))
    acted(person, acme.tenant, "message.cancel")
    work.deliver()
    found = dict(Message.across_tenants.values_list("pk", "status"))
    assert sorted(found.values()) == ["canceled", "held", "sent"]

    before = AuditEntry.across_tenants.count()
    console.post(reverse("admin:emails_message_cancel", args=[ids[0]]))  # it has left
    assert AuditEntry.across_tenants.count() == before


def test_a_quarantined_message_is_redriven_or_given_up(
    console: Client, person: User, acme: Any, api: Callable[..., Any], mail: dict[str, Any], work: Any
) -> None:
    first, second = (api(acme).post("/api/emails", mail).json()["id"] for _ in range(2))
    Delivery.across_tenants.update(state=Status.HELD, hold_reason=HoldReason.QUARANTINED)
    Message.across_tenants.update(status=Status.HELD)
    console.post(reverse("admin:emails_message_redrive", args=[first]))
    acted(person, acme.tenant, "message.redrive")
    console.post(reverse("admin:emails_message_give_up", args=[second]))
    acted(person, acme.tenant, "message.give_up")
    work.deliver()
    statuses = {str(pk): status for pk, status in Message.across_tenants.values_list("pk", "status")}
    assert statuses == {first: "sent", second: "failed"}
    event = Event.across_tenants.get(message=second, type="email.failed")
    assert event.data == {"failed": {"reason": "given_up", "message": "An operator gave it up."}}


def test_one_page_tells_everything_about_a_message(console: Client, told: Message) -> None:
    text = console.get(page(Message, "change", told.pk)).content.decode()
    attempt = Delivery.across_tenants.get(message=told).journal.get()
    for fact in (
        f"success@{SIMULATOR}",
        f"bounce@{SIMULATOR}",
        str(told.pk),
        attempt.provider_message_id,
        "delivered",
    ):
        assert fact in text
    assert "sandbox accepted it." in text
    assert f"Returned by the server of bounce@{SIMULATOR}." in text
    captured = CapturedMail.across_tenants.get(message=told)
    assert page(CapturedMail, "change", captured.pk) in text


@pytest.mark.parametrize(
    "term", ["id", f"bounce@{SIMULATOR}", "hello"], ids=["by id", "by address", "by subject"]
)
def test_messages_are_found(term: str, console: Client, told: Message) -> None:
    found = page(Message, "change", told.pk)
    term = str(told.pk) if term == "id" else term
    assert found in console.get(page(Message, "changelist"), {"q": term}).content.decode()
    for nothing in ("018f0000-0000-7000-8000-000000000000", "nobody@example.com", "another subject"):
        assert found not in console.get(page(Message, "changelist"), {"q": nothing}).content.decode()


@pytest.mark.parametrize("by_tenant", [False, True], ids=["of everybody", "of a tenant"])
def test_messages_are_filtered(by_tenant: bool, console: Client, told: Message, globex: Any) -> None:
    found = page(Message, "change", told.pk)
    more = {"tenant__id__exact": str(told.tenant_id)} if by_tenant else {}
    told.refresh_from_db()
    for status, there in ((told.status, True), ("queued", False), ("failed", False)):
        answer = console.get(page(Message, "changelist"), {"status": status, **more})
        assert (found in answer.content.decode()) is there, status
    other = console.get(page(Message, "changelist"), {"tenant__id__exact": str(globex.tenant.pk)})
    assert found not in other.content.decode()


def test_a_mail_is_shown_where_it_can_do_nothing(
    console: Client, acme: Any, api: Callable[..., Any], mail: dict[str, Any], work: Any
) -> None:
    nasty = """<p title='x"y'>Hi</p><script>alert(1)</script></iframe><script>alert(2)</script>" onload="alert(3)"""
    files = [{"filename": "a<b>.txt", "content": "aGVsbG8=", "content_type": "text/plain"}]
    wanted = {**mail, "html": nasty, "text": "</pre><script>alert(4)</script>", "attachments": files}
    assert api(acme).post("/api/emails", wanted).status_code == 200
    work.everything()
    answer = console.get(page(CapturedMail, "change", CapturedMail.across_tenants.get().pk))
    text = answer.content.decode()

    (frame,) = re.findall(r"<iframe [^>]*>", text)
    assert ' sandbox="" ' in frame
    (shown,) = re.findall(r'srcdoc="([^"]*)"', frame)
    inside = html.unescape(shown)
    assert inside.endswith(nasty)
    assert inside.index("default-src 'none'") < inside.index("<script>")
    assert text.count("</iframe>") == 1
    assert "<script>alert" not in text
    assert 'onload="alert' not in text
    assert "a&lt;b&gt;.txt" in text
    policy = answer["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "img-src 'self' data:" in policy
    assert "frame-src 'none'" in policy


def test_lists_make_a_constant_number_of_queries(
    console: Client,
    acme: Any,
    api: Callable[..., Any],
    mail: dict[str, Any],
    work: Any,
) -> None:

    lists = [page(model, "changelist") for model in (Message, CapturedMail, Event, Notification)]
    fronts = [*lists, reverse("admin:index")]

    def count() -> list[int]:
        counted = []
        for address in fronts:
            with CaptureQueriesContext(
                connection,
            ) as queries:
                assert console.get(address).status_code == 200
            assert not [one for one in queries if re.match(r"SELECT COUNT\(\*\) AS", one["sql"])], address
            counted.append(len(queries))
        return counted

    api(acme).post("/api/emails", mail)
    work.everything()
    few = count()
    for place in range(9):
        api(acme).post("/api/emails", {**mail, "to": [f"x{place}@{SIMULATOR}", f"fail+{place}@{SIMULATOR}"]})
    work.everything()
    assert count() == few


def test_the_overview_counts(
    console: Client, acme: Any, globex: Any, api: Callable[..., Any], mail: dict[str, Any], work: Any
) -> None:
    empty = overview(now=now())
    assert (empty.accepted, empty.sent, empty.failed, empty.waited) == (Number(0), Number(0), Number(0), None)
    assert empty.silent
    assert "No message failed lately." in console.get(reverse("admin:index")).content.decode()

    for to in ("ann@example.com", f"bounce@{SIMULATOR}"):
        api(acme).post("/api/emails", {**mail, "to": to})
    work.everything()
    api(acme).post("/api/emails", {**mail, "scheduled_at": "in 1 hour"})
    with in_scope(acme.tenant.pk, test=False):
        assert Message.objects.count() == 3
    api(acme).post("/api/emails", mail)
    seen = overview(now=now())
    assert (seen.accepted, seen.sent, seen.failed) == (Number(4), Number(2), Number(1))
    assert {str(state): number.value for state, number in seen.waiting.items() if number.value} == {
        "scheduled": 1,
        "queued": 1,
    }
    assert seen.waited is not None
    assert seen.waited.total_seconds() < 60
    assert not seen.silent
    assert [message.status for message in seen.failures] == ["bounced"]
    assert "Newest failures" in console.get(reverse("admin:index")).content.decode()
    assert str(Number(200_000)) == "200,000+"


def test_the_schedule_is_edited_as_rows(console: Client, db: None) -> None:
    interval = IntervalSchedule.objects.create(every=5, period="minutes")
    form = {
        "name": "mine",
        "enabled": "on",
        "task": "workers.tasks.maintenance.sweep",
        "queue": "maintenance",
        "kwargs": "{}",
        "interval": interval.pk,
    }
    answer = console.post(page(PeriodicTask, "add"), form)
    assert answer.status_code == 302, answer.context["errors"]
    task = PeriodicTask.objects.get(name="mine")
    wrong = console.post(page(PeriodicTask, "change", task.pk), {**form, "task": "os.system"})
    assert wrong.status_code == 200
    task.refresh_from_db()
    assert task.task == "workers.tasks.maintenance.sweep"
    assert console.post(page(PeriodicTask, "delete", task.pk), {"post": "yes"}).status_code == 302


def test_guessing_passwords_is_slowed_down_and_others_are_not(db) -> None:
    create_operator(username="root", password="a long pass phrase")
    guesser, owner = Client(REMOTE_ADDR="192.0.2.7"), Client(REMOTE_ADDR="192.0.2.8")
    wrong = {"username": "root", "password": "guess"}
    assert [guesser.post("/admin/login/", wrong).status_code for _ in range(12)] == [200] * 10 + [429] * 2
    assert guesser.post("/admin/login/", {**wrong, "password": "a long pass phrase"}).status_code == 429
    assert owner.post("/admin/login/", {**wrong, "password": "a long pass phrase"}).status_code == 302


@pytest.mark.parametrize("target", ["//evil.example", "https://evil.example", "/\\evil.example"])
def test_the_log_in_never_leads_away(db, target: str) -> None:
    create_operator(username="root", password="a long pass phrase")
    answer = Client().post(
        f"/admin/login/?next={target}", {"username": "root", "password": "a long pass phrase", "next": target}
    )
    assert (answer.status_code, answer["Location"]) == (302, "/admin/")
