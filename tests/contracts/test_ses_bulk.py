"""SendBulkEmail: what each entry says, what its answer proves, and never more than one request (S05, S11)."""

import time
from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

import boto3
import orjson
import pytest
from botocore.config import Config
from botocore.session import Session

from emails.composition.calls import MAX_BYTES
from emails.composition.envelope import Envelope
from emails.delivery.ports import Answer, ErrorClass, Receipt, TransportError
from mailgrid.core.addresses import Mailbox
from tests.contracts.ses_mail import INVOICE, TENANT, envelope, transport
from tests.contracts.test_ses_faults import _EXPECTED
from tests.fakes.ses import FakeSes, Mode, Rule
from workers.transports import ses_sharing
from workers.transports.ses import SesTransport
from workers.transports.ses_bulk import bulk_entry, read_bulk_answers, send_bulk_email_body
from workers.transports.ses_sharing import ALONE_SECONDS, Sharing

_FAR = float("inf")

# What says nothing about the single mail, or about other requests of the account: tried again, alone.
_OF_REQUESTS = _EXPECTED | {
    Mode.REJECTED: ErrorClass.BUG,
    Mode.FORBIDDEN: ErrorClass.BUG,
}

_OF_ENTRIES = {
    Mode.THROTTLE: ErrorClass.THROTTLED,
    Mode.QUOTA: ErrorClass.QUOTA,
    Mode.PAUSED: ErrorClass.PAUSED,
    Mode.SUSPENDED: ErrorClass.PAUSED,
    Mode.REJECTED: ErrorClass.CONTENT,
    Mode.UNVERIFIED: ErrorClass.IDENTITY,
    Mode.NOT_FOUND: ErrorClass.AUTH,
    Mode.ERROR_BEFORE: ErrorClass.NETWORK,
    Mode.UNAVAILABLE_BEFORE: ErrorClass.NETWORK,
}

_TEXTS = [
    "Grüße, 世界 🎁",
    "{name} { {x} } }} }}} {% if %} ${a} $1 \\1 \\\\ %s",
    "&amp; <b>&</b> &#39; ' \" ` =\r\n\ttab\n.\n..\n",
    "\u2028 \x00 \x1b \x7f \u200d",
    " ",
]


def _mail(number: int = 0, **changes: Any) -> Envelope:
    own = {"delivery_id": UUID(int=number), "to": (Mailbox(address=f"r{number}@example.org"),)}
    return envelope(**{**own, "may_share": True, "configuration_set": "news", **changes})


def _mails(count: int, **changes: Any) -> list[Envelope]:
    return [_mail(number, **changes) for number in range(count)]


def _send(sender: SesTransport, envelopes: Sequence[Envelope], *, seconds: float = 10) -> list[Answer]:
    """One planned call; its answers."""
    (call,) = sender.plan(envelopes)
    return list(sender.send(call, deadline=time.monotonic() + seconds))


def _kinds(answers: Sequence[Answer]) -> list[ErrorClass | None]:
    return [answer.kind if isinstance(answer, TransportError) else None for answer in answers]


def _operations(ses: FakeSes) -> dict[str, int]:
    prefix = "requests."
    counts = ses.counters()
    return {name.removeprefix(prefix): n for name, n in counts.items() if name.startswith(prefix)}


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


class TestRequests:
    def test_the_request_is_the_one_boto3_makes(self, ses: FakeSes, sender: SesTransport) -> None:
        """boto3 checks it against Amazon's model first."""
        shared = {
            "sender": Mailbox(address="hello@acme.example", name="Füße, Inc."),
            "reply_to": (Mailbox(address="help@acme.example", name="Help"),),
        }
        first = _mail(
            1,
            **shared,
            to=(Mailbox(address="ann@example.org", name="Ann"),),
            cc=(Mailbox(address="bob@example.net"),),
            bcc=(Mailbox(address="eve@example.com"),),
            headers=(
                ("List-Unsubscribe", "<https://example.com/u>"),
                ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),
                ("Message-ID", "<only-kept@acme.example>"),
            ),
        )
        second = _mail(2, **shared, subject="Überraschung", html="<p>ü</p>", text="ü", fence=4, stream="news")
        request = {
            "FromEmailAddress": "=?utf-8?b?RsO8w59lLCBJbmMu?= <hello@acme.example>",
            "ReplyToAddresses": ["Help <help@acme.example>"],
            "ConfigurationSetName": "news",
            "DefaultContent": {
                "Template": {
                    "TemplateContent": {
                        "Subject": "{{subject}}",
                        "Html": "{{html}}",
                        "Text": "{{text}}",
                    },
                    "TemplateData": "{}",
                }
            },
            "BulkEmailEntries": [
                {
                    "Destination": {
                        "ToAddresses": ["Ann <ann@example.org>"],
                        "CcAddresses": ["bob@example.net"],
                        "BccAddresses": ["eve@example.com"],
                    },
                    "ReplacementEmailContent": _content(
                        '{"subject":"Your receipt","html":"<p>Thank you</p>","text":"Thank you"}'
                    ),
                    "ReplacementHeaders": [
                        {"Name": "List-Unsubscribe", "Value": "<https://example.com/u>"},
                        {"Name": "List-Unsubscribe-Post", "Value": "List-Unsubscribe=One-Click"},
                    ],
                    "ReplacementTags": _tags(1, fence=1, stream="transactional"),
                },
                {
                    "Destination": {"ToAddresses": ["r2@example.org"]},
                    "ReplacementEmailContent": _content(
                        '{"subject":"Überraschung","html":"<p>ü</p>","text":"ü"}'
                    ),
                    "ReplacementTags": _tags(2, fence=4, stream="news"),
                },
            ],
        }
        client = boto3.client(
            "sesv2",
            endpoint_url=ses.url,
            region_name="eu-west-1",
            aws_access_key_id="AKIDTEST",
            aws_secret_access_key="secret",
            config=Config(retries={"total_max_attempts": 1, "mode": "standard"}),
        )
        client.send_bulk_email(**request)
        answers = _send(sender, [first, second])
        theirs, ours = ses.requests()
        assert (ours.method, ours.path) == (theirs.method, theirs.path)
        assert ours.json() == theirs.json()
        names = [answer.provider_message_id for answer in answers if isinstance(answer, Receipt)]
        assert names == [accept.ses_id for accept in ses.journal()][2:]

    @pytest.mark.parametrize("missing", [{"html": None}, {"text": None}, {}], ids=["text", "html", "both"])
    def test_what_is_given_arrives_letter_by_letter(
        self, ses: FakeSes, sender: SesTransport, missing: dict[str, None]
    ) -> None:
        reply_to = (Mailbox(address="help@acme.example", name="Hilfe für alle"),)
        given = [
            _mail(
                number,
                **{"subject": f"Grüße {{{number}}} & \\1 '\"", "html": text, "text": text, **missing},
                headers=(("X-Number", f'{number} {{x}} "\\"'), ("List-Unsubscribe", "<https://x.example/u>")),
                reply_to=reply_to,
            )
            for number, text in enumerate(_TEXTS)
        ]
        answers = _send(sender, given)
        assert _operations(ses) == {"SendBulkEmail": 1}
        arrived = ses.mails()
        assert [Receipt(provider_message_id=mail.ses_id) for mail in arrived] == answers
        for one, mail in zip(given, arrived, strict=True):
            headers = dict(mail.headers)
            assert (headers["Subject"], mail.html, mail.text) == (one.subject, one.html, one.text)
            assert {name: headers[name] for name, _ in one.headers} == dict(one.headers)
            assert (mail.to, mail.tags) == ([one.to[0].address], one.proof_tags)
            assert (mail.source, mail.configuration_set) == ("hello@acme.example", "news")
            assert mail.reply_to == [reply_to[0].formatted()]

    def test_what_a_template_might_change_goes_alone_and_arrives_too(
        self, ses: FakeSes, sender: SesTransport
    ) -> None:
        given = [
            *_mails(2),
            _mail(2, html="Hi {{name}} and {{{name}}}", subject="{{subject}}"),
            _mail(3, attachments=(INVOICE,)),
            _mail(4, headers=(("X-Customer", "Söhne"),)),
        ]
        calls = sender.plan(given)
        assert [list(call) for call in calls] == [given[:2], *([one] for one in given[2:])]
        for call in calls:
            assert _kinds(sender.send(call, deadline=_FAR)) == [None] * len(call)
        assert _operations(ses) == {"SendBulkEmail": 1, "SendEmail": 3}
        assert [mail.kind for mail in ses.mails()] == ["bulk", "bulk", "simple", "simple", "raw"]
        braces = ses.mails()[2]
        assert (braces.html, dict(braces.headers)["Subject"]) == (given[2].html, "{{subject}}")

    def test_fifty_entries_are_one_request_and_one_alone_is_no_bulk(
        self, ses: FakeSes, sender: SesTransport
    ) -> None:
        for call in sender.plan(_mails(51)):
            assert set(_kinds(sender.send(call, deadline=_FAR))) == {None}
        assert _operations(ses) == {"SendBulkEmail": 1, "SendEmail": 1}
        assert [mail.tags["mg_d"] for mail in ses.mails()] == [str(UUID(int=n)) for n in range(51)]

    def test_the_accounts_configuration_set_serves_mail_that_names_none(self, ses: FakeSes) -> None:
        with transport(ses.url, configuration_set="mg-default") as sender:
            _send(sender, _mails(2, configuration_set=""))
            _send(sender, _mails(2))
        assert [request.json()["ConfigurationSetName"] for request in ses.requests()] == [
            "mg-default",
            "news",
        ]

    def test_no_request_is_larger_than_ses_allows(self, sender: SesTransport) -> None:
        """The worst that addresses, names, headers and texts can become in JSON."""
        worst = [
            Mailbox(address=f'"{"a" * 62}"@{"b" * 63}.{"c" * 63}.example', name=name * 256)
            for name in ("🎁", '"', "\\", "é", "")
        ]
        headers = tuple((f"X-{number:062}", '"' * 900) for number in range(15))
        for text in ("🎁", '"', "\\", "\x00", "x", "\n"):
            shared = {
                "sender": worst[0],
                "reply_to": (*worst, *worst),
                "headers": headers,
                "stream": "s" * 63,
            }
            mails = [
                _mail(number, to=(worst[number % 5],), html=text * 7_000, **shared) for number in range(50)
            ]
            calls = sender.plan(mails)
            assert len(calls) > 1
            for call in calls:
                body = send_bulk_email_body(call[0], [bulk_entry(one) for one in call])
                assert len(body) <= MAX_BYTES

    @pytest.mark.parametrize("poison", [{"to": (Mailbox(address="not an address"),)}])
    def test_what_cannot_be_written_takes_nobody_along(
        self, ses: FakeSes, sender: SesTransport, poison: dict[str, Any]
    ) -> None:
        answers = _send(sender, [_mail(0), _mail(1, **poison), _mail(2)])
        assert _kinds(answers) == [None, ErrorClass.BUG, None]
        assert _kinds(_send(sender, [_mail(3, **poison), _mail(4, **poison)])) == [ErrorClass.BUG] * 2
        sender_too = {"sender": Mailbox(address="not an address")}
        assert _kinds(_send(sender, _mails(2, **sender_too))) == [ErrorClass.BUG] * 2
        assert [mail.tags["mg_d"] for mail in ses.mails()] == [str(UUID(int=n)) for n in (0, 2)]
        assert _operations(ses) == {"SendBulkEmail": 1}

    @pytest.mark.parametrize(
        "stranger",
        [
            {"sender": Mailbox(address="other@acme.example")},
            {"tenant_id": UUID(int=7)},
            {"html": None},
            {"may_share": False},
        ],
    )
    def test_a_call_that_no_plan_made_is_not_sent(
        self, ses: FakeSes, sender: SesTransport, stranger: dict[str, Any]
    ) -> None:
        answers = sender.send([_mail(0), _mail(1, **stranger)], deadline=_FAR)
        assert _kinds(answers) == [ErrorClass.BUG] * 2
        assert _operations(ses) == {}


class TestAnswers:
    @pytest.mark.parametrize("mode", _OF_ENTRIES)
    def test_an_entrys_error_is_its_own(self, ses: FakeSes, sender: SesTransport, mode: Mode) -> None:
        ses.misbehave(Rule(mode=mode, per_entry=True, probability=0.5), seed=4)
        answers = _send(sender, _mails(20))
        kinds = _kinds(answers)
        assert set(kinds) == {None, _OF_ENTRIES[mode]}
        sent = [str(UUID(int=number)) for number, kind in enumerate(kinds) if kind is None]
        assert [accept.delivery for accept in ses.journal()] == sent
        names = [answer.provider_message_id for answer in answers if isinstance(answer, Receipt)]
        assert names == [accept.ses_id for accept in ses.journal()]
        assert all(error.code and error.message for error in answers if isinstance(error, TransportError))
        assert _operations(ses) == {"SendBulkEmail": 1}

    def test_every_status_of_amazons_model_has_a_class(self) -> None:
        statuses = Session().get_service_model("sesv2").shape_for("BulkEmailStatus").enum
        assert {status: _kinds(_read({"Status": status, "Error": "words"}))[0] for status in statuses} == {
            "SUCCESS": ErrorClass.DOUBT,  # here without a message id
            "MESSAGE_REJECTED": ErrorClass.CONTENT,
            "MAIL_FROM_DOMAIN_NOT_VERIFIED": ErrorClass.IDENTITY,
            "CONFIGURATION_SET_NOT_FOUND": ErrorClass.AUTH,
            "TEMPLATE_NOT_FOUND": ErrorClass.BUG,
            "ACCOUNT_SUSPENDED": ErrorClass.PAUSED,
            "ACCOUNT_THROTTLED": ErrorClass.THROTTLED,
            "ACCOUNT_DAILY_QUOTA_EXCEEDED": ErrorClass.QUOTA,
            "INVALID_SENDING_POOL_NAME": ErrorClass.AUTH,
            "ACCOUNT_SENDING_PAUSED": ErrorClass.PAUSED,
            "CONFIGURATION_SET_SENDING_PAUSED": ErrorClass.PAUSED,
            "INVALID_PARAMETER": ErrorClass.BUG,
            "TRANSIENT_FAILURE": ErrorClass.NETWORK,
            "FAILED": ErrorClass.NETWORK,
        }

    def test_a_rejection_is_read_as_for_a_single_mail(self) -> None:
        words = "Email address is not verified. The following identities failed the check"
        assert _read({"Status": "MESSAGE_REJECTED", "Error": words}) == [
            TransportError(kind=ErrorClass.IDENTITY, code="MESSAGE_REJECTED", message=words)
        ]

    def test_a_status_nobody_knows_is_tried_again_alone(self) -> None:
        assert _read({"Status": "TEMPLATE_DOES_NOT_EXIST"}) == [
            TransportError(
                kind=ErrorClass.BUG,
                code="TEMPLATE_DOES_NOT_EXIST",
                message="TEMPLATE_DOES_NOT_EXIST without words",
            )
        ]

    @pytest.mark.parametrize(
        "result",
        [
            None,
            "SUCCESS",
            {},
            {"MessageId": "0102-a"},
            {"Status": None, "MessageId": "0102-a"},
            {"Status": "SUCCESS", "MessageId": ""},
            {"Status": "SUCCESS", "MessageId": 7},
        ],
    )
    def test_an_entry_without_a_verdict_is_a_doubt_and_its_neighbours_are_none(self, result: Any) -> None:
        good = {"Status": "SUCCESS", "MessageId": "0102-b"}
        assert _kinds(_read(good, result, good)) == [None, ErrorClass.DOUBT, None]

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"not json",
            b"[]",
            b"{}",
            b'{"MessageId":"0102-a"}',
            b'{"BulkEmailEntryResults":null}',
            b'{"BulkEmailEntryResults":[]}',
            b'{"BulkEmailEntryResults":[{"Status":"SUCCESS","MessageId":"0102-a"}]}',
            b'{"BulkEmailEntryResults":[{"Status":"FAILED"},{"Status":"FAILED"},{"Status":"FAILED"}]}',
        ],
    )
    def test_an_answer_that_does_not_fit_leaves_every_entry_in_doubt(self, body: bytes) -> None:
        answers = read_bulk_answers(status=200, error_type="", body=body, lost="", count=2)
        assert _kinds(answers) == [ErrorClass.DOUBT] * 2

    def test_a_cut_answer_says_what_cut_it(self) -> None:
        cut = read_bulk_answers(status=200, error_type="", body=b"", lost="connection_lost", count=2)
        words = "HTTP 200 without a result for each entry: connection_lost"
        doubt = TransportError(kind=ErrorClass.DOUBT, code="connection_lost", message=words)
        assert cut == [doubt, doubt]

    @pytest.mark.parametrize("reused", [False, True], ids=["new-connection", "kept-connection"])
    @pytest.mark.parametrize("mode", _OF_REQUESTS)
    def test_one_call_is_one_request_with_one_proof_for_all(
        self, ses: FakeSes, sender: SesTransport, mode: Mode, reused: bool
    ) -> None:
        if reused:
            assert _kinds(_send(sender, _mails(2))) == [None] * 2
        (call,) = sender.plan(_mails(3))
        before = _operations(ses).get("SendBulkEmail", 0)
        ses.misbehave(mode)
        answers = sender.send(call, deadline=time.monotonic() + 0.4)
        assert _kinds(answers) == [_OF_REQUESTS[mode]] * 3
        ses.misbehave(Mode.OK)
        assert _operations(ses) == {"SendBulkEmail": before + 1}
        accepted = {accept.delivery for accept in ses.journal() if accept.answer != "ok"}
        assert len(accepted) in {0, 3}
        if accepted:
            assert _kinds(answers) == [ErrorClass.DOUBT] * 3

    def test_past_the_deadline_nothing_is_written(self, ses: FakeSes, sender: SesTransport) -> None:
        assert _kinds(_send(sender, _mails(2), seconds=-1)) == [ErrorClass.NETWORK] * 2
        assert _operations(ses) == {}


class TestSharing:
    def test_an_account_that_may_not_send_bulk_sends_alone(self, ses: FakeSes, sender: SesTransport) -> None:
        ses.misbehave(Rule(mode="forbidden", operations=("SendBulkEmail",)))
        mails = _mails(3)
        assert _kinds(_send(sender, mails)) == [ErrorClass.BUG] * 3
        calls = sender.plan(mails)
        assert [list(call) for call in calls] == [[one] for one in mails]
        assert [_kinds(sender.send(call, deadline=_FAR)) for call in calls] == [[None]] * 3
        assert _operations(ses) == {"SendBulkEmail": 1, "SendEmail": 3}

    def test_after_a_while_it_looks_again(
        self, ses: FakeSes, sender: SesTransport, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(ses_sharing, "ALONE_SECONDS", 0.0)
        ses.misbehave(Rule(mode="forbidden", operations=("SendBulkEmail",), count=1))
        assert _kinds(_send(sender, _mails(3))) == [ErrorClass.BUG] * 3
        assert _kinds(_send(sender, _mails(3))) == [None] * 3

    def test_bad_credentials_are_said_at_once(self, ses: FakeSes) -> None:
        with transport(ses.url, secret_access_key="wrong") as sender:
            assert _kinds(_send(sender, _mails(2))) == [ErrorClass.AUTH] * 2
            assert len(sender.plan(_mails(2))) == 1

    def test_a_provider_that_knows_no_bulk_is_sent_to_alone(self, ses: FakeSes) -> None:
        """As other services do that speak SES's protocol: 404 for a path they do not know."""
        with transport(f"{ses.url}/v3") as sender:
            for _ in range(3):
                assert _kinds(_send(sender, _mails(2))) == [ErrorClass.BUG] * 2
            assert len(sender.plan(_mails(2))) == 2

    def test_requests_that_are_refused_time_and_again_end_it(
        self, ses: FakeSes, sender: SesTransport
    ) -> None:
        for _ in range(2):
            ses.misbehave("rejected", count=2)
            assert [_kinds(_send(sender, _mails(2)))[0] for _ in range(3)] == [
                ErrorClass.BUG,
                ErrorClass.BUG,
                None,
            ]
        ses.misbehave("rejected", count=3)
        assert [_kinds(_send(sender, _mails(2)))[0] for _ in range(3)] == [ErrorClass.BUG] * 3
        assert len(sender.plan(_mails(2))) == 2

    def test_refusals_count_in_a_row_alone(self) -> None:
        sharing, error = (
            Sharing(),
            TransportError(kind=ErrorClass.BUG, code="BadRequestException", message=""),
        )
        for _ in range(3):
            sharing.refused(error, now=100.0)
            sharing.refused(error, now=100.0)
            assert sharing.is_allowed(now=100.0)
            sharing.accepted()
        for _ in range(3):
            sharing.refused(error, now=100.0)
        assert not sharing.is_allowed(now=100.0 + ALONE_SECONDS - 1)
        assert sharing.is_allowed(now=100.0 + ALONE_SECONDS)
        sharing.refused(error, now=800.0)  # the new look was in vain
        assert not sharing.is_allowed(now=801.0)


def _content(data: str) -> dict[str, Any]:
    return {"ReplacementTemplate": {"ReplacementTemplateData": data}}


def _tags(number: int, *, fence: int, stream: str) -> list[dict[str, str]]:
    values = {"mg_d": str(UUID(int=number)), "mg_f": str(fence), "mg_t": TENANT.hex, "mg_s": stream}
    return [{"Name": name, "Value": value} for name, value in values.items()]


def _read(*results: Any) -> list[Answer]:
    body = orjson.dumps({"BulkEmailEntryResults": results})
    return read_bulk_answers(status=200, error_type="", body=body, lost="", count=len(results))
