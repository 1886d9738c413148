"""Somebody wants to know whether a transport can be used, before mail depends on it."""

import re
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from emails.transports import api as transports_api
from emails.transports import checks
from emails.transports.models import SANDBOX_ID, Transport, TransportCheck
from mailgrid.core.clock import now, to_wire
from tenants.audit.models import AuditEntry
from tenants.members.services import create_operator
from tests.fakes.ses import FakeSes
from tests.live import LiveMailgrid, free_port
from workers.tasks.fetching import fetch

UNKNOWN_ID = "01970000-0000-7000-8000-000000000000"


@pytest.fixture(scope="module")
def running_ses() -> Iterator[FakeSes]:
    with FakeSes() as ses:
        yield ses


@pytest.fixture
def ses(running_ses, settings) -> FakeSes:
    settings.UNSAFE_HOSTS = {"127.0.0.1"}
    running_ses.reset()
    return running_ses


@pytest.fixture
def connect(api, acme, ses) -> Callable[..., str]:
    """`connect()`: acme's SES account; its id."""

    def made(name: str = "main", *, key: Any = acme, **changes: Any) -> str:
        account = {
            "region": "eu-west-1",
            "access_key_id": "AKIDTEST",
            "secret_access_key": "secret",
            "endpoint_url": ses.url,
            **changes,
        }
        answer = api(key).post("/api/transports", {"name": name, "kind": "ses", "settings": account})
        assert answer.status_code == 201, answer.content
        return answer.json()["id"]

    return made


@pytest.fixture
def nobody(monkeypatch) -> None:
    """No worker is there: requests find that out at once."""
    monkeypatch.setattr(transports_api, "CHECK_SECONDS", 0)


@pytest.fixture
def worker(monkeypatch) -> list[dict[str, int]]:
    """A worker that hears the bell while the request waits; what its task answered."""
    answered: list[dict[str, int]] = []

    def sleep(_seconds: float) -> None:
        answered.append(fetch(of_a_newer_version=1))

    monkeypatch.setattr(checks, "time", SimpleNamespace(sleep=sleep, monotonic=time.monotonic))
    return answered


def check(client: Any, transport: str) -> tuple[int, dict[str, Any]]:
    answer = client.post(f"/api/transports/{transport}/check")
    return answer.status_code, answer.json()


def test_an_account_that_lets_us_in_is_ok_and_nothing_is_sent(api, acme, connect, worker, ses):
    made = connect()
    before = AuditEntry.across_tenants.count()
    for which in ("main", made):
        status, told = check(api(acme), which)
        row = TransportCheck.objects.get(pk=told["id"])
        assert (status, told) == (
            200,
            {
                "object": "transport_check",
                "id": str(row.pk),
                "transport_id": made,
                "status": "ok",
                "error": None,
                "checked_at": to_wire(row.checked_at),
            },
        )
    assert worker == [{"ok": 1}, {"ok": 1}]
    assert [(request.method, request.path) for request in ses.requests()] == [
        ("GET", "/v2/email/account")
    ] * 2
    assert ses.journal() == []
    assert AuditEntry.across_tenants.count() == before


def test_wrong_credentials_are_told_in_the_providers_words(api, acme, connect, worker):
    connect(secret_access_key="mistyped")
    status, told = check(api(acme), "main")
    assert (status, told["status"], told["error"]["class"], told["error"]["code"]) == (
        200,
        "failed",
        "auth",
        "SignatureDoesNotMatch",
    )
    assert "mistyped" not in told["error"]["message"]
    assert worker == [{"failed": 1}]
    read = api(acme).get(f"/api/transports/main/checks/{told['id']}")
    assert (read.status_code, read.json()) == (200, told)


def test_a_changed_secret_counts_from_the_next_check_on(api, acme, connect, worker):
    connect(secret_access_key="mistyped")
    assert check(api(acme), "main")[1]["status"] == "failed"
    api(acme).patch("/api/transports/main", {"settings": {"secret_access_key": "secret"}})
    assert check(api(acme), "main")[1]["status"] == "ok"


def test_a_host_where_nobody_listens_is_told(api, acme, connect, worker):
    connect(endpoint_url=f"http://127.0.0.1:{free_port()}")
    status, told = check(api(acme), "main")
    assert (status, told["status"], told["error"]["class"]) == (200, "failed", "network")
    assert told["error"]["code"]
    assert told["error"]["message"]


def test_what_the_installation_cannot_open_is_told_and_takes_no_other_along(
    api, acme, connect, nobody, settings
):
    connect()
    connect("sealed")
    Transport.across_tenants.filter(name="sealed").update(secrets_key_id="lost")
    pending = [check(api(acme), name) for name in ("sealed", "main")]
    assert [(status, told["status"]) for status, told in pending] == [(202, "pending")] * 2
    assert fetch() == {"failed": 1, "ok": 1}
    read = [
        api(acme).get(f"/api/transports/{told['transport_id']}/checks/{told['id']}").json()
        for _, told in pending
    ]
    assert [(told["status"], (told["error"] or {}).get("code")) for told in read] == [
        ("failed", "misconfigured"),
        ("ok", None),
    ]


def test_the_sandbox_is_always_there(api, acme, operator, worker):
    api(acme).post("/api/transports", {"name": "box", "kind": "sandbox"})
    assert check(api(acme), "box")[1]["status"] == "ok"
    assert check(api(operator), str(SANDBOX_ID))[1]["status"] == "ok"


def test_without_a_worker_the_answer_is_pending_and_can_be_asked_for(api, acme, connect, nobody):
    made = connect()
    status, told = check(api(acme), "main")
    assert (status, told) == (
        202,
        {
            "object": "transport_check",
            "id": told["id"],
            "transport_id": made,
            "status": "pending",
            "error": None,
            "checked_at": None,
        },
    )
    path = f"/api/transports/main/checks/{told['id']}"
    assert api(acme).get(path).json() == told
    fetch()
    assert api(acme).get(path).json()["status"] == "ok"


def test_a_transport_has_one_open_check_which_everybody_joins(api, acme, connect, nobody, ses):
    connect()
    first, second = (check(api(acme), "main")[1]["id"] for _ in range(2))
    assert first == second
    assert fetch() == {"ok": 1}
    assert len(ses.requests()) == 1
    third = check(api(acme), "main")[1]["id"]
    assert third != first


def test_it_is_nobody_elses(api, acme, globex, operator, connect, nobody):
    made = connect()
    _, told = check(api(acme), "main")
    for actor in (globex, operator):
        for which in ("main", made, UNKNOWN_ID, "x"):
            for call in (
                api(actor).post(f"/api/transports/{which}/check"),
                api(actor).get(f"/api/transports/{which}/checks/{told['id']}"),
            ):
                assert (call.status_code, call.json()["name"]) == (404, "not_found")
    assert api(acme).post(f"/api/transports/{SANDBOX_ID}/check").status_code == 404  # the operator's
    connect("other")
    for wrong in (UNKNOWN_ID, "x"):
        assert api(acme).get(f"/api/transports/main/checks/{wrong}").status_code == 404
    assert api(acme).get(f"/api/transports/other/checks/{told['id']}").status_code == 404
    assert TransportCheck.objects.count() == 1


def test_a_body_is_refused_and_nothing_is_asked(api, acme, connect):
    connect()
    answer = api(acme).post("/api/transports/main/check", {"to": "ann@example.com"})
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "unknown_field")
    assert not TransportCheck.objects.exists()


def test_a_check_goes_with_its_transport(api, acme, connect, nobody):
    connect()
    check(api(acme), "main")
    assert api(acme).delete("/api/transports/main").status_code == 200
    assert not TransportCheck.objects.exists()
    assert fetch() == {}


def test_answers_are_kept_for_a_day(api, acme, connect, worker):
    connect()
    for days in (2, 0):
        old = check(api(acme), "main")[1]["id"]
        TransportCheck.objects.update(requested_at=now() - timedelta(days=days))
        new = check(api(acme), "main")[1]["id"]
        assert TransportCheck.objects.filter(pk__in=[old, new]).count() == (1 if days else 2)


# ---- In the console -------------------------------------------------------------------------------------------------


@pytest.fixture
def console(db: None) -> Client:
    """Olga's browser."""
    client = Client()
    client.force_login(create_operator(username="olga", password="correct horse battery"))
    return client


def told_by(console: Client, transport_id: str) -> str:
    """What the page says after the verb, and goes on to say."""
    address = reverse("admin:emails_transport_try_out", args=[transport_id])
    assert "Nothing is sent." in console.get(address).content.decode()
    answer = console.post(address, follow=True)
    assert answer.redirect_chain == [(f"/admin/emails/transport/{transport_id}/change/", 302)]
    return re.sub(r"\s+", " ", answer.content.decode())


def test_the_console_checks_and_shows_what_was_found(console, connect, worker):
    good, bad = connect(), connect("wrong", secret_access_key="mistyped")
    page = told_by(console, good)
    assert "main lets us in." in page
    assert re.search(r'mg-badge[^>]*">ok<', page)
    page = told_by(console, bad)
    assert "wrong cannot be used: auth SignatureDoesNotMatch" in page
    assert re.search(r'mg-badge mg-bad">failed<', page)
    assert "mistyped" not in page


def test_the_console_does_not_wait_for_long(console, connect, monkeypatch):
    monkeypatch.setattr("emails.transports.admin.CHECK_SECONDS", 0)
    made = connect()
    assert "A worker is at it." in told_by(console, made)
    fetch()
    page = console.get(f"/admin/emails/transport/{made}/change/").content.decode()
    assert re.search(r'mg-badge[^>]*">ok<', page)


# ---- A running Mailgrid ---------------------------------------------------------------------------------------------


@pytest.mark.sqlite
def test_the_embedded_process_checks_while_the_request_waits(tmp_path):
    with (
        FakeSes() as ses,
        LiveMailgrid(tmp_path, UNSAFE_HOSTS="127.0.0.1") as mailgrid,
    ):
        account = {"region": "eu-west-1", "access_key_id": "AKIDTEST", "endpoint_url": ses.url}
        for name, secret in (("good", "secret"), ("bad", "mistyped")):
            code, _ = mailgrid.call(
                "POST",
                "/api/transports",
                {"name": name, "kind": "ses", "settings": {**account, "secret_access_key": secret}},
            )
            assert code == 201
        answers = [mailgrid.call("POST", f"/api/transports/{name}/check") for name in ("good", "bad")]
        assert [(code, told["status"]) for code, told in answers] == [(200, "ok"), (200, "failed")]
        assert answers[1][1]["error"]["code"] == "SignatureDoesNotMatch"
