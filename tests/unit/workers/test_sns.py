"""Only what SNS of the topic's own region signed is believed, and nothing else is ever fetched (A12)."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.fakes.ses.sns import SnsIdentity
from tests.fakes.ses.sns import canonical_string as signed_by_sns
from workers.adapters import sns
from workers.adapters.sns import Refusal, SnsRefused, SnsVerifier
from workers.adapters.sns_messages import canonical_string, certificate_url, region_of

_TOPIC = "arn:aws:sns:eu-west-1:123456789012:ses-events"
_NOW = datetime.now(UTC)

Message = dict[str, str]


class _Fetcher:
    """Serves one certificate under every URL and remembers what was asked for."""

    def __init__(self, pem: bytes) -> None:
        self.pem = pem
        self.urls: list[str] = []

    def __call__(self, url: str) -> bytes:
        self.urls.append(url)
        return self.pem


@pytest.fixture(scope="module")
def identity() -> SnsIdentity:
    return SnsIdentity.make(region="eu-west-1")


@pytest.fixture
def fetcher(identity: SnsIdentity) -> _Fetcher:
    return _Fetcher(identity.certificate_pem)


def _refusal(verify: Callable[[], object]) -> Refusal:
    with pytest.raises(SnsRefused) as refused:
        verify()
    return refused.value.reason


@pytest.fixture(params=["1", "2"])
def genuine(request: pytest.FixtureRequest, identity: SnsIdentity) -> Message:
    return identity.notification('{"eventType":"Send"}', topic_arn=_TOPIC, version=request.param)


def test_a_genuine_message_of_either_version_passes(genuine: Message, fetcher: _Fetcher) -> None:
    SnsVerifier(fetch=fetcher).verify(genuine, now=_NOW)
    assert fetcher.urls == [genuine["SigningCertURL"]]


def test_a_message_without_subject_passes(identity: SnsIdentity, fetcher: _Fetcher) -> None:
    SnsVerifier(fetch=fetcher).verify(identity.notification("text", topic_arn=_TOPIC, subject=None), now=_NOW)


def test_a_subscription_confirmation_passes(identity: SnsIdentity, fetcher: _Fetcher) -> None:
    message = identity.subscription_confirmation(topic_arn=_TOPIC, token="t" * 64)
    SnsVerifier(fetch=fetcher).verify(message, now=_NOW)


def test_the_certificate_is_fetched_once_per_url(genuine: Message, fetcher: _Fetcher) -> None:
    verifier = SnsVerifier(fetch=fetcher)
    for _ in range(3):
        verifier.verify(genuine, now=_NOW)
    assert len(fetcher.urls) == 1


def test_an_unsubscribe_confirmation_signs_what_a_subscription_does(identity: SnsIdentity) -> None:
    message = identity.subscription_confirmation(topic_arn=_TOPIC, token="t")
    message["Type"] = "UnsubscribeConfirmation"
    assert canonical_string(message).encode() == signed_by_sns(message)


def test_version_1_is_refused_where_the_setting_says_so(identity: SnsIdentity, fetcher: _Fetcher) -> None:
    verifier = SnsVerifier(fetch=fetcher, refuse_version_1=True)
    old = identity.notification("text", topic_arn=_TOPIC, version="1")
    assert _refusal(lambda: verifier.verify(old, now=_NOW)) is Refusal.VERSION
    assert fetcher.urls == []
    verifier.verify(identity.notification("text", topic_arn=_TOPIC, version="2"), now=_NOW)


def test_a_signature_labelled_with_the_other_version_is_refused(genuine: Message, fetcher: _Fetcher) -> None:
    genuine["SignatureVersion"] = "2" if genuine["SignatureVersion"] == "1" else "1"
    assert _refusal(lambda: SnsVerifier(fetch=fetcher).verify(genuine, now=_NOW)) is Refusal.SIGNATURE


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("Message", "another"),
        ("MessageId", "another"),
        ("Subject", "another"),
        ("Timestamp", "2020-01-01T00:00:00.000Z"),
        ("TopicArn", "arn:aws:sns:eu-west-1:123456789012:another"),
        ("Signature", "AAAA"),
        ("Signature", ""),
    ],
)
def test_a_changed_field_breaks_the_signature(
    identity: SnsIdentity, fetcher: _Fetcher, field: str, value: str
) -> None:
    message = identity.notification("text", topic_arn=_TOPIC) | {field: value}
    assert _refusal(lambda: SnsVerifier(fetch=fetcher).verify(message, now=_NOW)) is Refusal.SIGNATURE


def test_a_signature_of_somebody_else_is_refused(fetcher: _Fetcher) -> None:
    message = SnsIdentity.make(region="eu-west-1").notification("text", topic_arn=_TOPIC)
    assert _refusal(lambda: SnsVerifier(fetch=fetcher).verify(message, now=_NOW)) is Refusal.SIGNATURE


def test_a_notification_cannot_be_relabelled_as_a_confirmation(
    identity: SnsIdentity, fetcher: _Fetcher
) -> None:
    message = identity.notification("text", topic_arn=_TOPIC)
    message |= {"Type": "SubscriptionConfirmation", "Token": "t", "SubscribeURL": "https://example.com/"}
    assert _refusal(lambda: SnsVerifier(fetch=fetcher).verify(message, now=_NOW)) is Refusal.SIGNATURE


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("Type", "Notice", Refusal.TYPE),
        ("Type", None, Refusal.MALFORMED),
        ("SignatureVersion", "3", Refusal.VERSION),
        ("SignatureVersion", 1, Refusal.MALFORMED),
        ("Message", None, Refusal.MALFORMED),
        ("Message", {"a": 1}, Refusal.MALFORMED),
        ("Message", "\ud800", Refusal.MALFORMED),
        ("Subject", 7, Refusal.MALFORMED),
        ("Signature", None, Refusal.MALFORMED),
        ("Signature", "not base64!", Refusal.MALFORMED),
        ("Signature", "ü", Refusal.MALFORMED),
        ("TopicArn", "ses-events", Refusal.MALFORMED),
        ("TopicArn", "arn:aws:sqs:eu-west-1:123456789012:ses-events", Refusal.MALFORMED),
        ("SigningCertURL", None, Refusal.MALFORMED),
    ],
)
def test_a_malformed_message_is_refused_before_anything_is_fetched(
    identity: SnsIdentity, fetcher: _Fetcher, field: str, value: object, reason: Refusal
) -> None:
    message = identity.notification("text", topic_arn=_TOPIC) | {field: value}
    assert _refusal(lambda: SnsVerifier(fetch=fetcher).verify(message, now=_NOW)) is reason
    assert fetcher.urls == []


_FILE = "SimpleNotificationService-0123456789abcdef0123456789abcdef.pem"


@pytest.mark.parametrize(
    "url",
    [
        f"https://sns.evil.amazonaws.com.evil.com/{_FILE}",
        f"https://s3.amazonaws.com/sns.eu-west-1.amazonaws.com/{_FILE}",
        f"https://sns.s3.amazonaws.com/{_FILE}",
        f"https://sns.eu-west-1.s3.amazonaws.com/{_FILE}",
        f"http://sns.eu-west-1.amazonaws.com/{_FILE}",
        f"HTTPS://sns.eu-west-1.amazonaws.com/{_FILE}",
        f"https://SNS.eu-west-1.amazonaws.com/{_FILE}",
        f"https://sns.us-east-1.amazonaws.com/{_FILE}",
        f"https://sns.eu-west-1.amazonaws.com.cn/{_FILE}",
        f"https://sns.amazonaws.com/{_FILE}",
        f"https://sns.eu-west-1.amazonaws.com@evil.com/{_FILE}",
        f"https://evil.com@sns.eu-west-1.amazonaws.com/{_FILE}",
        f"https://sns.eu-west-1.amazonaws.com:8443/{_FILE}",
        f"https://sns.eu-west-1.amazonaws.com:443/{_FILE}",
        f"https://sns.eu-west-1.amazonaws.com./{_FILE}",
        f"https://sns.eu-west-1.amazonaws.com\\@evil.com/{_FILE}",
        f"https://sns.eu-west-1.amazonaws.com/{_FILE}?x=1",
        f"https://sns.eu-west-1.amazonaws.com/{_FILE}#x",
        f"https://sns.eu-west-1.amazonaws.com/{_FILE}\n",
        f" https://sns.eu-west-1.amazonaws.com/{_FILE}",
        f"https://sns.eu-west-1.amazonaws.com//{_FILE}",
        f"https://sns.eu-west-1.amazonaws.com/../{_FILE}",
        f"https://sns.eu-west-1.amazonaws.com/x/{_FILE}",
        "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-.pem",
        "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-zz.pem",
        "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-٣.pem",
        "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-ab.pem.exe",
        "https://sns.eu-west-1.amazonaws.com/?Action=ListTopics",
        "https://sns.eu-west-1.amazonaws.com",
        "file:///etc/passwd",
        "",
    ],
)
def test_no_other_url_is_ever_fetched(identity: SnsIdentity, fetcher: _Fetcher, url: str) -> None:
    message = identity.notification("text", topic_arn=_TOPIC) | {"SigningCertURL": url}
    assert _refusal(lambda: SnsVerifier(fetch=fetcher).verify(message, now=_NOW)) is Refusal.CERTIFICATE_URL
    assert fetcher.urls == []


@pytest.mark.parametrize(
    ("topic_arn", "host"),
    [
        (_TOPIC, "sns.eu-west-1.amazonaws.com"),
        ("arn:aws-cn:sns:cn-north-1:123456789012:t", "sns.cn-north-1.amazonaws.com.cn"),
        ("arn:aws-us-gov:sns:us-gov-west-1:123456789012:t.fifo", "sns.us-gov-west-1.amazonaws.com"),
    ],
)
def test_the_certificate_lies_at_the_sns_of_the_topics_region(topic_arn: str, host: str) -> None:
    url = f"https://{host}/{_FILE}"
    assert certificate_url({"TopicArn": topic_arn, "SigningCertURL": url}) == url


@pytest.mark.parametrize(
    "topic_arn",
    [
        "",
        "arn:aws:sns:evil.com/:123456789012:t",
        "arn:aws:sns:eu-west-1@evil.com-1:123456789012:t",
        f"{_TOPIC}\n",
    ],
)
def test_what_is_no_topic_has_no_region(topic_arn: str) -> None:
    assert _refusal(lambda: region_of(topic_arn)) is Refusal.MALFORMED


@pytest.mark.parametrize("days", [-10, 5_000])
def test_a_certificate_outside_its_validity_is_refused(
    identity: SnsIdentity, fetcher: _Fetcher, days: int
) -> None:
    message = identity.notification("text", topic_arn=_TOPIC)
    later = _NOW + timedelta(days=days)
    assert _refusal(lambda: SnsVerifier(fetch=fetcher).verify(message, now=later)) is Refusal.CERTIFICATE


def test_an_unreadable_certificate_is_not_kept(identity: SnsIdentity) -> None:
    message = identity.notification("text", topic_arn=_TOPIC)
    fetcher = _Fetcher(b"<html>503</html>")
    verifier = SnsVerifier(fetch=fetcher)
    assert _refusal(lambda: verifier.verify(message, now=_NOW)) is Refusal.CERTIFICATE
    fetcher.pem = identity.certificate_pem
    verifier.verify(message, now=_NOW)


def test_a_certificate_that_cannot_be_fetched_now_may_be_tried_again(identity: SnsIdentity) -> None:
    def unreachable(_: str) -> bytes:
        raise SnsRefused(Refusal.UNREACHABLE)

    with pytest.raises(SnsRefused) as refused:
        SnsVerifier(fetch=unreachable).verify(identity.notification("text", topic_arn=_TOPIC), now=_NOW)
    assert refused.value.transient


def test_a_subscription_in_another_region_is_not_confirmed() -> None:
    assert _refusal(lambda: sns.confirm_subscription(_TOPIC, "t", "us-east-1")) is Refusal.MALFORMED


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_no_mutation_of_a_genuine_message_passes(identity: SnsIdentity, data: st.DataObject) -> None:
    genuine = identity.notification("text", topic_arn=_TOPIC)
    field = data.draw(st.sampled_from(sorted(genuine.keys() - {"UnsubscribeURL"})))
    other = st.sampled_from(list(genuine.values()))
    value = data.draw(st.none() | st.integers() | st.text(max_size=40) | other)
    mutant = {**genuine, field: value}
    assume(mutant != genuine)
    with pytest.raises(SnsRefused):
        SnsVerifier(fetch=lambda _: identity.certificate_pem).verify(mutant, now=_NOW)
