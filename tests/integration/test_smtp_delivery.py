"""A tenant's mail through its own SMTP server, from the API to the server, and what becomes of it when that fails."""

import socket
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from emails.messages.models import Attempt, Delivery, Recipient
from mailgrid.core.bells import Priority
from mailgrid.core.clock import now
from tests.conftest import Actor, Api, Work
from tests.fakes.smtp import FakeSmtp, Rule, Stage
from workers.transports import smtp_breaker
from workers.transports.smtp import SmtpTransport

pytestmark = pytest.mark.django_db

Message = dict[str, Any]


class Account:
    """Acme's log-in at the fake, behind all of its streams."""

    def __init__(self, server: FakeSmtp, api: Api, work: Work) -> None:
        self._api, self._work = api, work
        settings = {"host": "127.0.0.1", "port": server.port, "username": "mailgrid", "password": "secret"}
        made = api.post("/api/transports", {"name": "main", "kind": "smtp", "settings": settings})
        assert made.status_code == 201, made.content
        self.shown = made.json()
        for stream in api.get("/api/streams").json()["data"]:
            self.change(stream["name"], transport="main")

    def change(self, stream: str, **fields: Any) -> None:
        assert self._api.patch(f"/api/streams/{stream}", fields).status_code == 200

    def send(self, mail: Message, **changes: Any) -> str:
        """Accept one email and try to hand it over; its id."""
        sent = self._api.post("/api/emails", mail | changes)
        assert sent.status_code == 200, sent.content
        self._work.deliver()
        return str(sent.json()["id"])

    def later(self, wait: timedelta) -> None:
        """What a running Mailgrid does when so much time has passed."""
        self._work.sweep(at=now() + wait)
        self._work.deliver()

    def email(self, email_id: str) -> Message:
        email: Message = self._api.get(f"/api/emails/{email_id}").json()
        return email

    def statuses(self, email_id: str) -> dict[str, str]:
        """What became of each recipient."""
        return {one["email"]: one["status"] for one in self.email(email_id)["recipients"]}

    def events(self, email_id: str) -> list[tuple[str, str]]:
        listed = self._api.get(f"/api/emails/{email_id}/events").json()["data"]
        return [(event["type"], event["data"]["to"][0]) for event in listed]


@pytest.fixture(scope="module")
def running_smtp() -> Iterator[FakeSmtp]:
    with FakeSmtp() as server:
        yield server


@pytest.fixture
def server(running_smtp: FakeSmtp, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeSmtp]:
    """The client keeps to the protocol, whatever happens."""
    running_smtp.reset()
    settings.UNSAFE_HOSTS = {"127.0.0.1"}
    monkeypatch.setenv("SSL_CERT_FILE", str(running_smtp.ca_file))
    monkeypatch.setattr(smtp_breaker, "COOL_DOWN_SECONDS", 0.0)
    yield running_smtp
    assert running_smtp.violations() == []


@pytest.fixture
def account(server: FakeSmtp, api: Callable[..., Api], acme: Actor, work: Work) -> Account:
    return Account(server, api(acme), work)


def outcomes() -> list[tuple[str, str, str]]:
    """The journal: how each attempt ended, what decided it, and its error's class."""
    rows = Attempt.objects.order_by("delivery", "fence")
    return list(rows.values_list("outcome", "settled_by", "error_class"))


def test_an_email_reaches_the_server_once_and_the_password_is_kept_secret(
    account: Account, server: FakeSmtp, mail: Message, work: Work, api: Callable[..., Api], acme: Actor
) -> None:
    assert account.shown["settings"] == {
        "host": "127.0.0.1",
        "port": server.port,
        "tls": "starttls",
        "username": "mailgrid",
    }
    assert b"secret" not in api(acme).get("/api/transports").content
    email_id = account.send(mail, subject="Grüße", bcc="eve@example.com")
    (taken,) = server.journal()
    delivery = Delivery.across_tenants.get(message_id=email_id)
    assert (taken.sender, taken.recipients) == ("cast@acme.test", ["ann@example.com", "eve@example.com"])
    assert (taken.message_id, taken.encrypted, taken.user) == (f"<{delivery.pk}@acme.test>", True, "mailgrid")
    assert account.statuses(email_id) == {"ann@example.com": "sent", "eve@example.com": "sent"}
    assert sorted(account.events(email_id)) == [
        ("email.queued", "ann@example.com"),
        ("email.queued", "eve@example.com"),
        ("email.sent", "ann@example.com"),
        ("email.sent", "eve@example.com"),
    ]
    attempt = Attempt.objects.get()
    assert (attempt.outcome, attempt.provider_message_id) == ("sent", taken.queue_id)
    work.everything()
    assert len(server.journal()) == 1


def test_a_batch_goes_over_a_few_kept_sessions(
    account: Account, server: FakeSmtp, mail: Message, work: Work, api: Callable[..., Api], acme: Actor
) -> None:
    api(acme).post("/api/emails/batch", [mail] * 40)
    assert work.deliver(Priority.HIGH)["sent"] == 40
    assert len({taken.message_id for taken in server.journal()}) == 40
    assert server.counts()["connections"] <= 4  # as many as this worker has threads


def test_a_lost_answer_is_waited_for_and_then_sent_again_with_the_same_message_id(
    account: Account, server: FakeSmtp, mail: Message
) -> None:
    server.misbehave("cut", stage="dot", count=1)
    email_id = account.send(mail)
    assert account.statuses(email_id) == {"ann@example.com": "in_doubt"}
    account.later(timedelta(minutes=2, seconds=50))
    assert account.statuses(email_id) == {"ann@example.com": "in_doubt"}
    assert len(server.journal()) == 1
    account.later(timedelta(minutes=4))
    assert account.statuses(email_id) == {"ann@example.com": "sent"}
    first, second = server.journal()
    assert first.message_id == second.message_id == f"<{Delivery.across_tenants.get().pk}@acme.test>"
    assert outcomes() == [("in_doubt", "grace", ""), ("sent", "answer", "")]
    assert Delivery.across_tenants.get().attempts == 2
    assert [kind for kind, _ in account.events(email_id)] == ["email.queued", "email.sent"]
    account.later(timedelta(hours=30))
    assert len(server.journal()) == 2


def test_a_second_lost_answer_is_waited_for_twice_as_long(
    account: Account, server: FakeSmtp, mail: Message
) -> None:
    server.misbehave("cut", stage="dot", count=2)
    email_id = account.send(mail)
    account.later(timedelta(minutes=4))
    assert (len(server.journal()), account.statuses(email_id)) == (2, {"ann@example.com": "in_doubt"})
    account.later(timedelta(minutes=5))
    assert len(server.journal()) == 2
    account.later(timedelta(minutes=8))
    assert (len(server.journal()), account.statuses(email_id)) == (3, {"ann@example.com": "sent"})


def test_a_stream_that_says_at_most_once_never_repeats(
    account: Account, server: FakeSmtp, mail: Message
) -> None:
    account.change("transactional", delivery="at_most_once")
    server.misbehave("cut", stage="dot", count=1)
    email_id = account.send(mail)
    account.later(timedelta(minutes=2, seconds=50))
    assert account.statuses(email_id) == {"ann@example.com": "in_doubt"}
    account.later(timedelta(minutes=4))
    assert account.statuses(email_id) == {"ann@example.com": "unknown"}
    account.later(timedelta(hours=30))
    assert len(server.journal()) == 1
    assert outcomes() == [("in_doubt", "grace", "")]
    assert [kind for kind, _ in account.events(email_id)] == ["email.queued", "email.unknown"]


def test_a_canceled_email_is_not_sent_again_and_nobody_says_that_it_was_not_sent(
    account: Account, server: FakeSmtp, mail: Message, api: Callable[..., Api], acme: Actor
) -> None:
    server.misbehave("cut", stage="dot", count=1)
    email_id = account.send(mail)
    api(acme).post(f"/api/emails/{email_id}/cancel")
    assert Delivery.across_tenants.get().cancel_requested
    account.later(timedelta(minutes=4))
    assert account.statuses(email_id) == {"ann@example.com": "unknown"}
    assert len(server.journal()) == 1


def test_while_the_server_is_unreachable_mail_waits_and_then_goes_out_once(
    account: Account, mail: Message, api: Callable[..., Api], acme: Actor
) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        elsewhere = {"port": port, "tls": "none", "username": None, "password": None}
        assert api(acme).patch("/api/transports/main", {"settings": elsewhere}).status_code == 200
        with capture_logs() as lines:
            waiting = [account.send(mail), account.send(mail)]
            account.later(timedelta(minutes=1))
    told = [line for line in lines if line["event"].startswith("workers.smtp")]
    assert [(line["event"], line["log_level"]) for line in told] == [("workers.smtp.unreachable", "warning")]
    assert (told[0]["host"], told[0]["port"], told[0]["code"]) == ("127.0.0.1", port, "connect")
    assert [account.statuses(one) for one in waiting] == [{"ann@example.com": "deferred"}] * 2
    assert outcomes() == [("deferred", "answer", "network")] * 4
    with FakeSmtp(port=port) as back, capture_logs() as lines:
        account.later(timedelta(minutes=1))
        assert [account.statuses(one) for one in waiting] == [{"ann@example.com": "sent"}] * 2
        assert len(back.journal()) == 2
    assert "workers.smtp.reachable" in [line["event"] for line in lines]


def test_a_mail_that_some_recipients_may_not_get_is_told_apart(
    account: Account, server: FakeSmtp, mail: Message
) -> None:
    server.misbehave(Rule(stage=Stage.RECIPIENT, text="550 5.1.1 no such user", address="bob@example.com"))
    email_id = account.send(mail, to=["ann@example.com", "bob@example.com"], cc="cid@example.com")
    (taken,) = server.journal()
    assert taken.recipients == ["ann@example.com", "cid@example.com"]
    assert account.statuses(email_id) == {
        "ann@example.com": "sent",
        "bob@example.com": "failed",
        "cid@example.com": "sent",
    }
    assert account.email(email_id)["status"] == "failed"
    assert sorted(account.events(email_id)[3:]) == [
        ("email.failed", "bob@example.com"),
        ("email.sent", "ann@example.com"),
        ("email.sent", "cid@example.com"),
    ]
    bob = Recipient.across_tenants.get(address="bob@example.com")
    assert (bob.reason, bob.events.get(type="email.failed").data) == (
        "rejected",
        {"failed": {"reason": "rejected", "message": "no such user"}},
    )
    assert Delivery.across_tenants.get().state == "sent"
    account.later(timedelta(days=2))
    assert len(server.journal()) == 1
    assert account.statuses(email_id)["bob@example.com"] == "failed"


def test_who_is_asked_to_wait_gets_the_mail_later_and_nobody_gets_it_twice(
    account: Account, server: FakeSmtp, mail: Message
) -> None:
    server.misbehave(
        Rule(stage=Stage.RECIPIENT, text="550 5.1.1 no such user", address="bob@example.com"),
        Rule(stage=Stage.RECIPIENT, text="450 4.2.0 greylisted", address="cid@example.com", count=1),
    )
    three = ["ann@example.com", "bob@example.com", "cid@example.com"]
    email_id = account.send(mail, to=three)
    assert account.statuses(email_id) == dict(zip(three, ["sent", "failed", "deferred"], strict=True))
    assert account.email(email_id)["status"] == "deferred"
    account.later(timedelta(seconds=10))
    first, second = server.journal()
    assert (first.recipients, second.recipients) == (["ann@example.com"], ["cid@example.com"])
    assert first.message_id == second.message_id
    assert account.statuses(email_id) == dict(zip(three, ["sent", "failed", "sent"], strict=True))
    assert outcomes() == [("sent", "answer", "content"), ("sent", "answer", "")]
    assert Delivery.across_tenants.get().state == "sent"


def test_who_is_asked_to_wait_does_not_get_what_was_canceled_meanwhile(
    account: Account, server: FakeSmtp, mail: Message, monkeypatch: pytest.MonkeyPatch
) -> None:
    hand_over = SmtpTransport.send

    def canceled_meanwhile(self: SmtpTransport, *arguments: Any, **named: Any) -> Any:
        answers = hand_over(self, *arguments, **named)
        Delivery.across_tenants.update(cancel_requested=True)
        return answers

    monkeypatch.setattr(SmtpTransport, "send", canceled_meanwhile)
    server.misbehave(Rule(stage=Stage.RECIPIENT, text="450 4.2.0 greylisted", address="bob@example.com"))
    email_id = account.send(mail, to=["ann@example.com", "bob@example.com"])
    assert account.statuses(email_id) == {"ann@example.com": "sent", "bob@example.com": "canceled"}
    assert Delivery.across_tenants.get().state == "sent"


def test_a_wrong_password_lets_mail_wait_until_it_is_put_right(
    account: Account, server: FakeSmtp, mail: Message, api: Callable[..., Api], acme: Actor, work: Work
) -> None:
    assert api(acme).patch("/api/transports/main", {"settings": {"password": "wrong"}}).status_code == 200
    email_id = account.send(mail)
    assert account.statuses(email_id) == {"ann@example.com": "deferred"}
    assert outcomes() == [("deferred", "answer", "auth")]
    assert Delivery.across_tenants.get().attempts == 0
    api(acme).patch("/api/transports/main", {"settings": {"password": "secret"}})
    work.transports.close()
    account.later(timedelta(minutes=2))
    assert account.statuses(email_id) == {"ann@example.com": "sent"}


def test_a_refused_mail_fails_with_the_servers_words(
    account: Account, server: FakeSmtp, mail: Message
) -> None:
    server.misbehave("reply", text="550 5.7.1 looks like spam")
    email_id = account.send(mail)
    assert account.statuses(email_id) == {"ann@example.com": "failed"}
    attempt = Attempt.objects.get()
    assert (attempt.error_class, attempt.error_code, attempt.error_message) == (
        "content",
        "550 5.7.1",
        "looks like spam",
    )


def test_words_that_no_database_holds_do_not_stop_the_settling(
    account: Account, server: FakeSmtp, mail: Message
) -> None:
    server.misbehave("reply", text="550 5.7.1 a\0b \ud83d".encode("utf-8", "surrogatepass").decode("latin-1"))
    assert account.statuses(account.send(mail)) == {"ann@example.com": "failed"}
    assert Attempt.objects.get().error_message.startswith("a b")
