"""An operator lets something run now that would have waited."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from celery.beat import BeatLazyFunc
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse
from django_celery_beat import schedulers
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask

from emails.delivery import services
from emails.messages.models import Delivery, Message
from emails.story.services import act
from mailgrid.core import bells
from mailgrid.core.clock import now, to_wire
from tenants.audit.models import AuditEntry
from tenants.audit.services import SYSTEM
from tenants.members.models import User
from tenants.members.services import create_operator
from tenants.tenancy import services as tenancy
from workers import routing
from workers.celery import app

RUNG: list[str] = []


def remember(queue: str) -> None:
    """Instead of a broker."""
    RUNG.append(queue)


@pytest.fixture
def rung(settings, django_capture_on_commit_callbacks) -> Any:
    """`with rung(): …` executes what waits for the commit; the list holds the bells."""
    settings.BELL_RINGER = f"{__name__}.remember"
    RUNG.clear()
    return lambda: django_capture_on_commit_callbacks(execute=True)


@pytest.fixture
def person(db: None) -> User:
    return create_operator(username="olga", password="correct horse battery")


@pytest.fixture
def console(person: User) -> Client:
    """Olga's browser."""
    client = Client()
    client.force_login(person)
    return client


@pytest.fixture
def send(acme, api, mail) -> Callable[..., str]:
    def one(**more: Any) -> str:
        answer = api(acme).post("/api/emails", {**mail, **more})
        assert answer.status_code == 200, answer.content
        return answer.json()["id"]

    return one


def send_now(console: Client, email_id: str) -> None:
    answer = console.post(reverse("admin:emails_message_run_now", args=[email_id]))
    assert answer.status_code == 302, answer.content


def test_a_scheduled_email_leaves_now(console, person, api, acme, send, work, rung):
    email_id = send(scheduled_at="in 10 days")
    expires_at = api(acme).get(f"/api/emails/{email_id}").json()["expires_at"]
    assert work.deliver() == {}
    page = console.get(f"/admin/emails/message/{email_id}/change/").content.decode()
    assert reverse("admin:emails_message_run_now", args=[email_id]) in page
    with rung():
        send_now(console, email_id)
    assert bells.Priority.HIGH.queue in RUNG
    entry = AuditEntry.across_tenants.filter(tenant=acme.tenant).order_by("-seq")[0]
    assert (entry.action, entry.target_id, entry.actor_type, entry.actor_id) == (
        "message.run_now",
        email_id,
        "operator",
        str(person.pk),
    )
    assert work.deliver()["sent"] == 1
    read = api(acme).get(f"/api/emails/{email_id}").json()
    assert (read["status"], read["expires_at"]) == ("sent", expires_at)
    assert read["scheduled_at"] == to_wire(entry.created_at)
    page = console.get(f"/admin/emails/message/{email_id}/change/").content.decode()
    assert reverse("admin:emails_message_run_now", args=[email_id]) not in page


def test_a_deferred_email_is_tried_again_now_with_the_attempts_it_had(console, send, work, monkeypatch):
    def broken(*_args: Any) -> Any:
        raise OSError(5, "disk")

    email_id = send()
    with monkeypatch.context() as patched:
        patched.setattr(services, "compose_batch", broken)
        assert work.deliver()["deferred"] == 1
    Delivery.across_tenants.update(due_at=now() + timedelta(hours=1))
    assert (work.sweep(), work.deliver()) == ({}, {})
    send_now(console, email_id)
    assert work.deliver()["sent"] == 1
    delivery = Delivery.across_tenants.get()
    assert (
        delivery.attempts,
        list(delivery.journal.order_by("fence").values_list("outcome", flat=True)),
    ) == (
        2,
        ["deferred", "sent"],
    )


def test_a_pause_still_counts_and_its_end_sends_it_at_once(console, acme, send, work):
    email_id = send(scheduled_at="in 10 days")
    tenancy.pause(tenant_id=acme.tenant.pk, actor=SYSTEM, now=now())
    send_now(console, email_id)
    work.deliver()
    assert Message.across_tenants.get(pk=email_id).status == "held"
    tenancy.resume(tenant_id=acme.tenant.pk, actor=SYSTEM, now=now())
    work.sweep()
    assert work.deliver()["sent"] == 1


def test_what_is_over_or_held_or_in_hand_is_left_alone(console, api, acme, send, work):
    sent, canceled, held, queued = send(), send(scheduled_at="in 1 hour"), send(), send()
    api(acme).post(f"/api/emails/{canceled}/cancel")
    act(action="hold", message_ids=[held], actor=SYSTEM, now=now())
    Delivery.across_tenants.filter(message=queued).update(state="sending", fence=3)
    work.deliver()
    before = list(Delivery.across_tenants.order_by("pk").values())
    trail = AuditEntry.across_tenants.count()
    for email_id in (sent, canceled, held, queued):
        send_now(console, email_id)
    assert act(action="run_now", message_ids=[sent, canceled, held, queued], actor=SYSTEM, now=now()) == 0
    assert list(Delivery.across_tenants.order_by("pk").values()) == before
    assert AuditEntry.across_tenants.count() == trail
    assert {str(pk): s for pk, s in Message.across_tenants.values_list("pk", "status")} == {
        sent: "sent",
        canceled: "canceled",
        held: "held",
        queued: "queued",
    }


def test_many_leave_from_the_list_each_tenants_in_its_own_trail(console, acme, globex, api, mail, send, work):
    theirs = (
        api(globex)
        .post("/api/emails", {**mail, "from": globex.sender, "scheduled_at": "in 2 days"})
        .json()["id"]
    )
    mine = [send(scheduled_at="in 1 day") for _ in range(3)]
    chosen = {"action": "run_chosen_now", "_selected_action": [*mine[:2], theirs]}
    told = console.post("/admin/emails/message/", chosen, follow=True).content.decode()
    assert "3 of 3 were in a state for it." in told
    assert work.deliver()["sent"] == 3
    assert Message.across_tenants.get(pk=mine[2]).status == "scheduled"
    for actor, matched in ((acme, 2), (globex, 1)):
        entry = AuditEntry.across_tenants.filter(tenant=actor.tenant).order_by("-seq")[0]
        assert (entry.action, entry.changes["matched"]) == ("message.run_now", matched)


def test_nobody_without_the_right_lets_mail_go(send):
    client = Client()
    client.force_login(User.objects.create(username="ned", is_staff=True))
    email_id = send(scheduled_at="in 1 hour")
    assert client.post(reverse("admin:emails_message_run_now", args=[email_id])).status_code == 403
    assert Delivery.across_tenants.get().state == "scheduled"


# ---- The schedule ---------------------------------------------------------------------------------------------------


@pytest.fixture
def entry(db: None) -> Callable[..., PeriodicTask]:
    """`entry("name", task)`: an hourly one, that ran a minute ago."""

    def made(name: str, task: str, **more: Any) -> PeriodicTask:
        hourly, _ = IntervalSchedule.objects.get_or_create(every=1, period="hours")
        values = {"interval": hourly, "last_run_at": now() - timedelta(minutes=1), **more}
        return PeriodicTask.objects.create(name=name, task=task, **values)

    return made


def run_now(console: Client, row: PeriodicTask) -> str:
    address = reverse("admin:django_celery_beat_periodictask_run_now", args=[row.pk])
    assert console.get(address).status_code == 200
    return console.post(address, follow=True).content.decode()


BELLS = {
    "sweep": (routing.SWEEP, "{}", bells.MAINTENANCE),
    "ingest": (routing.INGEST, "", bells.EVENTS),
    "checks": (routing.FETCH, "{}", bells.FETCH),
    "codes": (routing.DELIVER, '{"priority": 0}', bells.Priority.IMMEDIATE.queue),
}


@pytest.mark.parametrize("name", BELLS)
def test_an_entry_with_a_bell_has_it_rung(console, entry, rung, name):
    task, kwargs, queue = BELLS[name]
    row = entry(name, task, kwargs=kwargs, enabled=False)
    with rung():
        assert f"The bell of {queue} rings for it." in run_now(console, row)
    assert list(RUNG) == [queue]
    assert LogEntry.objects.get().change_message == "Run now."


class Beat(schedulers.DatabaseScheduler):
    """The real one, except that it publishes into a list."""

    def __init__(self) -> None:
        self.started: list[str] = []
        super().__init__(app=app)
        self._finalize.cancel()

    def setup_schedule(self) -> None:
        """No entries but those of the test."""

    def apply_async(self, entry: Any, producer: Any = None, advance: bool = True, **_: Any) -> None:
        assert not isinstance(entry, BeatLazyFunc)
        if advance:
            self.reserve(entry)
        self.started.append(entry.name)

    @property
    def producer(self) -> None:
        """Nowhere to publish to."""


@pytest.fixture
def beat(db, monkeypatch) -> Beat:
    """Beat, in the test's transaction."""
    monkeypatch.setattr(schedulers, "close_old_connections", lambda: None)
    return Beat()


def test_an_entry_without_a_bell_is_started_by_beat_and_then_at_its_times(console, entry, rung, beat):
    row = entry("garbage", routing.COLLECT_GARBAGE, queue="maintenance")
    beat.tick()
    assert beat.started == []
    with rung():
        assert "Beat starts it within some seconds." in run_now(console, row)
    assert RUNG == []
    for _ in range(3):
        beat.tick()
    assert beat.started == ["garbage"]
    beat.sync()
    row.refresh_from_db()
    assert now() - row.last_run_at < timedelta(minutes=1)


def test_what_beat_would_not_start_is_refused_with_a_sentence(console, entry, rung):
    disabled = entry("off", routing.COLLECT_GARBAGE, enabled=False)
    nightly = entry(
        "nightly",
        routing.COLLECT_GARBAGE,
        interval=None,
        crontab=CrontabSchedule.objects.create(minute=0, hour=4),
    )
    with rung():
        assert "A disabled entry is not run. Enable it first." in run_now(console, disabled)
        assert "Only an entry with an interval can be started" in run_now(console, nightly)
    assert RUNG == []
    assert not LogEntry.objects.exists()


def test_other_arguments_are_no_bell(console, entry, rung):
    """The bell would sweep; this entry delivers what has no queue of its own."""
    row = entry("odd", routing.DELIVER, kwargs='{"priority": 9}')
    assert "Beat starts it" in run_now(console, row)
    row = entry("broken", routing.SWEEP, kwargs="{nope")
    assert "Beat starts it" in run_now(console, row)
