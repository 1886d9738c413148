"""An SMTP session from its beginning to its end: who is talked to, what goes over the wire, and how long it is kept."""

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from emails.delivery.ports import ErrorClass, Receipt, TransportError
from mailgrid.core.addresses import Mailbox
from tests.contracts.ses_mail import envelope
from tests.contracts.smtp_mail import LISTED, assert_well, error_of, send, transport
from tests.fakes.smtp import Action, Certificate, FakeSmtp, Rule, Stage
from workers.transports import smtp_breaker, smtp_connection, smtp_pool
from workers.transports.smtp import SmtpTransport
from workers.transports.smtp_account import SmtpAccount


@pytest.fixture(scope="module")
def running() -> Iterator[FakeSmtp]:
    with FakeSmtp() as server:
        yield server


@pytest.fixture
def server(running: FakeSmtp) -> Iterator[FakeSmtp]:
    """Behaves until told otherwise; whatever it does, the client keeps to the protocol."""
    running.reset()
    yield running
    assert running.violations() == []


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smtp_connection, "ANSWER_SECONDS", 0.05)
    monkeypatch.setattr(smtp_breaker, "COOL_DOWN_SECONDS", 0.0)


@pytest.fixture
def sender(server: FakeSmtp) -> Iterator[SmtpTransport]:
    with transport(server) as sender:
        yield sender


# What a kept session is worth.


def test_a_session_that_the_server_has_left_costs_the_mail_nothing(
    server: FakeSmtp, sender: SmtpTransport
) -> None:
    server.misbehave(Action.LEAVE)
    for _ in range(3):
        assert isinstance(send(sender), Receipt)
        time.sleep(0.02)
    assert (server.counts()["connections"], len(server.journal())) == (3, 3)


def test_a_server_that_was_kept_waiting_too_long_is_asked_anew(
    server: FakeSmtp, sender: SmtpTransport
) -> None:
    send(sender)
    server.misbehave("reply", stage=Stage.SENDER, text="421 4.4.2 timeout exceeded", count=1)
    assert isinstance(send(sender), Receipt)
    assert (server.counts()["connections"], len(server.journal())) == (2, 2)


def test_a_session_that_rested_is_asked_before_a_mail_is_risked_on_it(
    server: FakeSmtp, sender: SmtpTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smtp_pool, "MAX_TRUSTED_SECONDS", 0.0)
    send(sender)
    assert isinstance(send(sender), Receipt)
    assert (server.counts()["noop"], server.counts()["connections"]) == (1, 1)
    server.misbehave("reply", stage=Stage.BETWEEN, text="421 4.4.2 bye")
    assert isinstance(send(sender), Receipt)
    assert (server.counts()["noop"], server.counts()["connections"]) == (2, 2)


def test_a_session_that_nobody_needed_is_given_up(
    server: FakeSmtp, sender: SmtpTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(sender)
    monkeypatch.setattr(smtp_pool, "MAX_IDLE_SECONDS", 0.0)
    send(sender)
    assert (server.counts()["quit"], server.counts()["connections"]) == (1, 2)


def test_a_session_carries_a_hundred_mails(
    server: FakeSmtp, sender: SmtpTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert smtp_pool.MAX_MAILS == 100
    monkeypatch.setattr(smtp_pool, "MAX_MAILS", 3)
    for _ in range(7):
        send(sender)
    assert [one.connection - server.journal()[0].connection for one in server.journal()] == [
        0,
        0,
        0,
        1,
        1,
        1,
        2,
    ]


def test_a_session_whose_mail_could_not_be_taken_back_is_not_used_again(
    server: FakeSmtp, sender: SmtpTransport
) -> None:
    server.misbehave(
        Rule(stage=Stage.RECIPIENT, text="550 5.1.1 nobody", count=1),
        Rule(stage=Stage.BETWEEN, text="500 5.5.1 what?", count=1),
    )
    send(sender)
    assert_well(server, sender)
    assert (server.counts()["rset"], server.counts()["connections"]) == (1, 2)


# Who is talked to, and how.


def test_a_refused_connection_is_provably_not_sent() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        account = SmtpAccount(
            host="127.0.0.1", port=unused.getsockname()[1], tls="none", allowed_hosts=LISTED
        )
        sender = SmtpTransport(account, name="main")
        error = error_of(send(sender))
    assert (error.kind, error.code) == (ErrorClass.NETWORK, "connect")
    checked = sender.check()
    assert checked is not None
    assert checked.code == "connect"


def test_an_address_inside_is_not_connected_to(server: FakeSmtp) -> None:
    with transport(server, allowed_hosts=frozenset()) as sender:
        error = error_of(send(sender))
        assert (error.kind, error.code) == (ErrorClass.AUTH, "forbidden_host")
        assert sender.check() == error
    assert server.counts() == {}


@pytest.mark.parametrize("tls", ["starttls", "tls"])
@pytest.mark.parametrize("certificate", [kind for kind in Certificate if kind is not Certificate.GOOD])
def test_a_bad_certificate_gets_neither_password_nor_mail(
    server: FakeSmtp, certificate: Certificate, tls: str
) -> None:
    server.offer(certificate=certificate)
    with transport(server, tls=tls) as sender:
        error = error_of(send(sender))
        assert (error.kind, error.code) == (ErrorClass.NETWORK, "tls")
        assert "CERTIFICATE_VERIFY_FAILED" in error.message
        checked = sender.check()
        assert checked is not None
        assert checked.code == "tls"
    assert server.journal() == []
    assert "auth" not in server.counts()


def test_an_authority_that_is_not_trusted_is_not_talked_to(server: FakeSmtp) -> None:
    with transport(server, context=SmtpAccount(host="x", port=1, tls="none").context) as sender:
        assert error_of(send(sender)).code == "tls"


def test_the_authorities_come_from_a_file_of_the_environment(
    server: FakeSmtp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(server.ca_file))
    with transport(server, context=SmtpAccount(host="x", port=1, tls="none").context) as sender:
        assert isinstance(send(sender), Receipt)
    assert server.journal()[0].encrypted


@pytest.mark.parametrize("tls", ["starttls", "tls"])
def test_the_password_goes_into_an_encrypted_session(server: FakeSmtp, tls: str) -> None:
    server.offer(auth_required=True)
    with transport(server, tls=tls, host="localhost") as sender:
        assert sender.check() is None
        assert isinstance(send(sender), Receipt)
    (taken,) = server.journal()
    assert (taken.encrypted, taken.user) == (True, "mailgrid")
    assert "passwords in the clear" not in server.counts()


def test_encryption_that_was_asked_for_is_not_gone_without(server: FakeSmtp) -> None:
    server.offer(starttls=False)
    with transport(server, username=None) as sender:
        error = error_of(send(sender))
        assert (error.kind, error.code) == (ErrorClass.AUTH, "no_starttls")
    assert "mail" not in server.counts()


def test_words_in_the_clear_are_not_believed_once_it_is_encrypted(server: FakeSmtp) -> None:
    """Else somebody on the way could answer for the server (RFC 3207 6)."""
    with transport(server) as sender:
        server.misbehave("reply", stage=Stage.TLS, text="220 go\r\n250 fake.example")
        error = error_of(send(sender))
        assert (error.kind, error.code) == (ErrorClass.NETWORK, "bad_reply")
    assert server.journal() == []


def test_a_password_goes_in_the_clear_to_listed_hosts_alone(
    server: FakeSmtp, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.offer(plain_auth=True)
    with transport(server, tls="none") as sender:
        assert isinstance(send(sender), Receipt)
    assert server.counts()["passwords in the clear"] == 1
    server.reset()
    server.offer(plain_auth=True)
    monkeypatch.setattr("workers.dialing.is_public", lambda _: True)
    with transport(server, tls="none", allowed_hosts=frozenset()) as sender:
        error = error_of(send(sender))
        assert (error.kind, error.code) == (ErrorClass.AUTH, "unencrypted_login")
    assert "auth" not in server.counts()


@pytest.mark.parametrize(
    ("mechanisms", "used"),
    [
        (("PLAIN", "LOGIN"), b"AUTH PLAIN AG"),
        (("LOGIN", "CRAM-MD5"), b"AUTH LOGIN\r\n"),
        (("CRAM-MD5", "PLAIN"), b"AUTH PLAIN AG"),
    ],
)
def test_it_logs_in_by_what_is_offered(server: FakeSmtp, mechanisms: tuple[str, ...], used: bytes) -> None:
    server.offer(mechanisms=mechanisms, auth_required=True)
    with transport(server) as sender:
        assert isinstance(send(sender), Receipt)
    assert [chunk for _, chunk in server.heard() if chunk.startswith(used)]


def test_a_long_password_gets_a_line_of_its_own() -> None:
    long = "x" * 1_024
    with FakeSmtp(credentials={"mailgrid": long}) as server, transport(server, password=long) as sender:
        assert isinstance(send(sender), Receipt)
        assert server.journal()[0].user == "mailgrid"
        assert (1, b"AUTH PLAIN\r\n") in server.heard()


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_a_wrong_password_is_told_and_stands_nowhere(server: FakeSmtp, mechanism: str) -> None:
    server.offer(mechanisms=[mechanism])
    with transport(server, password="hunter2") as sender:
        error = error_of(send(sender))
        assert (error.kind, error.code) == (ErrorClass.AUTH, "535 5.7.8")
        assert error == sender.check()
        assert "hunter2" not in repr((error, sender._account))


@pytest.mark.parametrize("mechanisms", [(), ("CRAM-MD5",)])
def test_without_a_way_to_log_in_nothing_is_sent(server: FakeSmtp, mechanisms: tuple[str, ...]) -> None:
    server.offer(mechanisms=mechanisms)
    with transport(server) as sender:
        error = error_of(send(sender))
        assert (error.kind, error.code) == (ErrorClass.AUTH, "no_auth_mechanism")
    assert server.journal() == []


def test_a_dead_server_is_tried_by_one_and_not_by_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smtp_breaker, "COOL_DOWN_SECONDS", 60.0)
    with FakeSmtp() as server, transport(server) as sender:
        server.misbehave("reply", stage=Stage.LOGIN, text="535 5.7.8 wrong")
        errors = [error_of(send(sender)) for _ in range(10)]
        assert server.counts()["auth"] == 1
        assert {(error.kind, error.code) for error in errors} == {(ErrorClass.AUTH, "535 5.7.8")}
        server.misbehave()
        assert sender.check() is None  # an operator who asks gets an answer of now


# What goes over the wire.


def _commands(server: FakeSmtp) -> list[bytes]:
    return [chunk for _, chunk in server.heard() if chunk.startswith((b"MAIL", b"RCPT", b"DATA"))]


_TO_TWO = envelope(to=(Mailbox(address="ann@example.org"),), bcc=(Mailbox(address="eve@example.com"),))


def test_the_whole_envelope_goes_in_one_write_where_the_server_reads_ahead(
    server: FakeSmtp, sender: SmtpTransport
) -> None:
    assert isinstance(send(sender, _TO_TWO), Receipt)
    (taken,) = server.journal()
    assert _commands(server) == [
        b"MAIL FROM:<hello@acme.example> SIZE=%d\r\n" % taken.size
        + b"RCPT TO:<ann@example.org>\r\nRCPT TO:<eve@example.com>\r\nDATA\r\n"
    ]
    assert taken.recipients == ["ann@example.org", "eve@example.com"]


def test_it_goes_command_by_command_where_the_server_does_not(
    server: FakeSmtp, sender: SmtpTransport
) -> None:
    server.offer(pipelining=False, size=None, eight_bit=False)
    assert isinstance(send(sender, _TO_TWO), Receipt)
    assert _commands(server) == [
        b"MAIL FROM:<hello@acme.example>\r\n",
        b"RCPT TO:<ann@example.org>\r\n",
        b"RCPT TO:<eve@example.com>\r\n",
        b"DATA\r\n",
    ]


def test_fifty_recipients_are_one_transaction(server: FakeSmtp, sender: SmtpTransport) -> None:
    everybody = tuple(Mailbox(address=f"{'x' * 60}{number}@example.org") for number in range(50))
    assert isinstance(send(sender, envelope(to=everybody)), Receipt)
    assert len(server.journal()[0].recipients) == 50


def test_dots_and_line_ends_arrive_as_they_were(server: FakeSmtp, sender: SmtpTransport) -> None:
    assert isinstance(send(sender, envelope(html=None, text=".\n..\r\n.x\r.\n\nend.")), Receipt)
    assert server.journal()[0].content.endswith(b"\r\n\r\n.\r\n..\r\n.x\r\n.\r\n\r\nend.\r\n")


def test_we_say_who_we_are(server: FakeSmtp) -> None:
    with transport(server, hello="mailgrid.example.com") as sender:
        sender.check()
    with transport(server) as sender:
        sender.check()
    greetings = [chunk for _, chunk in server.heard() if chunk.startswith(b"EHLO")]
    assert greetings == [b"EHLO mailgrid.example.com\r\n"] * 2 + [b"EHLO [127.0.0.1]\r\n"] * 2


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("250 2.0.0 Ok: queued as 4F2A1B", "4F2A1B"),
        ("250 2.0.0 thank you", "01981e2c-5d3a-7c41-9a57-3f0c1b2d4e5f@acme.example"),
    ],
)
def test_a_receipt_names_the_mail_as_the_server_does_or_by_its_message_id(
    server: FakeSmtp, sender: SmtpTransport, text: str, name: str
) -> None:
    server.misbehave("reply", text=text)
    assert send(sender) == Receipt(provider_message_id=name)


def test_some_recipients_are_refused_and_the_others_get_their_mail(
    server: FakeSmtp, sender: SmtpTransport
) -> None:
    server.misbehave(
        Rule(stage=Stage.RECIPIENT, text="550 5.1.1 nobody", address="bob@example.org"),
        Rule(stage=Stage.RECIPIENT, text="452 4.5.3 too many recipients", address="cid@example.org"),
    )
    three = tuple(Mailbox(address=f"{name}@example.org") for name in ("ann", "bob", "cid"))
    answer = send(sender, envelope(to=three))
    (taken,) = server.journal()
    assert taken.recipients == ["ann@example.org"]
    assert answer == Receipt(
        provider_message_id=taken.queue_id,
        refused={
            "bob@example.org": TransportError(kind=ErrorClass.CONTENT, code="550 5.1.1", message="nobody"),
            "cid@example.org": TransportError(
                kind=ErrorClass.THROTTLED, code="452 4.5.3", message="too many recipients"
            ),
        },
    )


def test_no_more_sessions_are_open_than_the_pool_has(server: FakeSmtp) -> None:
    with transport(server, pool_size=1) as sender:
        server.misbehave(Action.HANG, count=1)
        hanging = threading.Thread(target=send, args=(sender,), kwargs={"seconds": 1.0})
        hanging.start()
        while not server.counts().get("faults"):
            time.sleep(0.005)
        error = error_of(send(sender, seconds=0.2))
        assert (error.kind, error.code) == (ErrorClass.THROTTLED, "busy")
        hanging.join()
        assert isinstance(send(sender), Receipt)
    assert server.counts()["connections"] == 2


def test_a_closed_transport_keeps_nothing_open(server: FakeSmtp) -> None:
    with transport(server) as sender:
        send(sender)
        sender.close()
        assert server.counts().get("quit", 0) <= 1
        assert isinstance(send(sender), Receipt)
        assert not sender._pool._idle
