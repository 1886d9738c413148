"""The lean client and boto3, asked for the same mail, put the same request on the wire."""

import itertools
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from unittest import mock

import boto3
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.session import Session

from emails.composition.compose import compose
from emails.composition.envelope import Attachment, Envelope
from emails.composition.shape import Shape, shape_of
from emails.delivery.ports import ErrorClass, Receipt, Transport
from mailgrid.core.addresses import Mailbox
from tests.contracts.ses_mail import INVOICE, LOGO, TENANT, envelope, transport
from tests.fakes.ses import FakeSes, RecordedRequest
from workers.transports.ses import SesTransport
from workers.transports.ses_credentials import SesCredentials, endpoint_of
from workers.transports.ses_signing import signed_headers

_FAR = float("inf")

_TAGS = [
    {"Name": "mg_d", "Value": "01981e2c-5d3a-7c41-9a57-3f0c1b2d4e5f"},
    {"Name": "mg_f", "Value": "1"},
    {"Name": "mg_t", "Value": TENANT.hex},
    {"Name": "mg_s", "Value": "transactional"},
]
_BODY = {
    "Text": {"Data": "Thank you", "Charset": "UTF-8"},
    "Html": {"Data": "<p>Thank you</p>", "Charset": "UTF-8"},
}
_SUBJECT = {"Data": "Your receipt", "Charset": "UTF-8"}

_PLAIN = envelope()
_FULL = envelope(
    sender=Mailbox(address="hello@acme.example", name="Acme, Inc."),
    to=(Mailbox(address="ann@example.org", name="Ann"), Mailbox(address="abe@example.org")),
    cc=(Mailbox(address="bob@example.net"),),
    bcc=(Mailbox(address="eve@example.com"),),
    reply_to=(Mailbox(address="help@acme.example", name="Help"),),
    headers=(
        ("X-Order", "7"),
        ("Message-ID", "<only-kept@acme.example>"),
        ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),
    ),
    attachments=(LOGO, INVOICE),
    configuration_set="mg-transactional",
)
_UNICODE = envelope(
    sender=Mailbox(address="hello@acme.example", name="Füße & Söhne"),
    subject="Überraschung 🎁",
    html=None,
    text="Grüße, 世界\r\n",
)
_RAW = envelope(
    to=(Mailbox(address="ann@example.org", name="Ann"),),
    cc=(Mailbox(address="bob@example.net"),),
    reply_to=(Mailbox(address="help@acme.example"),),
    headers=(("X-Customer", "Söhne"),),
    attachments=(Attachment(filename="Rechnung März.pdf", content_type="application/pdf", content=b"%PDF"),),
)

_REQUESTS: dict[str, tuple[Envelope, dict[str, Any]]] = {
    "plain": (
        _PLAIN,
        {
            "FromEmailAddress": "hello@acme.example",
            "Destination": {"ToAddresses": ["ann@example.org"]},
            "Content": {"Simple": {"Subject": _SUBJECT, "Body": _BODY}},
            "EmailTags": _TAGS,
        },
    ),
    "full": (
        _FULL,
        {
            "FromEmailAddress": '"Acme, Inc." <hello@acme.example>',
            "Destination": {
                "ToAddresses": ["Ann <ann@example.org>", "abe@example.org"],
                "CcAddresses": ["bob@example.net"],
                "BccAddresses": ["eve@example.com"],
            },
            "ReplyToAddresses": ["Help <help@acme.example>"],
            "Content": {
                "Simple": {
                    "Subject": _SUBJECT,
                    "Body": _BODY,
                    "Headers": [
                        {"Name": "X-Order", "Value": "7"},
                        {"Name": "List-Unsubscribe-Post", "Value": "List-Unsubscribe=One-Click"},
                    ],
                    "Attachments": [
                        {
                            "RawContent": b"\x89PNG\r\n\0",
                            "FileName": "logo.png",
                            "ContentType": "image/png",
                            "ContentDisposition": "INLINE",
                            "ContentId": "logo",
                            "ContentTransferEncoding": "BASE64",
                        },
                        {
                            "RawContent": b"%PDF-1.7",
                            "FileName": "invoice 7.pdf",
                            "ContentType": "application/pdf",
                            "ContentDisposition": "ATTACHMENT",
                            "ContentTransferEncoding": "BASE64",
                        },
                    ],
                }
            },
            "EmailTags": _TAGS,
            "ConfigurationSetName": "mg-transactional",
        },
    ),
    "unicode": (
        _UNICODE,
        {
            "FromEmailAddress": "=?utf-8?b?RsO8w59lICYgU8O2aG5l?= <hello@acme.example>",
            "Destination": {"ToAddresses": ["ann@example.org"]},
            "Content": {
                "Simple": {
                    "Subject": {"Data": "Überraschung 🎁", "Charset": "UTF-8"},
                    "Body": {"Text": {"Data": "Grüße, 世界\r\n", "Charset": "UTF-8"}},
                }
            },
            "EmailTags": _TAGS,
        },
    ),
    "raw": (
        _RAW,
        {
            "FromEmailAddress": "hello@acme.example",
            "Destination": {"ToAddresses": ["ann@example.org"], "CcAddresses": ["bob@example.net"]},
            "Content": {"Raw": {"Data": compose(_RAW)}},
            "EmailTags": _TAGS,
        },
    ),
}

# boto3's own book-keeping; user-agent is never signed.
_BOTO3_ONLY = {"amz-sdk-invocation-id", "amz-sdk-request"}


@pytest.fixture(scope="module")
def running() -> Iterator[FakeSes]:
    with FakeSes() as ses:
        yield ses


@pytest.fixture
def ses(running: FakeSes) -> FakeSes:
    running.reset()
    return running


def _boto3(ses: FakeSes) -> Any:
    return boto3.client(
        "sesv2",
        endpoint_url=ses.url,
        region_name="eu-west-1",
        aws_access_key_id="AKIDTEST",
        aws_secret_access_key="secret",
        config=Config(retries={"total_max_attempts": 1, "mode": "standard"}),
    )


def _signed_headers(request: RecordedRequest) -> set[str]:
    authorization = {name.lower(): value for name, value in request.headers}["authorization"]
    return set(authorization.partition("SignedHeaders=")[2].partition(",")[0].split(";"))


@pytest.mark.parametrize("case", _REQUESTS)
def test_the_request_is_the_one_boto3_makes(ses: FakeSes, case: str) -> None:
    mail, request = _REQUESTS[case]
    _boto3(ses).send_email(**request)
    with transport(ses.url) as sender:
        (answer,) = sender.send([mail], deadline=_FAR)
    theirs, ours = ses.requests()
    assert (ours.method, ours.path) == (theirs.method, theirs.path) == ("POST", "/v2/email/outbound-emails")
    assert ours.json() == theirs.json()
    assert _signed_headers(ours) == _signed_headers(theirs) - _BOTO3_ONLY
    assert isinstance(answer, Receipt)
    assert [accept.ses_id for accept in ses.journal()][1] == answer.provider_message_id


def test_only_what_ses_cannot_compose_goes_raw() -> None:
    shapes = {case: shape_of(mail) for case, (mail, _) in _REQUESTS.items()}
    assert shapes == {
        "plain": Shape.SIMPLE, "full": Shape.SIMPLE, "unicode": Shape.SIMPLE, "raw": Shape.RAW
    }  # fmt: skip


def test_the_accounts_configuration_set_serves_mail_that_names_none(ses: FakeSes) -> None:
    with transport(ses.url, configuration_set="mg-default") as sender:
        sender.send([_PLAIN], deadline=_FAR)
        sender.send([_FULL], deadline=_FAR)
    named = [request.json()["ConfigurationSetName"] for request in ses.requests()]
    assert named == ["mg-default", "mg-transactional"]


def test_check_asks_for_the_account_as_boto3_does(ses: FakeSes) -> None:
    _boto3(ses).get_account()
    with transport(ses.url) as sender:
        assert sender.check() is None
    theirs, ours = ses.requests()
    assert (ours.method, ours.path, ours.body) == (theirs.method, theirs.path, theirs.body)
    assert _signed_headers(ours) == _signed_headers(theirs) - _BOTO3_ONLY


def test_check_says_what_is_wrong(ses: FakeSes) -> None:
    with transport(ses.url, secret_access_key="wrong") as sender:
        error = sender.check()
    assert error is not None
    assert (error.kind, error.code) == (ErrorClass.AUTH, "SignatureDoesNotMatch")


@pytest.mark.parametrize(
    ("token", "path", "body"),
    list(
        itertools.product(
            (None, "session+token/with=signs"),
            ("/v2/email/outbound-emails", "/prefix/v2/email/account"),
            (b"", b'{"a":"\xc3\xbc"}'),
        )
    ),
)
def test_our_signature_is_botocores(token: str | None, path: str, body: bytes) -> None:
    now = datetime(2026, 3, 2, 9, 15, 0, tzinfo=UTC)
    content_type = "application/json" if body else None
    ours = signed_headers(
        method="POST",
        host="email.eu-west-1.amazonaws.com",
        path=path,
        body=body,
        content_type=content_type,
        access_key="AKIDTEST",
        secret_key="secret",
        token=token,
        region="eu-west-1",
        service="ses",
        now=now,
    )
    request = AWSRequest(method="POST", url=f"https://email.eu-west-1.amazonaws.com{path}", data=body)
    if content_type:
        request.headers["Content-Type"] = content_type
    with mock.patch("botocore.auth.get_current_datetime", return_value=now):
        SigV4Auth(Credentials("AKIDTEST", "secret", token), "ses", "eu-west-1").add_auth(request)
    assert ours["authorization"] == request.headers["Authorization"]
    assert ours["x-amz-date"] == request.headers["X-Amz-Date"]
    assert ours.get("x-amz-security-token") == token


@pytest.mark.parametrize("region", ["us-east-1", "eu-west-1", "cn-north-1", "us-gov-west-1"])
def test_our_endpoint_is_boto3s(region: str) -> None:
    client = boto3.client("sesv2", region_name=region, aws_access_key_id="a", aws_secret_access_key="b")
    assert endpoint_of(Session(), region) == client.meta.endpoint_url


def test_rotated_credentials_are_used_by_the_next_call(ses: FakeSes) -> None:
    first = mock.Mock(access_key="AKIDTEST", secret_key="secret", token=None)
    rotated = mock.Mock(access_key="AKIDNEW", secret_key="new", token=None)
    frozen = mock.patch.object(SesCredentials, "frozen", side_effect=[first, rotated, rotated])
    with frozen, transport(ses.url) as sender:
        assert isinstance(sender.send([_PLAIN], deadline=_FAR)[0], Receipt)
        (refused,) = sender.send([_PLAIN], deadline=_FAR)
        assert not isinstance(refused, Receipt)
        assert (refused.kind, refused.code) == (ErrorClass.AUTH, "UnrecognizedClientException")
        ses.change_account(credentials={"AKIDNEW": "new"})
        assert isinstance(sender.send([_PLAIN], deadline=_FAR)[0], Receipt)


def test_a_role_is_assumed_by_the_call_that_needs_it() -> None:
    session = Session()
    sts = mock.Mock()
    sts.assume_role.return_value = {
        "Credentials": {
            "AccessKeyId": "ASIAROLE",
            "SecretAccessKey": "role-secret",
            "SessionToken": "role-token",
            "Expiration": "2099-01-01T00:00:00Z",
        },
        "AssumedRoleUser": {"Arn": "arn:aws:sts::123456789012:assumed-role/mailer/mailgrid"},
    }
    role = "arn:aws:iam::123456789012:role/mailer"
    with mock.patch.object(session, "create_client", return_value=sts):
        credentials = SesCredentials(
            session, region="eu-west-1", access_key_id="AKID", secret_access_key="s", role_arn=role
        )
        assert sts.assume_role.call_count == 0
        frozen = [credentials.frozen() for _ in range(2)]
    assert [(one.access_key, one.token) for one in frozen] == [("ASIAROLE", "role-token")] * 2
    sts.assume_role.assert_called_once_with(RoleArn=role, RoleSessionName="mailgrid")


def test_the_transport_keeps_its_ports_promise(ses: FakeSes) -> None:
    with transport(ses.url) as sender:
        port: Transport = sender
        assert [list(call) for call in port.plan([_PLAIN, _FULL])] == [[_PLAIN], [_FULL]]
        assert port.recall([]) is None


def test_a_region_that_does_not_exist_is_said_at_once() -> None:
    with pytest.raises(ValueError, match="not a region"):
        SesTransport(region="not a region")


def test_keep_alive_serves_one_thread_with_one_connection(ses: FakeSes) -> None:
    before = ses.counters().get("connections", 0)
    with transport(ses.url) as sender:
        for _ in range(20):
            sender.send([_PLAIN], deadline=_FAR)
    # One of the transport, one of the look at the counters.
    assert ses.counters()["connections"] - before == 2
    assert len(ses.journal()) == 20
    assert json.loads(ses.requests()[0].body)["EmailTags"] == _TAGS
