"""An operator looks at the fleet in the console: rows that the fleet wrote, without asking the broker."""

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from mailgrid.core.clock import now
from mailgrid.core.models import Pulse
from tenants.members.services import create_operator
from workers.fleet.models import DeadBells, QueueState, WorkerProcess
from workers.queues import GROUPS

pytestmark = pytest.mark.django_db
FLEET = "/admin/workers/workerprocess/"


@pytest.fixture
def console(db: None) -> Client:
    """An operator's browser."""
    client = Client()
    client.force_login(create_operator(username="olga", password="correct horse battery"))
    return client


def start(*groups: str) -> None:
    """Processes of these groups say that they are there."""
    for group in groups:
        WorkerProcess.objects.create(
            host="mail-1", pid=4711, queues=list(GROUPS[group]), started_at=now(), seen_at=now()
        )
    Pulse.objects.update_or_create(name="sweep", defaults={"at": now()})


def test_what_is_wrong_stands_first(console: Client, settings: Any) -> None:
    settings.BROKER_URL = "amqp://somewhere"
    start(*(group for group in GROUPS if group != "bulk"))
    shown = console.get(FLEET).content.decode()
    assert "No process of worker-bulk is alive: nobody works for send.low." in shown
    assert "No process of worker-send" not in shown


def test_queues_show_what_is_due_and_who_listens(
    console: Client, settings: Any, acme: Any, api: Any, mail: dict[str, Any]
) -> None:
    settings.BROKER_URL = "amqp://somewhere"
    start(*GROUPS)
    for names in GROUPS.values():
        for name in names:
            QueueState.objects.create(name=name, bells=7, consumers=3, seen_at=now())
    for _ in range(2):
        assert api(acme).post("/api/emails", mail).status_code == 200
    shown = " ".join(console.get(FLEET).content.decode().split())
    assert "All is well: every worker group is alive, and every queue has listeners." in shown
    assert "<td>send.high</td><td>send</td> <td>2</td><td>1</td> <td>7</td><td>3</td>" in shown
    assert "mail-1" in shown
    assert "4711" in shown


def test_dead_bells_show_why_they_died(console: Client) -> None:
    DeadBells.objects.create(queue="send.low", reason="maxlen", count=12, last_at=now())
    shown = console.get(FLEET).content.decode()
    assert "<td>send.low</td><td>maxlen</td><td>12</td>" in shown


def test_flower_is_linked_where_it_is_known(console: Client, settings: Any) -> None:
    assert "flower.example.com" not in console.get(FLEET).content.decode()
    settings.FLOWER_URL = "https://flower.example.com/"
    assert (
        console.get(FLEET).content.decode().count('href="https://flower.example.com/"') == 2
    )  # page and side bar


def test_the_page_makes_a_constant_number_of_queries(console: Client) -> None:
    start("send")
    with CaptureQueriesContext(connection) as few:
        console.get(FLEET)
    start(*[*GROUPS] * 5)
    with CaptureQueriesContext(connection) as many:
        console.get(FLEET)
    assert len(many) == len(few)


def test_nobody_else_sees_it(db: None) -> None:
    assert Client().get(FLEET).status_code == 302
