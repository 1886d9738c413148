"""The fake SES against AWS's own client: what it says it is, it must be to boto3."""

import base64
import json
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import boto3
import pytest
import urllib3
from botocore.config import Config
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    ReadTimeoutError,
)
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from tests.fakes.ses import FakeSes, Rule, canonical_string
from tests.fakes.ses.http1 import Request
from tests.fakes.ses.refusals import Refusal
from tests.fakes.ses.signatures import check_signature

READ_TIMEOUT = 0.6  # seconds; the fake hangs for longer

SIMPLE = {"Simple": {"Subject": {"Data": "Hello"}, "Body": {"Text": {"Data": "Good morning"}}}}


@pytest.fixture(scope="module")
def running() -> Iterator[FakeSes]:
    with FakeSes() as fake:
        yield fake


@pytest.fixture
def ses(running: FakeSes) -> Iterator[FakeSes]:
    running.reset()
    yield running
    running.reset()


@pytest.fixture(scope="module")
def client(running: FakeSes) -> Iterator[Any]:
    with_client = client_of(running)
    yield with_client
    with_client.close()


def client_of(ses: FakeSes, *, service: str = "sesv2", secret: str = "secret", key: str = "AKIDTEST") -> Any:
    return boto3.client(
        service,
        endpoint_url=ses.url,
        region_name="eu-west-1",
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        config=Config(retries={"total_max_attempts": 1}, read_timeout=READ_TIMEOUT),
    )


def send(client: Any, *to: str, tags: dict[str, str] | None = None, **changes: Any) -> str:
    """Send a simple mail, return its SES id."""
    request = {
        "FromEmailAddress": "Acme <news@acme.example>",
        "Destination": {"ToAddresses": list(to or ("ann@example.com",))},
        "Content": SIMPLE,
        "EmailTags": [{"Name": name, "Value": value} for name, value in (tags or {}).items()],
        "ConfigurationSetName": "mailgrid",
    }
    ses_id: str = client.send_email(**(request | changes))["MessageId"]
    return ses_id


def refusal_of(client: Any, **changes: Any) -> tuple[int, str, str]:
    """Status, code and words with which a mail is refused."""
    with pytest.raises(ClientError) as refused:
        send(client, **changes)
    response = refused.value.response
    return (
        response["ResponseMetadata"]["HTTPStatusCode"],
        response["Error"]["Code"],
        response["Error"]["Message"],
    )


class TestSending:
    def test_a_simple_mail_is_journalled_with_its_attempt(self, ses: FakeSes, client: Any) -> None:
        ses_id = send(client, "ann@example.com", "bob@example.com", tags={"mg_d": "d1", "mg_f": "3"})
        [accept] = ses.journal()
        assert (accept.delivery, accept.fence, accept.ses_id) == ("d1", "3", ses_id)
        assert accept.recipients == ["ann@example.com", "bob@example.com"]
        assert (accept.kind, accept.answer, accept.configuration_set) == ("simple", "ok", "mailgrid")
        assert abs(accept.time - time.time()) < 5

    def test_raw_mail_names_its_recipients_itself_where_the_request_does_not(
        self, ses: FakeSes, client: Any
    ) -> None:
        raw = (
            b"From: news@acme.example\r\nTo: Ann <ann@example.com>\r\nCc: bob@example.com\r\n"
            b"X-SES-MESSAGE-TAGS: mg_d=d2, mg_f=1\r\n\r\nHi\r\n"
        )
        client.send_email(Content={"Raw": {"Data": raw}})
        [accept] = ses.journal()
        assert (accept.kind, accept.recipients) == ("raw", ["ann@example.com", "bob@example.com"])
        assert (accept.delivery, accept.fence) == ("d2", "1")

    def test_a_template_is_filled_in_once_and_nothing_is_escaped(self, ses: FakeSes, client: Any) -> None:
        template = {"Subject": "Hi {{n}}", "Text": "{{ n }}, {{n}}", "Html": "<p>{{h}}</p>"}
        data = json.dumps({"n": "Ann {{h}}", "h": "<b>Ü & \\1</b>"})
        send(client, Content={"Template": {"TemplateContent": template, "TemplateData": data}})
        [mail] = ses.mails()
        assert (mail.kind, dict(mail.headers)["Subject"]) == ("template", "Hi Ann {{h}}")
        assert (mail.text, mail.html) == ("Ann {{h}}, Ann {{h}}", "<p><b>Ü & \\1</b></p>")

    def test_a_bulk_entry_says_what_is_its_own_and_the_request_the_rest(
        self, ses: FakeSes, client: Any
    ) -> None:
        entry = {
            "Destination": {"ToAddresses": ["ann@example.com"]},
            "ReplacementEmailContent": {"ReplacementTemplate": {"ReplacementTemplateData": '{"n":"Ann"}'}},
            "ReplacementHeaders": [{"Name": "x-a", "Value": "own"}, {"Name": "X-C", "Value": "own"}],
            "ReplacementTags": [{"Name": "mg_f", "Value": "2"}],
        }
        template = {
            "TemplateContent": {"Subject": "{{greeting}} {{n}}", "Text": "{{n}}"},
            "TemplateData": '{"greeting":"Hi","n":"you"}',
            "Headers": [{"Name": "X-A", "Value": "all"}, {"Name": "X-B", "Value": "all"}],
        }
        client.send_bulk_email(
            FromEmailAddress="news@acme.example",
            ReplyToAddresses=["help@acme.example"],
            DefaultContent={"Template": template},
            DefaultEmailTags=[{"Name": "mg_d", "Value": "d"}, {"Name": "mg_f", "Value": "1"}],
            BulkEmailEntries=[entry, {"Destination": {"ToAddresses": ["bob@example.com"]}}],
        )
        own, default = ses.mails()
        headers = {name: value for name, value in own.headers if name.lower().startswith("x-")}
        assert headers == {"x-a": "own", "X-B": "all", "X-C": "own"}
        assert (own.text, dict(own.headers)["Subject"]) == ("Ann", "Hi Ann")
        assert (own.tags, own.reply_to) == ({"mg_d": "d", "mg_f": "2"}, ["help@acme.example"])
        assert (default.text, default.tags) == ("you", {"mg_d": "d", "mg_f": "1"})

    def test_a_request_with_its_own_template_is_limited_to_a_megabyte(
        self, ses: FakeSes, client: Any
    ) -> None:
        with pytest.raises(ClientError, match="1000000 bytes"):
            send_bulk(client, *(f"a{n}@example.com" for n in range(5)), text="x" * 200_000)
        assert ses.journal() == []

    def test_each_entry_of_a_bulk_request_has_its_own_result(self, ses: FakeSes, client: Any) -> None:
        results = send_bulk(client, "ann@example.com", "not an address", "bob@example.com")
        assert [result["Status"] for result in results] == ["SUCCESS", "INVALID_PARAMETER", "SUCCESS"]
        accepts = ses.journal()
        assert [accept.ses_id for accept in accepts] == [results[0]["MessageId"], results[2]["MessageId"]]
        assert [(accept.delivery, accept.fence) for accept in accepts] == [("d0", "1"), ("d2", "1")]
        assert ses.counters()["requests"] == 1

    def test_the_account_tells_its_quota(self, ses: FakeSes, client: Any) -> None:
        send(client, "ann@example.com", "bob@example.com")
        account = client.get_account()
        assert account["SendQuota"] == {"Max24HourSend": 50_000, "MaxSendRate": 14, "SentLast24Hours": 2}
        assert account["SendingEnabled"] is True

    def test_requests_are_kept_as_they_came(self, ses: FakeSes, client: Any) -> None:
        send(client)
        [request] = ses.requests()
        assert (request.method, request.path) == ("POST", "/v2/email/outbound-emails")
        assert request.json()["Content"] == SIMPLE
        assert "Authorization" in dict(request.headers)

    @pytest.mark.parametrize(
        "changes",
        [
            {"Destination": {}},
            {"Destination": {"ToAddresses": [f"a{n}@example.com" for n in range(51)]}},
            {"Content": {}},
            {"Content": SIMPLE | {"Raw": {"Data": b"From: a@b.c\r\n\r\n"}}},
            {"Content": {"Simple": SIMPLE["Simple"] | {"Headers": [{"Name": "X", "Value": "1"}] * 16}}},
            {"Content": {"Simple": SIMPLE["Simple"] | {"Headers": [{"Name": "Bcc", "Value": "x@y.z"}]}}},
            {"Content": {"Simple": SIMPLE["Simple"] | {"Headers": [{"Name": "X", "Value": "a\r\nB: c"}]}}},
            {"Content": {"Simple": SIMPLE["Simple"] | {"Headers": [{"Name": "X", "Value": "x" * 996}]}}},
            {"Content": {"Simple": SIMPLE["Simple"] | {"Headers": [{"Name": "X-A", "Value": "x" * 994}]}}},
            {"EmailTags": [{"Name": "a", "Value": "ann@example.com"}]},
            {"Destination": {"ToAddresses": ["ann"]}},
            {"Destination": {"ToAddresses": ["Änn <ann@example.com>"]}},
            {"Content": {"Template": {"TemplateName": "t", "TemplateData": "[]"}}},
            {"Content": {"Template": {"TemplateContent": {"Subject": "No part"}}}},
            {"Content": {"Template": {"TemplateContent": {"Text": "{{#if n}}{{n}}{{/if}}"}}}},
            {"Content": {"Template": {"TemplateContent": {"Text": "{{a.b}}"}}}},
            {"Content": {"Template": {"TemplateContent": {"Text": "{{snake_case}}"}}}},
            {"Content": {"Template": {"TemplateContent": {"Text": "{{{three}}}"}}}},
            {"Content": {"Raw": {"Data": b"To: ann@example.com\r\n\r\n"}}, "FromEmailAddress": ""},
        ],
    )
    def test_a_misshapen_request_is_a_bad_request(
        self, ses: FakeSes, client: Any, changes: dict[str, Any]
    ) -> None:
        status, code, _ = refusal_of(client, **changes)
        assert (status, code) == (400, "BadRequestException")
        assert ses.journal() == []

    def test_fifty_recipients_and_fifteen_headers_are_allowed(self, ses: FakeSes, client: Any) -> None:
        headers = [{"Name": f"X-{n:02}", "Value": "x" * 992} for n in range(15)]
        recipients = [f"a{n}@example.com" for n in range(50)]
        send(client, *recipients, Content={"Simple": SIMPLE["Simple"] | {"Headers": headers}})
        assert ses.counters()["recipients"] == 50


class TestSignatures:
    def test_a_wrong_secret_is_refused(self, ses: FakeSes) -> None:
        assert refusal_of(client_of(ses, secret="wrong"))[:2] == (403, "SignatureDoesNotMatch")
        assert ses.journal() == []

    def test_an_unknown_key_is_refused(self, ses: FakeSes) -> None:
        assert refusal_of(client_of(ses, key="AKIDOTHER"))[:2] == (403, "UnrecognizedClientException")

    def test_credentials_can_be_rotated(self, ses: FakeSes, client: Any) -> None:
        ses.change_account(credentials={"AKIDNEW": "fresh"})
        assert refusal_of(client)[1] == "UnrecognizedClientException"
        send(client_of(ses, key="AKIDNEW", secret="fresh"))

    @pytest.mark.parametrize(
        ("minutes", "words"), [(6, "Signature expired"), (-6, "Signature not yet current"), (4, ""), (-4, "")]
    )
    def test_a_clock_more_than_five_minutes_off_is_refused(
        self, ses: FakeSes, client: Any, minutes: int, words: str
    ) -> None:
        send(client)
        [recorded] = ses.requests()
        fields = {name.lower(): value for name, value in recorded.headers}
        request = Request(method="POST", target=recorded.path, headers=[], fields=fields, body=recorded.body)
        now = datetime.now(UTC) + timedelta(minutes=minutes)
        with pytest.raises(Refusal, match=f"^{words}") if words else nullcontext():
            check_signature(
                request, credentials={"AKIDTEST": "secret"}, region="eu-west-1", service="ses", now=now
            )

    def test_a_changed_body_breaks_the_signature(self, ses: FakeSes, client: Any) -> None:
        send(client)
        [request] = ses.requests()
        body = request.body.replace(b"Good morning", b"Good evening")
        url = f"{ses.url}{request.path}"
        answer = urllib3.request("POST", url, body=body, headers=dict(request.headers))
        assert answer.status == 403
        assert answer.headers["x-amzn-ErrorType"] == "SignatureDoesNotMatch"

    def test_nothing_is_checked_without_verification(self) -> None:
        with FakeSes(verify=False) as ses:
            send(client_of(ses, secret="wrong"))
            assert len(ses.journal()) == 1


REFUSALS = [
    ("throttle", 429, "TooManyRequestsException", 0),
    ("quota", 429, "LimitExceededException", 0),
    ("paused", 400, "SendingPausedException", 0),
    ("suspended", 400, "AccountSuspendedException", 0),
    ("rejected", 400, "MessageRejected", 0),
    ("unverified", 400, "MailFromDomainNotVerifiedException", 0),
    ("forbidden", 403, "AccessDeniedException", 0),
    ("expired", 403, "ExpiredTokenException", 0),
    ("not_found", 404, "NotFoundException", 0),
    ("error_before", 500, "InternalFailure", 0),
    ("unavailable_before", 503, "ServiceUnavailable", 0),
    ("error_after", 500, "InternalFailure", 1),
    ("unavailable_after", 503, "ServiceUnavailable", 1),
]

BREAKAGES = [
    ("hang_before", ReadTimeoutError, 0),
    ("hang_after", ReadTimeoutError, 1),
    ("close_before", ConnectionClosedError, 0),
    ("close_after", ConnectionClosedError, 1),
    # boto3 raises nothing of its own for these: it hands out a 200 without MessageId.
    ("close_mid_response", KeyError, 1),
    ("truncated_json", KeyError, 1),
    ("no_message_id", KeyError, 1),
]


class TestMisbehaviour:
    @pytest.mark.parametrize(("mode", "status", "code", "accepts"), REFUSALS)
    def test_a_refusal_is_what_boto3_reads(
        self, ses: FakeSes, client: Any, mode: str, status: int, code: str, accepts: int
    ) -> None:
        ses.misbehave(mode, count=1)
        assert refusal_of(client)[:2] == (status, code)
        assert len(ses.journal()) == accepts
        send(client)
        assert ses.counters()["requests"] == 2

    @pytest.mark.parametrize(("mode", "error", "accepts"), BREAKAGES)
    def test_a_broken_answer_leaves_the_caller_in_doubt(
        self, ses: FakeSes, client: Any, mode: str, error: type[Exception], accepts: int
    ) -> None:
        ses.misbehave(mode, count=1)
        with pytest.raises(error):
            send(client)
        assert [accept.answer for accept in ses.journal()] == [mode] * accepts
        counters = ses.counters()
        assert (counters["requests"], counters[f"faults.{mode}"]) == (1, 1)
        send(client)

    def test_an_answer_cut_on_the_wire_is_incomplete_to_urllib3(self, lax: FakeSes) -> None:
        lax.misbehave("close_mid_response")
        with pytest.raises(urllib3.exceptions.ProtocolError, match="IncompleteRead"):
            send_plainly(lax)

    def test_truncated_json_is_a_complete_answer_to_urllib3(self, lax: FakeSes) -> None:
        lax.misbehave("truncated_json")
        answer = send_plainly(lax)
        assert answer.status == 200
        with pytest.raises(ValueError, match="Unterminated string"):
            answer.json()

    def test_a_dripping_answer_comes_byte_by_byte(self, lax: FakeSes) -> None:
        lax.misbehave("slow_drip", drip_ms=20)
        with speak(lax) as connection:
            assert [len(connection.recv(100)) for _ in range(10)] == [1] * 10
        assert len(lax.journal()) == 1

    def test_a_huge_answer_is_a_hundred_megabytes_of_json(self, lax: FakeSes) -> None:
        lax.misbehave("huge_answer")
        with speak(lax) as connection, connection.makefile("rb") as answer:
            head = b"".join(iter(answer.readline, b"\r\n"))
            length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
            assert length > 100 * 1024 * 1024
            assert answer.read(12) == b'{"MessageId"'
            size = 12
            while chunk := answer.read(1024 * 1024):
                size, last = size + len(chunk), chunk
            assert size == length
            assert last.endswith(b'xx"}')

    def test_an_idle_connection_is_closed_without_a_word(self, lax: FakeSes) -> None:
        lax.misbehave("idle_close")
        with speak(lax) as connection:
            answer = b"".join(iter(lambda: connection.recv(4096), b""))
        assert answer.startswith(b"HTTP/1.1 200 OK")
        assert b"connection:" not in answer.lower()

    def test_connections_are_kept_alive_otherwise(self, lax: FakeSes) -> None:
        with speak(lax) as connection:
            assert connection.recv(4096).startswith(b"HTTP/1.1 200 OK")
            connection.sendall(post_bytes(SEND_BODY))
            assert connection.recv(4096).startswith(b"HTTP/1.1 200 OK")
        assert len(lax.journal()) == 2

    def test_latency_is_added_to_any_answer(self, ses: FakeSes, client: Any) -> None:
        ses.misbehave(Rule(latency_ms=100))
        begun = time.monotonic()
        send(client)
        assert time.monotonic() - begun >= 0.1

    def test_a_seed_makes_a_mixture_repeatable(self, ses: FakeSes, client: Any) -> None:
        def run() -> list[str]:
            mixture = (Rule(mode="throttle", probability=0.3), Rule(mode="error_after", probability=0.2))
            ses.misbehave(*mixture, seed=7)
            return [outcome(client) for _ in range(40)]

        first = run()
        assert first == run()
        counts = Counter(first)
        assert set(counts) == {"sent", "TooManyRequestsException", "InternalFailure"}
        assert len(ses.journal()) == 2 * (counts["sent"] + counts["InternalFailure"])

    def test_one_configuration_set_can_be_paused_alone(self, ses: FakeSes, client: Any) -> None:
        ses.misbehave("paused", configuration_set="marketing")
        send(client)
        assert refusal_of(client, ConfigurationSetName="marketing")[1] == "SendingPausedException"

    def test_single_entries_of_a_bulk_request_can_be_refused(self, ses: FakeSes, client: Any) -> None:
        ses.misbehave("throttle", per_entry=True, count=1)
        results = send_bulk(client, "ann@example.com", "bob@example.com")
        assert [result["Status"] for result in results] == ["ACCOUNT_THROTTLED", "SUCCESS"]
        assert results[0]["Error"] == "Maximum sending rate exceeded."
        assert len(ses.journal()) == 1

    def test_a_lost_answer_to_a_bulk_request_puts_every_entry_in_doubt(
        self, ses: FakeSes, client: Any
    ) -> None:
        ses.misbehave("close_after")
        with pytest.raises(ConnectionClosedError):
            send_bulk(client, "ann@example.com", "bob@example.com")
        assert [accept.answer for accept in ses.journal()] == ["close_after"] * 2

    def test_the_sending_rate_is_enforced_where_asked(self, ses: FakeSes, client: Any) -> None:
        ses.change_account(enforce_rate=True, max_send_rate=1)
        send(client)
        assert [outcome(client) for _ in range(3)] == ["TooManyRequestsException"] * 3

    def test_the_daily_quota_is_enforced_where_asked(self, ses: FakeSes, client: Any) -> None:
        ses.change_account(enforce_rate=True, max_24_hour_send=1)
        send(client)
        assert outcome(client) == "LimitExceededException"

    def test_an_unknown_mode_is_refused(self, ses: FakeSes) -> None:
        with pytest.raises(ValueError, match="sulk"):
            ses.misbehave("sulk")


class TestProcess:
    def test_a_killed_process_keeps_its_journal_and_its_key(self, tmp_path: Path) -> None:
        files = {"journal": tmp_path / "accepts.jsonl", "identity": tmp_path / "sns.pem"}
        with FakeSes(own_process=True, fsync=True, **files) as ses:
            ses_id, certificate = send(client_of(ses)), ses.certificate_pem
            ses.process.send_signal(signal.SIGKILL)
            ses.stop()
            ses.start()
            assert [accept.ses_id for accept in ses.journal()] == [ses_id]
            assert ses.certificate_pem == certificate


class TestEvents:
    def test_a_subscription_has_to_be_confirmed_with_its_token(
        self, ses: FakeSes, client: Any, inbox: "Inbox"
    ) -> None:
        token = ses.subscribe(inbox.url)
        [(headers, message)] = inbox.wait_for(1)
        assert message["Type"] == headers["x-amz-sns-message-type"] == "SubscriptionConfirmation"
        assert (message["Token"], message["TopicArn"]) == (token, ses.topic_arn)
        verify(message, ses.certificate_pem)
        send(client)
        sns = client_of(ses, service="sns")
        with pytest.raises(ClientError, match="Token"):
            sns.confirm_subscription(TopicArn=ses.topic_arn, Token="wrong")
        confirmed = sns.confirm_subscription(TopicArn=ses.topic_arn, Token=token)
        assert confirmed["SubscriptionArn"].startswith(ses.topic_arn)
        assert len(inbox.received) == 1
        ses_id = send(client)
        events = inbox.wait_for(3)[1:]
        assert {json.loads(event["Message"])["mail"]["messageId"] for _, event in events} == {ses_id}

    @pytest.mark.parametrize("version", ["1", "2"])
    def test_notifications_verify_until_they_are_tampered_with(
        self, subscribed: FakeSes, client: Any, inbox: "Inbox", version: str
    ) -> None:
        subscribed.events(signature_version=version)
        send(client)
        headers, message = inbox.wait_for(1)[0]
        assert headers["Content-Type"] == "text/plain; charset=UTF-8"
        assert headers["x-amz-sns-topic-arn"] == message["TopicArn"] == subscribed.topic_arn
        assert message["SignatureVersion"] == version
        assert message["SigningCertURL"].startswith(
            "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-"
        )
        verify(message, subscribed.certificate_pem)
        other_version = {"SignatureVersion": "2" if version == "1" else "1"}
        for forged in ({"Message": "{}"}, {"TopicArn": "arn:aws:sns:eu-west-1:1:x"}, other_version):
            with pytest.raises(InvalidSignature):
                verify(message | forged, subscribed.certificate_pem)

    def test_the_certificate_is_served_under_its_name(self, subscribed: FakeSes, inbox: "Inbox") -> None:
        subscribed.publish_text("hello")
        [(_, message)] = inbox.wait_for(1)
        name = message["SigningCertURL"].rpartition("/")[2]
        answer = urllib3.request("GET", f"{subscribed.url}/sns/{name}")
        assert answer.data == subscribed.certificate_pem

    @pytest.mark.parametrize(
        ("recipient", "expected"),
        [
            ("success@simulator.amazonses.com", ["Send", "Delivery"]),
            ("ann@example.com", ["Send", "Delivery"]),
            ("Bounce <bounce+7@simulator.amazonses.com>", ["Send", "Bounce Permanent/General"]),
            ("suppressionlist@simulator.amazonses.com", ["Send", "Bounce Permanent/Suppressed"]),
            ("ooto@simulator.amazonses.com", ["Send", "Delivery", "Bounce Transient/General"]),
            ("softbounce@example.com", ["Send", "Bounce Transient/MailboxFull"]),
            ("complaint@simulator.amazonses.com", ["Send", "Delivery", "Complaint"]),
            ("reject@example.com", ["Reject"]),
            ("renderingfailure@example.com", ["Rendering Failure"]),
            ("delay@example.com", ["Send", "DeliveryDelay", "Delivery"]),
            ("click@example.com", ["Send", "Delivery", "Open", "Click"]),
            ("unsubscribe@example.com", ["Send", "Delivery", "Subscription"]),
        ],
    )
    def test_the_local_part_decides_what_becomes_of_a_recipient(
        self, subscribed: FakeSes, client: Any, inbox: "Inbox", recipient: str, expected: list[str]
    ) -> None:
        send(client, recipient)
        events = [json.loads(message["Message"]) for _, message in inbox.wait_for(len(expected))]
        subscribed.drain()
        assert sorted(told(event) for event in events) == sorted(expected)
        assert len(inbox.received) == len(expected)

    def test_a_variable_without_a_value_is_accepted_and_told_later(
        self, subscribed: FakeSes, client: Any, inbox: "Inbox"
    ) -> None:
        send(client, Content={"Template": {"TemplateContent": {"Text": "Hi {{n}}"}}})
        [(_, message)] = inbox.wait_for(1)
        event = json.loads(message["Message"])
        assert event["eventType"] == "Rendering Failure"
        assert event["failure"]["errorMessage"] == "Attribute 'n' is not present in the rendering data."

    def test_an_event_carries_the_mail_and_its_tags(
        self, subscribed: FakeSes, client: Any, inbox: "Inbox"
    ) -> None:
        ses_id = send(client, "Ann <bounce@example.com>", tags={"mg_d": "d1", "mg_f": "1"})
        events = [json.loads(message["Message"]) for _, message in inbox.wait_for(2)]
        [bounce] = [event for event in events if event["eventType"] == "Bounce"]
        mail = bounce["mail"]
        assert mail["messageId"] == ses_id
        assert (mail["source"], mail["destination"]) == (
            "Acme <news@acme.example>",
            ["bounce@example.com"],
        )
        assert (mail["tags"]["mg_d"], mail["tags"]["mg_f"]) == (["d1"], ["1"])
        assert mail["tags"]["ses:configuration-set"] == ["mailgrid"]
        assert mail["commonHeaders"]["subject"] == "Hello"
        assert {"name": "Subject", "value": "Hello"} in mail["headers"]
        assert datetime.fromisoformat(mail["timestamp"]) <= datetime.now(UTC)
        [bounced] = bounce["bounce"]["bouncedRecipients"]
        assert (bounced["emailAddress"], bounced["status"]) == ("bounce@example.com", "5.1.1")

    def test_recipients_with_one_fate_share_an_event(
        self, subscribed: FakeSes, client: Any, inbox: "Inbox"
    ) -> None:
        send(client, "ann@example.com", "bounce@example.com", "bob@example.com")
        events = [json.loads(message["Message"]) for _, message in inbox.wait_for(3)]
        [delivery] = [event for event in events if event["eventType"] == "Delivery"]
        assert delivery["delivery"]["recipients"] == ["ann@example.com", "bob@example.com"]

    def test_duplicates_repeat_the_very_message(
        self, subscribed: FakeSes, client: Any, inbox: "Inbox"
    ) -> None:
        subscribed.events(duplicate=3)
        send(client)
        messages = [message for _, message in inbox.wait_for(6)]
        assert sorted(Counter(message["MessageId"] for message in messages).values()) == [3, 3]
        assert subscribed.counters()["events.duplicated"] == 4

    def test_loss_is_counted_and_repeats_with_its_seed(
        self, subscribed: FakeSes, client: Any, inbox: "Inbox"
    ) -> None:
        def run() -> tuple[int, int]:
            subscribed.reset()
            inbox.received.clear()
            subscribed.events(loss=0.5, duplicate=1.5, reorder=0.3, reorder_ms=10, seed=11)
            for _ in range(15):
                send(client)
            subscribed.drain()
            counters = subscribed.counters()
            lost, copies = counters["events.lost"], counters["events.duplicated"]
            assert counters["events.published"] == 30
            assert counters["events.reordered"] > 0
            assert len(subscribed.withheld()) == lost
            assert counters["events.posted"] == len(inbox.received) == 30 - lost + copies
            return lost, copies

        first = run()
        assert 0 < first[0] < 30
        assert first == run()

    def test_an_event_held_back_is_overtaken(self, subscribed: FakeSes, client: Any, inbox: "Inbox") -> None:
        subscribed.events(reorder=1, reorder_ms=300)
        late = send(client)
        subscribed.events()
        early = send(client)
        order = [json.loads(message["Message"])["mail"]["messageId"] for _, message in inbox.wait_for(4)]
        assert order == [early, early, late, late]

    def test_a_post_that_fails_is_repeated_three_times(
        self, subscribed: FakeSes, client: Any, inbox: "Inbox"
    ) -> None:
        subscribed.events(retry_ms=10)
        inbox.status = 503
        subscribed.publish_text("hello")
        assert len({message["MessageId"] for _, message in inbox.wait_for(4)}) == 1
        subscribed.drain()
        counters = subscribed.counters()
        assert (counters["events.retried"], counters["events.given_up"]) == (3, 1)
        assert len(inbox.received) == 4

    def test_any_event_can_be_published_about_an_accepted_mail(
        self, subscribed: FakeSes, client: Any, inbox: "Inbox"
    ) -> None:
        ses_id = send(client)
        inbox.wait_for(2)
        subscribed.publish("Complaint", ses_id)
        assert json.loads(inbox.wait_for(3)[2][1]["Message"])["eventType"] == "Complaint"


class Inbox:
    """An HTTP endpoint that keeps what SNS posts to it, answering `status`."""

    def __init__(self) -> None:
        self.received: list[tuple[dict[str, str], dict[str, str]]] = []
        self.status = 200
        inbox = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                inbox.received.append((dict(self.headers.items()), json.loads(body)))
                self.send_response(inbox.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hooks/ses/{'s' * 32}"

    def wait_for(self, count: int) -> list[tuple[dict[str, str], dict[str, str]]]:
        deadline = time.monotonic() + 5
        while len(self.received) < count:
            assert time.monotonic() < deadline, f"{len(self.received)} of {count} messages came"
            time.sleep(0.005)
        return self.received


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    inbox = Inbox()
    thread = threading.Thread(target=inbox.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield inbox
    inbox.server.shutdown()
    inbox.server.server_close()
    thread.join()


@pytest.fixture
def subscribed(ses: FakeSes, inbox: Inbox) -> Iterator[FakeSes]:
    """The fake with one confirmed subscription, the inbox, emptied of its confirmation."""
    token = ses.subscribe(inbox.url)
    inbox.wait_for(1)
    form = urlencode({"Action": "ConfirmSubscription", "TopicArn": ses.topic_arn, "Token": token})
    assert urllib3.request("POST", f"{ses.url}/", body=form).status == 200
    ses.drain()
    ses.reset()
    inbox.received.clear()
    yield ses
    ses.unsubscribe_all()


@pytest.fixture
def lax() -> Iterator[FakeSes]:
    """A fake that checks no signatures, for requests written by hand."""
    with FakeSes(verify=False) as fake:
        yield fake


SEND_BODY = json.dumps(
    {
        "FromEmailAddress": "news@acme.example",
        "Destination": {"ToAddresses": ["ann@example.com"]},
        "Content": SIMPLE,
    }
).encode()


def send_plainly(ses: FakeSes) -> urllib3.BaseHTTPResponse:
    """One mail with urllib3 alone, unsigned."""
    return urllib3.request("POST", f"{ses.url}/v2/email/outbound-emails", body=SEND_BODY, retries=False)


def post_bytes(body: bytes) -> bytes:
    head = f"POST /v2/email/outbound-emails HTTP/1.1\r\nHost: ses\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def speak(ses: FakeSes) -> socket.socket:
    """A connection on which one mail has been sent, its answer unread."""
    host, _, port = ses.url.removeprefix("http://").partition(":")
    connection = socket.create_connection((host, int(port)), timeout=5)
    connection.sendall(post_bytes(SEND_BODY))
    return connection


def outcome(client: Any) -> str:
    """`sent`, or the code of the error."""
    try:
        send(client)
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return "sent"


def send_bulk(client: Any, *to: str, text: str = "Ann") -> list[dict[str, str]]:
    entries = [
        {
            "Destination": {"ToAddresses": [address]},
            "ReplacementTags": [{"Name": "mg_d", "Value": f"d{number}"}],
            "ReplacementEmailContent": {
                "ReplacementTemplate": {"ReplacementTemplateData": json.dumps({"n": text})}
            },
        }
        for number, address in enumerate(to)
    ]
    template = {"TemplateContent": {"Subject": "Hi", "Text": "{{n}}"}, "TemplateData": "{}"}
    results: list[dict[str, str]] = client.send_bulk_email(
        FromEmailAddress="news@acme.example",
        DefaultContent={"Template": template},
        DefaultEmailTags=[{"Name": "mg_f", "Value": "1"}],
        BulkEmailEntries=entries,
    )["BulkEmailEntryResults"]
    return results


def told(event: dict[str, Any]) -> str:
    """An event in a word or two."""
    kind: str = event["eventType"]
    bounce = event.get("bounce")
    return f"{kind} {bounce['bounceType']}/{bounce['bounceSubType']}" if bounce else kind


def verify(message: dict[str, str], certificate_pem: bytes) -> None:
    """Raise InvalidSignature unless the certificate's key signed the message, as SNS documents it."""
    key = x509.load_pem_x509_certificate(certificate_pem).public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    algorithm = {"1": hashes.SHA1(), "2": hashes.SHA256()}[message["SignatureVersion"]]
    signature = base64.b64decode(message["Signature"])
    key.verify(signature, canonical_string(message), padding.PKCS1v15(), algorithm)
