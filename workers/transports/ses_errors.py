"""SES's answers, read as what they prove. Pure.

Source: Amazon SES API v2 Reference, errors of SendEmail and "Common errors"; the classes are delivery.md 9.
"""

from typing import Any, Final

import orjson

from emails.delivery.ports import Answer, ErrorClass, Receipt, TransportError

WORDS_LIMIT: Final = 1_000

# How SES begins a message that narrows its error's name. Only the beginning counts: further on the words may
# be a tenant's, and a tenant must not be able to talk an account into a pause.
_BY_WORDS: dict[str, tuple[tuple[str, ErrorClass], ...]] = {
    "TooManyRequestsException": (("daily message quota", ErrorClass.QUOTA),),
    "LimitExceededException": (("maximum sending rate", ErrorClass.THROTTLED),),
    "Throttling": (("daily message quota", ErrorClass.QUOTA),),
    "ThrottlingException": (("daily message quota", ErrorClass.QUOTA),),
    "MessageRejected": (
        ("email address is not verified", ErrorClass.IDENTITY),
        ("sending suspended", ErrorClass.PAUSED),
        ("sending paused", ErrorClass.PAUSED),
    ),
    "BadRequestException": (("configuration set", ErrorClass.AUTH),),
}

_BY_CODE: dict[str, ErrorClass] = {
    "TooManyRequestsException": ErrorClass.THROTTLED,
    "Throttling": ErrorClass.THROTTLED,
    "ThrottlingException": ErrorClass.THROTTLED,
    "LimitExceededException": ErrorClass.QUOTA,
    "SendingPausedException": ErrorClass.PAUSED,
    "AccountSendingPausedException": ErrorClass.PAUSED,
    "ConfigurationSetSendingPausedException": ErrorClass.PAUSED,
    "AccountSuspendedException": ErrorClass.PAUSED,
    "AccessDenied": ErrorClass.AUTH,
    "AccessDeniedException": ErrorClass.AUTH,
    "ConfigurationSetDoesNotExist": ErrorClass.AUTH,
    "ExpiredToken": ErrorClass.AUTH,
    "ExpiredTokenException": ErrorClass.AUTH,
    "IncompleteSignature": ErrorClass.AUTH,
    "IncompleteSignatureException": ErrorClass.AUTH,
    "InvalidClientTokenId": ErrorClass.AUTH,
    "InvalidSignatureException": ErrorClass.AUTH,
    "MissingAuthenticationToken": ErrorClass.AUTH,
    "MissingAuthenticationTokenException": ErrorClass.AUTH,
    "NotFoundException": ErrorClass.AUTH,
    "OptInRequired": ErrorClass.AUTH,
    "RequestExpired": ErrorClass.AUTH,
    "SignatureDoesNotMatch": ErrorClass.AUTH,
    "UnrecognizedClientException": ErrorClass.AUTH,
    "FromEmailAddressNotVerifiedException": ErrorClass.IDENTITY,
    "MailFromDomainNotVerifiedException": ErrorClass.IDENTITY,
    "SerializationException": ErrorClass.BUG,  # SES could not read our JSON
    "BadRequestException": ErrorClass.CONTENT,
    "MessageRejected": ErrorClass.CONTENT,
}

# The permission is missing for this operation alone; the credentials may be good for others.
FORBIDDEN: Final = frozenset({"AccessDenied", "AccessDeniedException"})
# Every request of the account would be answered so.
CREDENTIALS: Final = frozenset(code for code, kind in _BY_CODE.items() if kind is ErrorClass.AUTH) - FORBIDDEN

_BY_STATUS: dict[int, ErrorClass] = {
    401: ErrorClass.AUTH,
    403: ErrorClass.AUTH,
    404: ErrorClass.AUTH,
    407: ErrorClass.AUTH,
    408: ErrorClass.NETWORK,
    413: ErrorClass.CONTENT,
    429: ErrorClass.THROTTLED,
}


def classify(status: int, code: str, message: str) -> ErrorClass:
    """What an answer other than a receipt proves.

    Every 4xx is provably not sent: its class follows SES's own first words, then the error's name, then the
    status. A nameless 4xx is not SES's but that of something in between, hence `NETWORK`; a name that is
    new to us refuses this mail. Any other status is `DOUBT`.
    """
    if not 400 <= status < 500:
        return ErrorClass.DOUBT
    opening = message.lstrip().casefold()
    for words, kind in _BY_WORDS.get(code, ()):
        if opening.startswith(words):
            return kind
    by_name = _BY_CODE.get(code) or _BY_STATUS.get(status)
    return by_name or (ErrorClass.CONTENT if code else ErrorClass.NETWORK)


def read_answer(*, status: int, error_type: str, body: bytes, lost: str) -> Answer:
    """The receipt or error in an HTTP answer.

    `error_type` is the header `x-amzn-ErrorType`; `lost` says why the rest of the body never came (a word,
    with `body` empty), or nothing.
    """
    content = json_object(body)
    message_id = content.get("MessageId")
    if status == 200 and not lost and isinstance(message_id, str) and message_id:
        return Receipt(provider_message_id=message_id)
    code = _error_code(error_type, content)
    words = content.get("message", content.get("Message"))
    message = words[:WORDS_LIMIT] if isinstance(words, str) else ""
    kind = classify(status, code, message)
    unsaid = f"HTTP {status}, the answer was cut: {lost}" if lost else f"HTTP {status} without words"
    return TransportError(kind=kind, code=code or lost or f"http_{status}", message=message or unsaid)


def json_object(body: bytes) -> dict[str, Any]:
    """The JSON object that an answer is; an empty one for anything else."""
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return content if isinstance(content, dict) else {}


def _error_code(error_type: str, content: dict[str, Any]) -> str:
    """The error's name without the decorations of the restJson1 protocol (`ns#Name:http://…`)."""
    for name in (error_type, content.get("__type"), content.get("code")):
        if isinstance(name, str) and name:
            return name.partition(":")[0].rpartition("#")[2].strip()[:WORDS_LIMIT]
    return ""
