"""The fake is an SMTP server to a client that is not ours, notices what breaks the protocol, and survives a kill."""

import signal
import smtplib
import socket
import ssl
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import pytest

from tests.fakes.smtp import Certificate, FakeSmtp, Rule, Stage


@pytest.fixture(scope="module")
def running() -> Iterator[FakeSmtp]:
    with FakeSmtp() as server:
        yield server


@pytest.fixture
def server(running: FakeSmtp) -> FakeSmtp:
    running.reset()
    return running


def _mail(body: str = "Hello\n.\n..x\n") -> EmailMessage:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Message-ID"] = "a@acme.test", "b@example.org", "<m1@acme.test>"
    mail.set_content(body)
    return mail


def _trusting(server: FakeSmtp) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=server.ca_file)


@pytest.mark.parametrize("encryption", ["none", "starttls", "tls"])
def test_the_standard_librarys_client_is_served(server: FakeSmtp, encryption: str) -> None:
    if encryption == "tls":
        client: smtplib.SMTP = smtplib.SMTP_SSL(server.host, server.tls_port, context=_trusting(server))
    else:
        client = smtplib.SMTP(server.host, server.port)
    with client:
        if encryption == "starttls":
            client.starttls(context=_trusting(server))
        if encryption != "none":
            client.login("mailgrid", "secret")
        assert client.send_message(_mail()) == {}
    (taken,) = server.journal()
    assert (taken.sender, taken.recipients, taken.message_id) == (
        "a@acme.test",
        ["b@example.org"],
        "<m1@acme.test>",
    )
    assert taken.content.endswith(b"\r\n\r\nHello\r\n.\r\n..x\r\n")
    assert (taken.encrypted, taken.user) == (encryption != "none", "mailgrid" if encryption != "none" else "")
    assert server.violations() == []


def test_a_rule_strikes_as_often_as_it_says(server: FakeSmtp) -> None:
    server.misbehave(Rule(stage=Stage.SENDER, text="451 4.3.0 later", count=2))
    with smtplib.SMTP(server.host, server.port) as client:
        for _ in range(2):
            with pytest.raises(smtplib.SMTPSenderRefused):
                client.send_message(_mail())
        client.send_message(_mail())
    assert len(server.journal()) == 1


@pytest.mark.parametrize("certificate", [kind for kind in Certificate if kind is not Certificate.GOOD])
def test_bad_certificates_are_bad(server: FakeSmtp, certificate: Certificate) -> None:
    server.offer(certificate=certificate)
    with smtplib.SMTP(server.host, server.port) as client, pytest.raises(ssl.SSLCertVerificationError):
        client.starttls(context=_trusting(server))


_BEGIN = b"EHLO x\r\nMAIL FROM:<a@acme.test>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n"


@pytest.mark.parametrize(
    ("written", "violation"),
    [
        ([b"EHLO x\n"], "a command that is no line of ASCII"),
        ([b"EHLO x\r\nMAIL FROM:<a@acme.test>\r\n"], "did not wait for the answer to EHLO"),
        ([b"EHLO x\r\n", b"RSET " + b"x" * 600 + b"\r\n"], "a command of"),
        ([b"MAIL FROM:<a@acme.test>\r\n"], "out of place"),
        ([*_BEGIN.splitlines(keepends=True), b"a\nb\r\n.\r\n"], "a bare CR or LF"),
        ([*_BEGIN.splitlines(keepends=True), b".a\r\n.\r\n"], "a dot that is not doubled"),
        ([*_BEGIN.splitlines(keepends=True), b"\xc3\xa4\r\n.\r\n"], "8 bits that was not announced"),
        (
            [
                b"EHLO x\r\n",
                b"MAIL FROM:<a@acme.test> SIZE=9\r\n",
                *_BEGIN.splitlines(keepends=True)[2:],
                b"a\r\n.\r\n",
            ],
            "SIZE=9 for 3 bytes",
        ),
    ],
)
def test_what_breaks_the_protocol_is_noticed(server: FakeSmtp, written: list[bytes], violation: str) -> None:
    with socket.create_connection((server.host, server.port), timeout=5) as client:
        for piece in [b"", *written]:
            client.sendall(piece)
            client.recv(4_096)
    assert any(violation in found for found in server.violations()), server.violations()


def test_only_a_dot_between_crlf_ends_a_mail(server: FakeSmtp) -> None:
    with socket.create_connection((server.host, server.port), timeout=5) as client:
        for piece in [b"", *_BEGIN.splitlines(keepends=True), b"a\n.\nb\r.\rc\r\n.\nd\n.\r\ne\r\n.\r\n"]:
            client.sendall(piece)
            client.recv(4_096)
    assert [taken.content for taken in server.journal()] == [b"a\n.\nb\r.\rc\r\n\nd\n.\r\ne\r\n"]


def test_as_a_process_it_can_be_killed_and_remembers(tmp_path: Path) -> None:
    fake = FakeSmtp(own_process=True, journal=tmp_path / "journal", fsync=True)
    fake.start()
    try:
        with smtplib.SMTP(fake.host, fake.port) as client:
            client.send_message(_mail())
        fake.process.send_signal(signal.SIGKILL)
        fake.process.wait()
        fake.stop()
        fake.start()
        assert [taken.message_id for taken in fake.journal()] == ["<m1@acme.test>"]
    finally:
        fake.stop()
