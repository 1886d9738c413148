"""The whole fleet on real services: mail goes out and its story comes back, whatever process stops meanwhile."""

import base64
import json
import os
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest
import resend

from tests.fleet.conftest import Sending
from tests.live import wait_until
from workers.queues import GROUPS

pytestmark = pytest.mark.services

EMAILS = int(os.environ.get("FLEET_EMAILS", "1000"))
BATCH = 100


@pytest.fixture(autouse=True)
def _resend(sending: Sending, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resend, "api_url", f"{sending.fleet.url}/api")
    monkeypatch.setattr(resend, "api_key", sending.fleet.api_key)


def post(sending: Sending, count: int) -> list[str]:
    """Accepted by batches through Resend's own client, each sent again with its key until it is answered."""
    ids: list[str] = []
    for start in range(0, count, BATCH):
        mails: list[resend.Emails.SendParams] = [
            {
                "from": sending.fleet.sender,
                "to": [f"ann+{start + place}@example.com"],
                "subject": f"Hello {start + place}",
                "html": f"<p>Hello Ann, number {start + place}</p>",
            }
            for place in range(min(BATCH, count - start))
        ]
        ids += [
            sent["id"]
            for sent in wait_until(lambda mails=mails, start=start: _send(mails, f"batch-{count}-{start}"))
        ]
    return ids


def _send(mails: list[resend.Emails.SendParams], key: str) -> list[dict[str, str]] | None:
    try:
        return list(resend.Batch.send(mails, {"idempotency_key": key})["data"])
    except (resend.exceptions.ResendError, OSError):  # the web was being restarted
        return None


def statuses(sending: Sending) -> dict[str, int]:
    """How many recipients are in which status; the delivery's while they are pending."""
    found = sending.fleet.rows(
        """SELECT coalesce(nullif(r.status, ''), d.state), count(*)
             FROM emails_recipient r JOIN emails_delivery d ON d.id = r.delivery_id GROUP BY 1"""
    )
    return {str(status): int(count) for status, count in found}


def wait_until_delivered(sending: Sending, count: int) -> None:
    """Until `count` recipients have their mail; tells where the others are if that takes too long."""
    try:
        wait_until(lambda: statuses(sending) == {"delivered": count}, seconds=60 + count / 20)
    except TimeoutError:
        pytest.fail(f"{statuses(sending)} instead of {count} delivered")


def test_all_mail_is_delivered_once_while_every_process_is_restarted_in_turn(sending: Sending) -> None:
    fleet = sending.fleet
    posting = threading.Thread(target=post, args=(sending, EMAILS))
    posting.start()
    for name in fleet.names:
        fleet.stop(name)
        fleet.start(name)
        if name == "web":
            fleet.wait_for_web()
    posting.join()
    wait_until_delivered(sending, EMAILS)
    accepts = [accept.delivery for accept in sending.ses.journal()]
    assert len(accepts) == len(set(accepts)) == EMAILS
    assert fleet.rows("SELECT outcome, count(*) FROM emails_attempt GROUP BY outcome") == [("sent", EMAILS)]


def _with_work_well(told: str) -> str:
    return told if "work: Every worker group is alive" in told else ""


def test_doctor_finds_the_fleet_well_and_names_what_is_missing(sending: Sending) -> None:
    fleet = sending.fleet
    told = wait_until(lambda: _with_work_well(fleet.run("doctor").stdout))
    assert "well   broker: RabbitMQ 3" in told
    assert "well   redis: Redis 7" in told
    assert "well   transport main of acme: Connected and signed in." in told
    fleet.stop("worker-bulk")
    try:
        done = fleet.run("doctor")
        assert done.returncode == 1
        assert "No process of worker-bulk is alive: nobody works for send.low." in done.stdout
    finally:
        fleet.start("worker-bulk")


def test_flower_wants_a_password_and_shows_workers_and_what_their_tasks_returned(sending: Sending) -> None:
    fleet = sending.fleet
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(f"http://127.0.0.1:{fleet.flower_port}/workers", timeout=10)

    def ask(path: str) -> dict[str, dict[str, object]]:
        request = urllib.request.Request(f"http://127.0.0.1:{fleet.flower_port}{path}")
        access = base64.b64encode(f"operator:{fleet.secrets['FLOWER_PASSWORD']}".encode()).decode()
        request.add_header("Authorization", f"Basic {access}")
        with urllib.request.urlopen(request, timeout=10) as response:
            answer: dict[str, dict[str, object]] = json.loads(response.read())
        return answer

    post(sending, 1)
    results = wait_until(
        lambda: [
            t["result"] for t in ask("/api/tasks?limit=1000").values() if "'sent': 1" in str(t["result"])
        ]
    )
    assert any("'claimed': 1" in str(result) for result in results)
    shown = {str(task["worker"]).partition("@")[0] for task in ask("/api/tasks?limit=1000").values()}
    assert {"send", "maintenance"} <= shown <= set(GROUPS)


@pytest.fixture(autouse=True)
def _no_tracebacks(sending: Sending) -> Iterator[None]:
    yield
    for name in sending.fleet.names:
        assert "Traceback" not in sending.fleet.log(name), sending.fleet.log(name)[-5000:]
