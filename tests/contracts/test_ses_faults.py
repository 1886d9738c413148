"""However SES misbehaves: the expected class, and exactly one request on the wire (S05, S11, S12)."""

import contextlib
import socket
import ssl
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from unittest import mock

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from emails.composition.envelope import Envelope
from emails.delivery.ports import Answer, ErrorClass, Receipt, TransportError
from tests.contracts.ses_mail import envelope, transport
from tests.fakes.ses import FakeSes, Mode
from workers import wire
from workers.adapters import sns
from workers.adapters.sns import Refusal, SnsRefused, confirm_subscription
from workers.transports.ses import SesTransport

_MAIL = [envelope()]

_EXPECTED: dict[Mode, ErrorClass] = {
    Mode.THROTTLE: ErrorClass.THROTTLED,
    Mode.QUOTA: ErrorClass.QUOTA,
    Mode.PAUSED: ErrorClass.PAUSED,
    Mode.SUSPENDED: ErrorClass.PAUSED,
    Mode.REJECTED: ErrorClass.CONTENT,
    Mode.UNVERIFIED: ErrorClass.IDENTITY,
    Mode.FORBIDDEN: ErrorClass.AUTH,
    Mode.EXPIRED: ErrorClass.AUTH,
    Mode.NOT_FOUND: ErrorClass.AUTH,
    Mode.ERROR_BEFORE: ErrorClass.DOUBT,
    Mode.ERROR_AFTER: ErrorClass.DOUBT,
    Mode.UNAVAILABLE_BEFORE: ErrorClass.DOUBT,
    Mode.UNAVAILABLE_AFTER: ErrorClass.DOUBT,
    Mode.HANG_BEFORE: ErrorClass.DOUBT,
    Mode.HANG_AFTER: ErrorClass.DOUBT,
    Mode.CLOSE_BEFORE: ErrorClass.DOUBT,
    Mode.CLOSE_AFTER: ErrorClass.DOUBT,
    Mode.CLOSE_MID_RESPONSE: ErrorClass.DOUBT,
    Mode.NO_MESSAGE_ID: ErrorClass.DOUBT,
    Mode.TRUNCATED_JSON: ErrorClass.DOUBT,
    Mode.SLOW_DRIP: ErrorClass.DOUBT,
    Mode.HUGE_ANSWER: ErrorClass.DOUBT,
}


@pytest.fixture(scope="module")
def running() -> Iterator[FakeSes]:
    with FakeSes() as ses:
        yield ses


@pytest.fixture
def ses(running: FakeSes) -> FakeSes:
    running.reset()
    return running


@pytest.fixture
def sender(ses: FakeSes) -> Iterator[SesTransport]:
    with transport(ses.url) as sender:
        yield sender


def _soon(seconds: float = 1.0) -> float:
    return time.monotonic() + seconds


def _error(answer: Answer) -> TransportError:
    assert isinstance(answer, TransportError)
    return answer


def test_every_misbehaviour_has_an_expectation() -> None:
    assert set(Mode) == set(_EXPECTED) | {Mode.OK, Mode.IDLE_CLOSE}


@pytest.mark.parametrize("reused", [False, True], ids=["new-connection", "kept-connection"])
@pytest.mark.parametrize("mode", _EXPECTED)
def test_one_call_is_one_request_with_one_proof(
    ses: FakeSes, sender: SesTransport, mode: Mode, reused: bool
) -> None:
    if reused:
        assert isinstance(sender.send(_MAIL, deadline=_soon())[0], Receipt)
    before = ses.counters().get("requests.SendEmail", 0)
    ses.misbehave(mode)
    (answer,) = sender.send(_MAIL, deadline=_soon(0.4))
    assert _error(answer).kind is _EXPECTED[mode]
    ses.misbehave(Mode.OK)
    assert ses.counters()["requests.SendEmail"] - before == 1
    assert isinstance(sender.send(_MAIL, deadline=_soon())[0], Receipt)


def test_a_drip_ends_at_the_deadline_and_its_connection_is_closed(ses: FakeSes, sender: SesTransport) -> None:
    ses.misbehave(Mode.SLOW_DRIP, drip_ms=50)
    began = time.monotonic()
    (answer,) = sender.send(_MAIL, deadline=began + 0.5)
    assert 0.5 <= time.monotonic() - began < 0.8
    assert (_error(answer).kind, _error(answer).code) == (ErrorClass.DOUBT, "deadline")
    assert not sender._wire._idle


def test_silence_ends_at_the_read_timeout(
    ses: FakeSes, sender: SesTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "READ_TIMEOUT", 0.2)
    ses.misbehave(Mode.HANG_AFTER)
    (answer,) = sender.send(_MAIL, deadline=_soon(10))
    assert (_error(answer).kind, _error(answer).code) == (ErrorClass.DOUBT, "read_timeout")


def test_an_answer_of_100_mb_costs_no_memory(ses: FakeSes, sender: SesTransport) -> None:
    ses.misbehave(Mode.HUGE_ANSWER)
    tracemalloc.start()
    try:
        (answer,) = sender.send(_MAIL, deadline=_soon(10))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (_error(answer).kind, _error(answer).code) == (ErrorClass.DOUBT, "answer_too_large")
    assert peak < 2 * 1024 * 1024


def test_past_the_deadline_nothing_is_written(ses: FakeSes, sender: SesTransport) -> None:
    (answer,) = sender.send(_MAIL, deadline=time.monotonic() - 0.001)
    assert answer == TransportError(
        kind=ErrorClass.NETWORK, code="deadline", message="deadline passed before the call"
    )
    assert "requests" not in ses.counters()


def test_a_connection_closed_while_idle_is_no_doubt(ses: FakeSes, sender: SesTransport) -> None:
    ses.misbehave(Mode.IDLE_CLOSE)
    for _ in range(5):
        assert isinstance(sender.send(_MAIL, deadline=_soon())[0], Receipt)
        time.sleep(0.02)
    assert ses.counters()["requests.SendEmail"] == len(ses.journal()) == 5


def test_a_connection_idle_for_too_long_is_not_used_again(
    ses: FakeSes, sender: SesTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    sender.send(_MAIL, deadline=_soon())
    (kept,) = sender._wire._idle
    monkeypatch.setattr(wire, "MAX_IDLE_SECONDS", 0.0)
    sender.send(_MAIL, deadline=_soon())
    assert kept.connection.sock is None


def test_a_refused_connection_is_provably_not_sent() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        answer = _send_to(url)
    assert (_error(answer).kind, _error(answer).code) == (ErrorClass.NETWORK, "connect")


def test_an_unknown_host_is_provably_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", mock.Mock(side_effect=socket.gaierror(-2, "not known")))
    answer = _send_to("http://ses.invalid")
    assert (_error(answer).kind, _error(answer).code) == (ErrorClass.NETWORK, "dns")


def test_a_failed_tls_handshake_is_provably_not_sent() -> None:
    with _listening(lambda connection: connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as url:
        answer = _send_to(url.replace("http:", "https:"))
    assert (_error(answer).kind, _error(answer).code) == (ErrorClass.NETWORK, "tls")


def test_a_tls_handshake_without_answer_ends_at_the_deadline() -> None:
    with _listening(lambda connection: connection.recv(65_536) and time.sleep(0.5)) as url:
        answer = _send_to(url.replace("http:", "https:"), seconds=0.3)
    assert (_error(answer).kind, _error(answer).code) == (ErrorClass.NETWORK, "connect_timeout")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A PEM file with a key and a certificate for 127.0.0.1 that nobody trusts by default."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ses")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, SHA256())
    )
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    path.write_bytes(pem + signed.public_bytes(Encoding.PEM))
    return path


@pytest.fixture
def tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def _accept(connection: socket.socket) -> None:
    connection.recv(65_536)
    connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 22\r\n\r\n{"MessageId":"0102-a"}')


def test_tls_trusts_whom_boto3_would_trust(
    tls: ssl.SSLContext, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", str(certificate))
    with _listening(_accept, tls) as url:
        assert _send_to(url) == Receipt(provider_message_id="0102-a")


def test_an_untrusted_certificate_is_provably_not_sent(tls: ssl.SSLContext) -> None:
    with _listening(_accept, tls) as url:
        answer = _send_to(url)
    assert (_error(answer).kind, _error(answer).code) == (ErrorClass.NETWORK, "tls")


@pytest.mark.parametrize("size", [100, 20_000_000])
def test_tls_keeps_the_deadline_too(
    tls: ssl.SSLContext, certificate: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", str(certificate))
    with _listening(lambda connection: time.sleep(0.8), tls) as url:
        large = envelope(text="x" * size)
        began = time.monotonic()
        answer = _send_to(url, large, seconds=0.4)
        assert time.monotonic() - began < 0.75
    assert (_error(answer).kind, _error(answer).code) == (ErrorClass.DOUBT, "deadline")


def test_a_reader_that_stalls_cannot_hold_a_large_mail_up() -> None:
    with _listening(lambda connection: time.sleep(1.0)) as url:
        large = envelope(text="x" * 20_000_000)
        began = time.monotonic()
        answer = _send_to(url, large, seconds=0.5)
        assert time.monotonic() - began < 0.9
    assert (_error(answer).kind, _error(answer).code) == (ErrorClass.DOUBT, "deadline")


def test_a_refusal_before_the_end_of_a_large_body_is_read() -> None:
    def refuse(connection: socket.socket) -> None:
        connection.recv(65_536)
        connection.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        connection.shutdown(socket.SHUT_WR)
        time.sleep(0.2)
        while connection.recv(1 << 20):
            pass

    with _listening(refuse) as url:
        answer = _send_to(url, envelope(text="x" * 5_000_000), seconds=5)
    assert _error(answer).kind is ErrorClass.CONTENT


def test_a_cut_refusal_is_still_provably_not_sent() -> None:
    def refuse(connection: socket.socket) -> None:
        connection.recv(65_536)
        connection.sendall(
            b"HTTP/1.1 400 Bad\r\nx-amzn-ErrorType: MessageRejected\r\nContent-Length: 99\r\n\r\n{"
        )

    with _listening(refuse) as url:
        answer = _send_to(url)
    assert (_error(answer).kind, _error(answer).code) == (ErrorClass.CONTENT, "MessageRejected")


@pytest.mark.parametrize(
    "words", [b"garbage\r\n\r\n", b"", b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\nA"]
)
def test_an_answer_that_is_none_is_a_doubt(words: bytes) -> None:
    def speak(connection: socket.socket) -> None:
        connection.recv(65_536)
        connection.sendall(words)

    with _listening(speak) as url:
        answer = _send_to(url)
    assert _error(answer).kind is ErrorClass.DOUBT


def test_a_redirect_is_not_followed() -> None:
    def redirect(connection: socket.socket) -> None:
        connection.recv(65_536)
        connection.sendall(b"HTTP/1.1 307 Go\r\nLocation: http://ses.invalid/\r\nContent-Length: 0\r\n\r\n")

    with _listening(redirect) as url:
        answer = _send_to(url)
    assert (_error(answer).kind, _error(answer).code) == (ErrorClass.DOUBT, "http_307")


def test_our_own_error_before_the_call_is_a_bug(ses: FakeSes, sender: SesTransport) -> None:
    (answer,) = sender.send([envelope(text="\ud800")], deadline=_soon())
    assert _error(answer).kind is ErrorClass.BUG
    assert [_error(one).kind for one in sender.send(_MAIL * 2, deadline=_soon())] == [ErrorClass.BUG] * 2
    assert "requests" not in ses.counters()


def test_a_credential_that_would_add_a_header_is_never_written(ses: FakeSes) -> None:
    with transport(ses.url, access_key_id="AKID\r\nX-Evil: 1") as sender:
        (answer,) = sender.send(_MAIL, deadline=_soon())
    assert _error(answer).kind is ErrorClass.BUG
    assert "requests" not in ses.counters()


def test_a_closed_transport_keeps_no_connection(ses: FakeSes, sender: SesTransport) -> None:
    sender.close()
    assert isinstance(sender.send(_MAIL, deadline=_soon())[0], Receipt)
    assert not sender._wire._idle


def test_no_credentials_are_the_accounts_problem(ses: FakeSes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("botocore.session.Session.get_credentials", lambda _: None)
    with transport(ses.url, access_key_id=None, secret_access_key=None) as sender:
        (answer,) = sender.send(_MAIL, deadline=_soon())
    assert (_error(answer).kind, _error(answer).code) == (ErrorClass.AUTH, "NoCredentialsError")


def test_sixteen_threads_share_a_transport(ses: FakeSes, sender: SesTransport) -> None:
    answers: list[Answer] = []

    def work() -> None:
        for _ in range(20):
            answers.extend(sender.send(_MAIL, deadline=_soon(10)))

    threads = [threading.Thread(target=work) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    receipts = {answer.provider_message_id for answer in answers if isinstance(answer, Receipt)}
    assert receipts == {accept.ses_id for accept in ses.journal()}
    assert len(receipts) == 320


def test_a_subscription_is_confirmed_by_the_api(ses: FakeSes) -> None:
    token = ses.subscribe("http://127.0.0.1:9/hooks/ses/secret")
    arn = confirm_subscription(ses.topic_arn, token, "eu-west-1", endpoint_url=ses.url)
    assert arn.startswith(ses.topic_arn)
    with pytest.raises(SnsRefused) as refused:
        confirm_subscription(ses.topic_arn, "wrong", "eu-west-1", endpoint_url=ses.url)
    assert refused.value.reason is Refusal.CONFIRMATION


def test_a_certificate_is_fetched_within_bounds(ses: FakeSes, monkeypatch: pytest.MonkeyPatch) -> None:
    def endless(connection: socket.socket) -> None:
        connection.recv(65_536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 100_000)

    def dripping(connection: socket.socket) -> None:
        connection.recv(65_536)
        for byte in b"HTTP/1.1 200 OK\r\n" * 10:
            connection.sendall(bytes([byte]))
            time.sleep(0.05)

    monkeypatch.setattr(sns, "_TOTAL_SECONDS", 0.4)
    for server in (endless, dripping):
        with _listening(server) as url, pytest.raises(SnsRefused) as refused:
            sns.fetch_certificate(f"{url}/SimpleNotificationService-ab.pem")
        assert refused.value.transient


def _send_to(url: str, mail: Envelope = _MAIL[0], *, seconds: float = 1.0) -> Answer:
    """What a transport of its own makes of one mail and the server at `url`."""
    with transport(url) as sender:
        (answer,) = sender.send([mail], deadline=_soon(seconds))
    return answer


class _listening:
    """A server for one connection, whose whole behaviour is a function of it; the context is its URL."""

    def __init__(self, behave: Callable[[socket.socket], object], tls: ssl.SSLContext | None = None) -> None:
        self._behave = behave
        self._tls = tls

    def __enter__(self) -> str:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()
        return f"http{'s' if self._tls else ''}://127.0.0.1:{self._listener.getsockname()[1]}"

    def __exit__(self, *_: object) -> None:
        self._thread.join()
        self._listener.close()

    def _serve(self) -> None:
        connection, _ = self._listener.accept()
        with contextlib.suppress(ConnectionError, ssl.SSLError), connection:
            if self._tls is None:
                self._behave(connection)
                return
            with self._tls.wrap_socket(connection, server_side=True) as secured:
                self._behave(secured)
