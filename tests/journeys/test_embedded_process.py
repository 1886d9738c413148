"""Somebody runs Mailgrid on their own machine: starts it, stops it, starts it twice, pulls the plug."""

import contextlib
import http.client
import json
import random
import sqlite3
import stat
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import pytest

from tests.live import LiveMailgrid, free_port, manage, wait_until

READY_SECONDS: Final = 5.0  # the promise of a second start; ten times as much fails (fault_tests.md 1)
SENDS: Final = 500
SENDERS: Final = 8

pytestmark = pytest.mark.sqlite


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveMailgrid]:
    """One for all tests; some of them stop it."""
    with LiveMailgrid(tmp_path_factory.mktemp("embedded")) as mailgrid:
        yield mailgrid


@pytest.fixture
def mailgrid(installation: LiveMailgrid) -> LiveMailgrid:
    """It, running, whatever the test before has done to it."""
    if not installation.running:
        installation.start()
    return installation


def _send(mailgrid: LiveMailgrid, **changes: Any) -> str:
    mail = {"from": mailgrid.sender, "to": "ann@example.com", "subject": "Hello", "text": "Hello"}
    code, answer = mailgrid.call("POST", "/api/emails", mail | changes)
    assert code == 200, answer
    return str(answer["id"])


def test_the_access_file_is_for_its_owner_alone(mailgrid: LiveMailgrid) -> None:
    path = mailgrid.var_dir / "demo.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert set(mailgrid.demo) == {"url", "api_key", "from", "admin_username", "admin_password"}
    assert mailgrid.demo["url"] == mailgrid.url
    assert mailgrid.api_key.startswith("mg_live_")
    assert stat.S_IMODE((mailgrid.var_dir / "secrets.json").stat().st_mode) == 0o600


def test_a_second_start_has_the_same_key_and_mail(mailgrid: LiveMailgrid) -> None:
    access = mailgrid.demo
    sent = _send(mailgrid)
    waiting = _send(mailgrid, scheduled_at="in 1 hour")
    before = mailgrid.settled(sent)
    stopped = mailgrid.stop()
    seconds = mailgrid.start()
    print(f"stopped in {stopped.seconds:.2f} s, ready again in {seconds:.2f} s")
    assert seconds < 10 * READY_SECONDS
    assert mailgrid.demo == access
    assert mailgrid.settled(sent) == before
    assert mailgrid.settled(waiting, status="scheduled")["id"] == waiting
    mailgrid.settled(_send(mailgrid))


def test_events_in_the_hands_of_a_dead_process_are_worked_off_at_once(mailgrid: LiveMailgrid) -> None:
    mailgrid.settled(_send(mailgrid))
    mailgrid.kill()
    with contextlib.closing(sqlite3.connect(mailgrid.var_dir / "mailgrid.sqlite3")) as database, database:
        changed = database.execute(
            "UPDATE emails_notification SET state = 'processing', fence = fence + 1,"
            " due_at = datetime('now', '+1 hour'), lease_until = datetime('now', '+1 hour')"
        )
        assert changed.rowcount > 0
    mailgrid.start()
    wait_until(
        lambda: mailgrid.rows("SELECT DISTINCT state FROM emails_notification") == [("applied",)], seconds=20
    )


def test_ctrl_c_stops_it_cleanly_while_it_works(mailgrid: LiveMailgrid) -> None:
    ids = [_send(mailgrid) for _ in range(20)]
    stopped = mailgrid.stop()
    log = mailgrid.log
    mailgrid.start()
    assert stopped.code == 0, log
    assert "Traceback" not in log, log
    for email_id in ids:
        mailgrid.settled(email_id)
    assert len(mailgrid.journal(*ids)) == len(ids)


def test_a_second_process_on_the_same_data_is_refused(mailgrid: LiveMailgrid) -> None:
    refused = manage(mailgrid.var_dir, "up", PORT=free_port())
    assert refused.returncode != 0
    assert f"Mailgrid already runs here (process {mailgrid.pid})." in refused.stderr
    assert "Traceback" not in refused.stderr
    assert mailgrid.demo["url"] == mailgrid.url
    mailgrid.settled(_send(mailgrid))


def test_a_port_in_use_is_said_in_a_sentence(mailgrid: LiveMailgrid, tmp_path: Path) -> None:
    refused = manage(tmp_path / "var", "up", PORT=mailgrid.port)
    assert refused.returncode != 0
    assert f"Cannot listen on 127.0.0.1:{mailgrid.port}: " in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize("wrong", [{"PORT": "abc"}, {"WEB_THREADS": "0"}])
def test_a_wrong_setting_is_said_in_a_sentence(tmp_path: Path, wrong: dict[str, str]) -> None:
    refused = manage(tmp_path / "var", "up", **wrong)
    ((name, value),) = wrong.items()
    assert refused.returncode != 0
    assert f"{name}='{value}': " in refused.stderr
    assert "Traceback" not in refused.stderr


@dataclass(slots=True, kw_only=True)
class Client:
    """One of several senders, and what it knows: the ids it was told, and the requests it has to repeat."""

    mailgrid: LiveMailgrid
    plug: threading.Event
    answered: dict[str, str] = field(default_factory=dict)
    unanswered: list[str] = field(default_factory=list)

    def post(self, keys: list[str]) -> None:
        """Each key once, until the plug is pulled; of every tenth request the answer is lost on its way."""
        for place, key in enumerate(keys):
            try:
                if place % 10 == 9:
                    _request(self.mailgrid, key).close()
                    self.unanswered.append(key)
                else:
                    self.answered[key] = _post(self.mailgrid, key)[0]
            except (OSError, http.client.HTTPException):
                assert self.plug.wait(60), "no answer although nobody pulled the plug"
                self.unanswered += keys[place:]
                return


def _request(mailgrid: LiveMailgrid, key: str) -> http.client.HTTPConnection:
    """Post the email of this key, and leave the answer to the caller. Raises what http.client raises."""
    body = {"from": mailgrid.sender, "to": f"{key}@example.com", "subject": key, "text": "Hello"}
    headers = {
        "Authorization": f"Bearer {mailgrid.api_key}",
        "Content-Type": "application/json",
        "Idempotency-Key": key,
    }
    connection = http.client.HTTPConnection(urlsplit(mailgrid.url).netloc, timeout=60)
    try:
        connection.request("POST", "/api/emails", json.dumps(body), headers)
    except BaseException:
        connection.close()
        raise
    return connection


def _post(mailgrid: LiveMailgrid, key: str) -> tuple[str, bool]:
    """Post the email of this key: its id, and whether the answer was a kept one. Raises what http.client raises."""
    connection = _request(mailgrid, key)
    try:
        response = connection.getresponse()
        answer = json.loads(response.read())
    finally:
        connection.close()
    assert response.status == 200, answer
    return answer["id"], response.headers["Idempotent-Replayed"] == "true"


def _pull_the_plug_while_sending(mailgrid: LiveMailgrid, keys: list[str], *, after: int) -> Client:
    """Post from several threads, kill -9 once `after` are answered; what the clients know, put together."""
    plug = threading.Event()
    clients = [Client(mailgrid=mailgrid, plug=plug) for _ in range(SENDERS)]
    with ThreadPoolExecutor(SENDERS) as pool:
        posting = [pool.submit(client.post, keys[nth::SENDERS]) for nth, client in enumerate(clients)]

        def all_posted() -> bool:
            return all(one.done() for one in posting)

        wait_until(
            lambda: sum(len(client.answered) for client in clients) >= after or all_posted(), every=0.001
        )
        _await_mail_taken_and_not_settled(mailgrid, unless=all_posted)
        mailgrid.kill()
        plug.set()
        for one in posting:
            one.result()
    return Client(
        mailgrid=mailgrid,
        plug=plug,
        answered={key: email_id for client in clients for key, email_id in client.answered.items()},
        unanswered=[key for client in clients for key in client.unanswered],
    )


_TAKEN_AND_NOT_SETTLED: Final = (
    "SELECT COUNT(*) FROM emails_delivery d JOIN emails_capturedmail c"
    " ON c.delivery_id = d.id AND c.fence = d.fence WHERE d.state = 'sending'"
)


def _await_mail_taken_and_not_settled(mailgrid: LiveMailgrid, *, unless: Callable[[], bool]) -> None:
    """Wait for the few milliseconds in which only the sandbox knows that a mail has left."""
    with contextlib.closing(sqlite3.connect(mailgrid.var_dir / "mailgrid.sqlite3", timeout=60)) as database:
        while not database.execute(_TAKEN_AND_NOT_SETTLED).fetchone()[0] and not unless():
            time.sleep(0.0002)


def _finish(mailgrid: LiveMailgrid, known: Client) -> int:
    """Repeat what was not answered, and some of what was; how many turned out to have been accepted."""
    with ThreadPoolExecutor(SENDERS) as pool:
        again = list(pool.map(lambda key: _post(mailgrid, key), known.unanswered))
    known.answered.update({key: email_id for key, (email_id, _) in zip(known.unanswered, again, strict=True)})
    for key in random.sample(sorted(known.answered), 10):
        assert _post(mailgrid, key) == (known.answered[key], True)
    return sum(kept for _, kept in again)


def _wait_for_delivery(mailgrid: LiveMailgrid) -> None:
    """Until nothing is waiting, in doubt, or without its delivery event."""
    unfinished = (
        "SELECT subject, status FROM emails_message WHERE status != 'delivered' AND subject LIKE 'plug-%'"
    )
    with contextlib.suppress(TimeoutError):
        wait_until(lambda: not mailgrid.rows(unfinished + " LIMIT 1"))
    assert mailgrid.rows(unfinished + " LIMIT 5") == []


def test_no_email_is_lost_or_doubled_when_the_plug_is_pulled(tmp_path: Path) -> None:
    seed = time.time_ns()
    random.seed(seed)
    with LiveMailgrid(tmp_path) as mailgrid:
        _, tenants = mailgrid.call("GET", "/api/tenants")
        own = f"/api/tenants/{tenants['data'][0]['id']}"
        assert mailgrid.call("PATCH", own, {"limits": {"requests_per_minute": 1_000_000}})[0] == 200
        accepted: dict[str, str] = {}
        recovered = caught = 0
        for number, after in enumerate((15, SENDS // 2, SENDS - 90)):
            keys = [f"plug-{number}-{nth}" for nth in range(SENDS)]
            after += random.randrange(15)
            known = _pull_the_plug_while_sending(mailgrid, keys, after=after)
            in_hand = mailgrid.rows("SELECT state, COUNT(*) FROM emails_delivery GROUP BY state")
            ((taken,),) = mailgrid.rows(_TAKEN_AND_NOT_SETTLED)
            seconds = mailgrid.start()
            answered = len(known.answered)
            kept = _finish(mailgrid, known)
            recovered, caught = recovered + kept, caught + taken
            print(
                f"seed {seed}: killed after {answered} of {SENDS} answers, with {dict(in_hand)}, {taken} of them taken;"
                f" {kept} of {len(known.unanswered)} repeated ones had been accepted; ready in {seconds:.2f} s"
            )
            accepted |= known.answered
            _wait_for_delivery(mailgrid)
            _assert_exactly_once(mailgrid, accepted)
        assert recovered > 0, "no answer was lost: nothing is proved about repeats"
        assert caught > 0, (
            "no kill met a mail that had left and was not settled: nothing is proved about those"
        )
        assert mailgrid.stop().code == 0
        assert "Traceback" not in mailgrid.log, mailgrid.log


def _assert_exactly_once(mailgrid: LiveMailgrid, accepted: dict[str, str]) -> None:
    """The ids that clients were told, the messages that are stored and the sandbox's journal agree, one to one."""
    assert len(set(accepted.values())) == len(accepted)
    stored = mailgrid.rows("SELECT subject, id FROM emails_message WHERE subject LIKE 'plug-%'")
    told = sorted((key, email_id.replace("-", "")) for key, email_id in accepted.items())
    assert sorted(stored) == told
    journal = mailgrid.journal()
    assert sorted((mail.subject, mail.message_id) for mail in journal) == told
    assert len({mail.delivery_id for mail in journal}) == len(journal)
    assert all(mail.recipients == [f"{mail.subject}@example.com"] for mail in journal)
