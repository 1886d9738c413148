"""Every transport keeps the promises of `emails.delivery.ports.Transport`; the fake for tests included."""

import time
from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, nullcontext
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.utils import getaddresses
from typing import Any, Final, cast
from uuid import UUID

import pytest
from django.db import OperationalError

from emails.composition.envelope import Attachment, Envelope
from emails.composition.shape import Shape, shape_of
from emails.delivery.ports import Answer, AttemptKey, ErrorClass, Receipt, Transport, TransportError
from emails.sandbox import services as sandbox
from emails.sandbox.models import CapturedMail
from emails.transports import services
from emails.transports.models import SANDBOX_ID
from emails.transports.models import Transport as TransportRow
from mailgrid.core.addresses import Mailbox
from mailgrid.core.clock import now
from mailgrid.core.ids import uuid7
from mailgrid.core.scoping import in_scope
from tenants.audit.services import SYSTEM
from tests.conftest import Actor
from tests.contracts.ses_mail import envelope
from tests.fakes.ses import FakeSes, RecordedRequest
from tests.fakes.smtp import FakeSmtp
from workers.transports import registry
from workers.transports.memory import MemoryTransport

pytestmark = pytest.mark.django_db

KINDS: Final = sorted(kind.value for kind in registry._BUILDERS)
LOST: Final = TransportError(kind=ErrorClass.DOUBT, code="lost", message="The answer was lost.")
REFUSED: Final = TransportError(kind=ErrorClass.CONTENT, code="refused", message="Not this mail.")

Make = Callable[..., Envelope]


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived:
    """A mail as the other side got it. What a transport's other side does not keep is None."""

    attempt: AttemptKey
    sender: tuple[str, str]
    recipients: Sequence[str]
    subject: str
    html: str | None
    text: str | None
    headers: Mapping[str, str]
    files: Sequence[tuple[str, str, int]]
    by_kind: Mapping[str, Sequence[str]] | None = None
    reply_to: Sequence[tuple[str, str]] | None = None
    contents: Sequence[tuple[bytes, str | None]] | None = None


@dataclass(slots=True, kw_only=True)
class Subject:
    """A transport and its other side: what arrived there, and how to make it refuse or fail the next mail."""

    transport: Transport
    arrived: Callable[[], list[Arrived]]
    refuse: Callable[[], Any]
    refused_address: str = "ann@example.org"
    fail: Callable[[], Any]
    calls_out: bool = False


@pytest.fixture(scope="module")
def running_ses() -> Iterator[FakeSes]:
    with FakeSes() as ses:
        yield ses


@pytest.fixture(scope="module")
def running_smtp() -> Iterator[FakeSmtp]:
    with FakeSmtp() as server:
        yield server


def _memory(_actor: Actor, _request: pytest.FixtureRequest) -> Subject:
    row = TransportRow(name="memory", kind=TransportRow.Kind.MEMORY)
    transport = cast(MemoryTransport, registry.build(row))
    return Subject(
        transport=transport,
        arrived=lambda: [_as_given(one) for one in transport.taken],
        refuse=lambda: transport.failures.append(REFUSED),
        fail=lambda: transport.failures.append(LOST),
    )


def _sandbox(_actor: Actor, request: pytest.FixtureRequest) -> Subject:
    patch = request.getfixturevalue("monkeypatch")

    def away(*_: Any, **__: Any) -> None:
        raise OperationalError("database is locked")

    return Subject(
        transport=registry.build(TransportRow.across_tenants.get(pk=SANDBOX_ID)),
        arrived=lambda: [_captured(row) for row in CapturedMail.across_tenants.order_by("id")],
        refuse=lambda: None,
        refused_address="fail@simulator.mailgrid.test",
        fail=lambda: patch.setattr(sandbox, "store_notifications", away),
    )


def _ses(actor: Actor, request: pytest.FixtureRequest) -> Subject:
    ses: FakeSes = request.getfixturevalue("running_ses")
    ses.reset()
    request.getfixturevalue("settings").UNSAFE_HOSTS = {"127.0.0.1"}
    account = {"region": "eu-west-1", "access_key_id": "AKIDTEST", "secret_access_key": "secret"}
    with in_scope(actor.tenant.pk, test=False):
        row = services.create(
            tenant_id=actor.tenant.pk,
            operator=False,
            values={"name": "main", "kind": "ses", "settings": {**account, "endpoint_url": ses.url}},
            actor=SYSTEM,
            now=now(),
        ).transport
    return Subject(
        transport=registry.build(row),
        arrived=lambda: _accepted(ses),
        refuse=lambda: ses.misbehave("rejected", count=1),
        fail=lambda: ses.misbehave("close_after", count=1),
        calls_out=True,
    )


def _smtp(actor: Actor, request: pytest.FixtureRequest) -> Subject:
    server: FakeSmtp = request.getfixturevalue("running_smtp")
    server.reset()
    request.getfixturevalue("settings").UNSAFE_HOSTS = {"127.0.0.1"}
    request.getfixturevalue("monkeypatch").setenv("SSL_CERT_FILE", str(server.ca_file))
    account = {"host": "127.0.0.1", "port": server.port, "username": "mailgrid", "password": "secret"}
    with in_scope(actor.tenant.pk, test=False):
        row = services.create(
            tenant_id=actor.tenant.pk,
            operator=False,
            values={"name": "main", "kind": "smtp", "settings": account},
            actor=SYSTEM,
            now=now(),
        ).transport
    return Subject(
        transport=registry.build(row),
        arrived=lambda: _taken(server),
        refuse=lambda: server.misbehave("reply", stage="dot", text="550 5.7.1 not this mail", count=1),
        fail=lambda: server.misbehave("cut", stage="dot", count=1),
        calls_out=True,
    )


_SUBJECTS: Final = {"memory": _memory, "sandbox": _sandbox, "ses": _ses, "smtp": _smtp}


@pytest.fixture(params=KINDS)
def subject(request: pytest.FixtureRequest, acme: Actor) -> Iterator[Subject]:
    """Each transport in turn, built from a row of its table as a worker builds it."""
    made = _SUBJECTS[request.param](acme, request)
    with closing(made.transport):
        yield made


@pytest.fixture
def make(api: Callable[..., Any], acme: Actor, mail: dict[str, Any]) -> Make:
    """An envelope of acme's, each for a delivery of its own."""
    stored = api(acme).post("/api/emails", mail).json()["id"]
    own = {"tenant_id": acme.tenant.pk, "message_ref": UUID(stored)}
    return lambda **changes: envelope(**{**own, "delivery_id": uuid7(), **changes})


def _key(one: Envelope) -> AttemptKey:
    return AttemptKey(delivery_id=one.delivery_id, fence=one.fence)


def _soon() -> float:
    return time.monotonic() + 30


def _hand_over(
    transport: Transport, envelopes: Sequence[Envelope], *, deadline: float | None = None
) -> list[Answer]:
    """Every planned call; the answers in the order of the envelopes."""
    until = _soon() if deadline is None else deadline
    return [answer for call in transport.plan(envelopes) for answer in transport.send(call, deadline=until)]


def _assert_truthful(subject: Subject, envelopes: Sequence[Envelope], answers: Sequence[Answer]) -> None:
    """A receipt means that it arrived, an error that it did not; a doubt may be either, and recall knows better."""
    arrived = {one.attempt for one in subject.arrived()}
    accepted = {
        _key(one) for one, answer in zip(envelopes, answers, strict=True) if isinstance(answer, Receipt)
    }
    doubtful = {
        _key(one)
        for one, answer in zip(envelopes, answers, strict=True)
        if isinstance(answer, TransportError) and answer.kind is ErrorClass.DOUBT
    }
    assert arrived - doubtful == accepted
    recalled = subject.transport.recall([_key(one) for one in envelopes])
    if recalled is not None:
        assert set(recalled) == arrived


def test_every_kind_that_can_be_built_is_held_to_the_contract() -> None:
    assert set(KINDS) == set(_SUBJECTS)


@pytest.mark.parametrize("count", [0, 1, 2, 51])
def test_a_plan_covers_every_envelope_once_and_in_order(subject: Subject, make: Make, count: int) -> None:
    envelopes = [make() for _ in range(count)]
    planned = [one for call in subject.transport.plan(envelopes) for one in call]
    assert [id(one) for one in planned] == [id(one) for one in envelopes]


def test_a_call_is_answered_once_for_each_envelope_and_in_order(subject: Subject, make: Make) -> None:
    envelopes = [make(to=(Mailbox(address=f"r{number}@example.org"),)) for number in range(5)]
    for call in subject.transport.plan(envelopes):
        answers = subject.transport.send(call, deadline=_soon())
        assert len(answers) == len(call)
        assert all(isinstance(answer, Receipt) for answer in answers)
        recalled = subject.transport.recall([_key(one) for one in call])
        if recalled is not None:
            assert [recalled[_key(one)] for one in call] == list(answers)
    assert [one.recipients for one in subject.arrived()] == [
        [f"r{number}@example.org"] for number in range(5)
    ]
    assert [one.attempt for one in subject.arrived()] == [_key(one) for one in envelopes]


def test_receipts_never_share_an_id(subject: Subject, make: Make) -> None:
    first = make()
    envelopes = [first, *(make() for _ in range(9)), make(delivery_id=first.delivery_id, fence=2)]
    answers = _hand_over(subject.transport, envelopes)
    names = [answer.provider_message_id for answer in answers if isinstance(answer, Receipt)]
    assert len(set(names)) == len(envelopes)
    assert all(names)


class _OwnThread:
    """A pool of the calling thread alone."""

    map = staticmethod(map)


def test_calls_may_be_made_by_many_threads(subject: Subject, make: Make) -> None:
    envelopes = [make() for _ in range(24)]
    calls = subject.transport.plan(envelopes)
    # A transport that takes the whole batch in one call uses the database, and is called by the worker's own thread.
    with ThreadPoolExecutor(8) if len(calls) > 1 else nullcontext(_OwnThread()) as pool:
        answered = list(pool.map(lambda call: subject.transport.send(call, deadline=_soon()), calls))
    _assert_truthful(subject, envelopes, [answer for answers in answered for answer in answers])
    assert len(subject.arrived()) == len(envelopes)


def test_a_refused_mail_is_an_answer_and_not_sent(subject: Subject, make: Make) -> None:
    refused = make(to=(Mailbox(address=subject.refused_address),))
    subject.refuse()
    (answer,) = _hand_over(subject.transport, [refused])
    assert isinstance(answer, TransportError)
    assert answer.kind is ErrorClass.CONTENT
    assert answer.code
    assert answer.message
    _assert_truthful(subject, [refused], [answer])
    assert subject.arrived() == []


def test_a_refused_mail_leaves_its_neighbours_alone(subject: Subject, make: Make) -> None:
    refused = make(to=(Mailbox(address=subject.refused_address),))
    neighbours = [make(), make()]
    subject.refuse()
    envelopes = [refused, *neighbours]
    answers = _hand_over(subject.transport, envelopes)
    assert [isinstance(answer, Receipt) for answer in answers] == [False, True, True]
    _assert_truthful(subject, envelopes, answers)


def test_a_failing_other_side_is_an_answer_too(subject: Subject, make: Make) -> None:
    envelopes = [make()]
    subject.fail()
    answers = _hand_over(subject.transport, envelopes)
    assert [type(answer) for answer in answers] == [TransportError]
    _assert_truthful(subject, envelopes, answers)


@pytest.mark.parametrize(
    "poison",
    [
        {"subject": "half a character: \ud800"},
        {"headers": (("X-Injected", "a\r\nBcc: eve@example.net"),)},
        {"attachments": (Attachment(filename="a", content_type="text/plain\r\nX: y", content=b"x"),)},
        {"sender": Mailbox(address="not an address")},
    ],
    ids=["text", "header", "attachment", "address"],
)
def test_what_cannot_be_sent_is_an_answer_too(subject: Subject, make: Make, poison: dict[str, Any]) -> None:
    """Nothing of this passes the API; a transport that raised would leave its batch without answers."""
    envelopes = [make(), make(**poison), make()]
    answers = _hand_over(subject.transport, envelopes)
    assert [isinstance(answer, Receipt) for answer in answers[::2]] == [True, True]
    _assert_truthful(subject, envelopes, answers)


def test_past_the_deadline_nothing_is_sent_in_secret(subject: Subject, make: Make) -> None:
    envelopes = [make(), make()]
    answers = _hand_over(subject.transport, envelopes, deadline=time.monotonic() - 1)
    assert len(answers) == len(envelopes)
    if subject.calls_out:
        kinds = [answer.kind for answer in answers if isinstance(answer, TransportError)]
        assert len(kinds) == len(envelopes)
        assert ErrorClass.DOUBT not in kinds
    _assert_truthful(subject, envelopes, answers)


def test_recall_names_what_was_accepted_and_nothing_else(subject: Subject, make: Make) -> None:
    sent, unsent = make(), make()
    answers = _hand_over(subject.transport, [sent])
    later = AttemptKey(delivery_id=sent.delivery_id, fence=sent.fence + 1)
    recalled = subject.transport.recall([_key(sent), later, _key(unsent)])
    assert recalled is None or recalled == {_key(sent): answers[0]}
    assert not subject.transport.recall([])


def test_a_check_sends_nothing(subject: Subject) -> None:
    assert subject.transport.check() is None
    assert subject.arrived() == []


def test_it_may_be_closed_twice(subject: Subject, make: Make) -> None:
    _hand_over(subject.transport, [make()])
    subject.transport.close()
    subject.transport.close()


_SIMPLE: Final[dict[str, Any]] = {
    "sender": Mailbox(address="cast@acme.test", name="Füße & Söhne, Inc."),
    "to": (Mailbox(address="ann@example.org", name="Ann"), Mailbox(address="abe@example.org")),
    "cc": (Mailbox(address="bob@example.net", name="Bob Ü."),),
    "bcc": (Mailbox(address="eve@example.com"),),
    "reply_to": (Mailbox(address="help@acme.test", name="Hilfe für alle"), Mailbox(address="desk@acme.test")),
    "subject": "Überraschung 🎁 für Ann, mit einem Betreff, der länger ist als eine Zeile einer Mail sein darf",
    "html": '<p>Grüße, 世界</p><img src="cid:logo">',
    "text": "Grüße, 世界\nzweite Zeile =20 .\n.\n",
    "headers": (("X-Order", "7"), ("List-Unsubscribe", "<https://example.com/u>")),
    "attachments": (
        Attachment(
            filename="logo.png", content_type="image/png", content=b"\x89PNG\r\n\0", content_id="logo"
        ),
        Attachment(filename="invoice 7.pdf", content_type="application/pdf", content=bytes(range(256)) * 9),
    ),
}
_RAW: Final[dict[str, Any]] = _SIMPLE | {
    "headers": (("X-Order", "7"), ("X-Customer", "Söhne")),
    "attachments": (
        *_SIMPLE["attachments"],
        Attachment(
            filename="Rechnung März.csv", content_type="text/csv; charset=utf-8", content="ä;b\r\n".encode()
        ),
    ),
}
_BARE: Final[dict[str, Any]] = {"html": None, "text": "Only text\n"}


@pytest.mark.parametrize(
    ("fields", "shape"),
    [(_SIMPLE, Shape.SIMPLE), (_RAW, Shape.RAW), (_BARE, Shape.SIMPLE)],
    ids=["simple", "raw", "text only"],
)
def test_what_is_given_arrives(subject: Subject, make: Make, fields: dict[str, Any], shape: Shape) -> None:
    given = make(**fields)
    assert shape_of(given) is shape
    (answer,) = _hand_over(subject.transport, [given])
    assert isinstance(answer, Receipt), answer
    (arrived,) = subject.arrived()
    expected = _as_given(given)
    for name in Arrived.__slots__:
        if (value := getattr(arrived, name)) is not None or name in {"html", "text"}:
            assert value == getattr(expected, name), name


def _as_given(one: Envelope) -> Arrived:
    return Arrived(
        attempt=_key(one),
        sender=(one.sender.name, one.sender.address),
        recipients=[mailbox.address for mailbox in one.recipients],
        subject=one.subject,
        html=one.html,
        text=one.text,
        headers=dict(one.headers),
        files=[(file.filename, file.content_type, len(file.content)) for file in one.attachments],
        by_kind={kind: [mailbox.address for mailbox in getattr(one, kind)] for kind in ("to", "cc", "bcc")},
        reply_to=[(mailbox.name, mailbox.address) for mailbox in one.reply_to],
        contents=[(file.content, file.content_id) for file in one.attachments],
    )


def _captured(row: CapturedMail) -> Arrived:
    return Arrived(
        attempt=AttemptKey(delivery_id=row.delivery_id, fence=row.fence),
        sender=_mailbox(row.sender),
        recipients=[_mailbox(text)[1] for text in row.recipients],
        subject=row.subject,
        html=row.html,
        text=row.text,
        headers=dict(row.headers),
        files=[(file["filename"], file["content_type"], file["size"]) for file in row.attachments],
    )


def _taken(server: FakeSmtp) -> list[Arrived]:
    """What the fake's journal holds. The Message-ID names the delivery; no mail names its attempt."""
    assert server.violations() == []
    return [
        Arrived(
            attempt=AttemptKey(delivery_id=UUID(taken.message_id[1:37]), fence=1),
            recipients=taken.recipients,
            **_raw(taken.content),
        )
        for taken in server.journal()
    ]


def _accepted(ses: FakeSes) -> list[Arrived]:
    """The requests of which the fake's journal, the ground truth, says that they were accepted."""
    accepted = {(one.delivery, one.fence) for one in ses.journal()}
    found = [_request(one) for one in ses.requests() if one.method == "POST"]
    return [one for one in found if (str(one.attempt.delivery_id), str(one.attempt.fence)) in accepted]


def _request(recorded: RecordedRequest) -> Arrived:
    document = recorded.json()
    content, tags = document["Content"], {tag["Name"]: tag["Value"] for tag in document["EmailTags"]}
    destination = {
        kind: [_mailbox(text)[1] for text in document["Destination"].get(f"{kind.title()}Addresses", [])]
        for kind in ("to", "cc", "bcc")
    }
    common: dict[str, Any] = {
        "attempt": AttemptKey(delivery_id=UUID(tags["mg_d"]), fence=int(tags["mg_f"])),
        "recipients": [address for addresses in destination.values() for address in addresses],
        "by_kind": destination,
    }
    if "Raw" in content:
        return Arrived(**common, **_raw(b64decode(content["Raw"]["Data"])))
    return Arrived(
        **common,
        sender=_mailbox(document["FromEmailAddress"]),
        reply_to=[_mailbox(text) for text in document.get("ReplyToAddresses", [])],
        **_simple(content["Simple"]),
    )


def _simple(content: dict[str, Any]) -> dict[str, Any]:
    files = content.get("Attachments", [])
    return {
        "subject": content["Subject"]["Data"],
        "html": content["Body"].get("Html", {}).get("Data"),
        "text": content["Body"].get("Text", {}).get("Data"),
        "headers": {header["Name"]: header["Value"] for header in content.get("Headers", [])},
        "files": [
            (file["FileName"], file["ContentType"], len(b64decode(file["RawContent"]))) for file in files
        ],
        "contents": [(b64decode(file["RawContent"]), file.get("ContentId")) for file in files],
    }


_OF_EVERY_MAIL: Final = frozenset(
    {"From", "To", "Cc", "Reply-To", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type"}
    | {"Content-Transfer-Encoding"}
)


def _raw(raw: bytes) -> dict[str, Any]:
    """The composed mail as the standard library reads it."""
    mail = cast(EmailMessage, message_from_bytes(raw, policy=policy.default))
    html, text = mail.get_body(["html"]), mail.get_body(["plain"])
    files = [part for part in mail.walk() if part.get_filename()]
    return {
        "sender": _mailbox(str(mail["From"])),
        "reply_to": [_mailbox(str(one)) for one in (mail["Reply-To"].addresses if mail["Reply-To"] else ())],
        "subject": mail["Subject"],
        "html": html and html.get_content().removesuffix("\n"),
        "text": text and text.get_content().replace("\r\n", "\n"),
        "headers": {name: str(value) for name, value in mail.items() if name not in _OF_EVERY_MAIL},
        "files": [_file(part) for part in files],
        "contents": [(_bytes(part), _content_id(part)) for part in files],
    }


def _file(part: Any) -> tuple[str, str, int]:
    charset = part.get_param("charset")
    kind = f"{part.get_content_type()}; charset={charset}" if charset else part.get_content_type()
    return str(part.get_filename()), kind, len(_bytes(part))


def _bytes(part: Any) -> bytes:
    return cast(bytes, part.get_payload(decode=True))


def _content_id(part: Any) -> str | None:
    return str(part["Content-ID"]).strip("<>") if part["Content-ID"] else None


def _mailbox(text: str) -> tuple[str, str]:
    ((name, address),) = getaddresses([text])
    return str(make_header(decode_header(name))), address
