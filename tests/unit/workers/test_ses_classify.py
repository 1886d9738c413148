"""What an answer of SES proves, row by row of delivery.md 7.3 and 9."""

import pytest

from emails.delivery.ports import ErrorClass, Receipt, TransportError
from workers.transports.ses_errors import classify, read_answer

_QUOTA_WORDS = "Daily message quota exceeded."
_RATE_WORDS = "Maximum sending rate exceeded."


@pytest.mark.parametrize(
    ("status", "code", "message", "kind"),
    [
        (429, "TooManyRequestsException", _RATE_WORDS, ErrorClass.THROTTLED),
        (429, "TooManyRequestsException", _QUOTA_WORDS, ErrorClass.QUOTA),
        (400, "Throttling", _RATE_WORDS, ErrorClass.THROTTLED),
        (400, "ThrottlingException", _QUOTA_WORDS, ErrorClass.QUOTA),
        (429, "", "", ErrorClass.THROTTLED),
        (400, "LimitExceededException", _QUOTA_WORDS, ErrorClass.QUOTA),
        (400, "LimitExceededException", _RATE_WORDS, ErrorClass.THROTTLED),
        (400, "SendingPausedException", "", ErrorClass.PAUSED),
        (400, "AccountSuspendedException", "", ErrorClass.PAUSED),
        (400, "MessageRejected", "Sending suspended for this account. For more …", ErrorClass.PAUSED),
        (403, "InvalidClientTokenId", "", ErrorClass.AUTH),
        (403, "ExpiredTokenException", "", ErrorClass.AUTH),
        (403, "SignatureDoesNotMatch", "Signature expired: 20260302T", ErrorClass.AUTH),
        (403, "AccessDeniedException", "User is not authorized", ErrorClass.AUTH),
        (403, "SomethingNewException", "", ErrorClass.AUTH),
        (404, "NotFoundException", "Configuration set <x> does not exist.", ErrorClass.AUTH),
        (400, "BadRequestException", "Configuration Set <x> is invalid", ErrorClass.AUTH),
        (400, "MailFromDomainNotVerifiedException", "", ErrorClass.IDENTITY),
        (400, "MessageRejected", "Email address is not verified. The following …", ErrorClass.IDENTITY),
        (400, "MessageRejected", "The message contains a virus.", ErrorClass.CONTENT),
        (400, "BadRequestException", "Missing final '@domain'", ErrorClass.CONTENT),
        (413, "", "", ErrorClass.CONTENT),
        (400, "SomethingNewException", "", ErrorClass.CONTENT),
        (400, "SerializationException", "", ErrorClass.BUG),
        (408, "RequestTimeout", "", ErrorClass.NETWORK),
        (400, "", "", ErrorClass.NETWORK),
        (500, "InternalFailure", "", ErrorClass.DOUBT),
        (503, "ServiceUnavailable", "", ErrorClass.DOUBT),
        (503, "Throttling", _RATE_WORDS, ErrorClass.DOUBT),
        (200, "", "", ErrorClass.DOUBT),
        (204, "", "", ErrorClass.DOUBT),
        (302, "", "", ErrorClass.DOUBT),
    ],
)
def test_an_answer_is_classified_by_what_it_proves(
    status: int, code: str, message: str, kind: ErrorClass
) -> None:
    assert classify(status, code, message) is kind


@pytest.mark.parametrize("words", [_QUOTA_WORDS, "sending paused", "sending suspended", "Configuration set"])
def test_words_of_a_tenant_inside_a_message_stop_nobody_else(words: str) -> None:
    message = f"Missing final '@domain' in <{words}>"
    assert classify(400, "BadRequestException", message) is ErrorClass.CONTENT
    assert classify(400, "MessageRejected", message) is ErrorClass.CONTENT


@pytest.mark.parametrize("status", range(400, 500))
@pytest.mark.parametrize("code", ["", "SomethingNewException"])
def test_no_4xx_is_ever_a_doubt(status: int, code: str) -> None:
    assert classify(status, code, "") is not ErrorClass.DOUBT


def test_200_with_a_message_id_is_a_receipt() -> None:
    answer = read_answer(status=200, error_type="", body=b'{"MessageId":"0102-a"}', lost="")
    assert answer == Receipt(provider_message_id="0102-a")


@pytest.mark.parametrize(
    "body", [b"", b"{}", b'{"MessageId":', b'{"MessageId":""}', b'{"MessageId":7}', b"[]", b"null", b"\xff"]
)
def test_200_without_a_message_id_is_a_doubt(body: bytes) -> None:
    answer = read_answer(status=200, error_type="", body=body, lost="")
    assert answer == TransportError(kind=ErrorClass.DOUBT, code="http_200", message="HTTP 200 without words")


def test_a_cut_200_is_a_doubt_that_says_why() -> None:
    answer = read_answer(status=200, error_type="", body=b"", lost="deadline")
    assert answer == TransportError(
        kind=ErrorClass.DOUBT, code="deadline", message="HTTP 200, the answer was cut: deadline"
    )


def test_a_cut_refusal_is_still_a_refusal() -> None:
    answer = read_answer(status=400, error_type="MessageRejected", body=b"", lost="connection_lost")
    assert isinstance(answer, TransportError)
    assert (answer.kind, answer.code) == (ErrorClass.CONTENT, "MessageRejected")


@pytest.mark.parametrize(
    ("error_type", "body"),
    [
        ("MessageRejected", b'{"message":"no"}'),
        ("MessageRejected:http://internal.amazon.com/coral/", b'{"message":"no"}'),
        ("", b'{"__type":"com.amazonaws.ses#MessageRejected","message":"no"}'),
        ("", b'{"code":"MessageRejected","Message":"no"}'),
    ],
)
def test_the_error_has_its_name_wherever_the_protocol_puts_it(error_type: str, body: bytes) -> None:
    answer = read_answer(status=400, error_type=error_type, body=body, lost="")
    assert answer == TransportError(kind=ErrorClass.CONTENT, code="MessageRejected", message="no")
