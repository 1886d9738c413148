"""Envelopes as the JSON of one SendBulkEmail, and what its answer proves for each of them. Pure.

The template is nothing but variables, and the data of each entry is its whole content. What this rests on:

- An inline template knows plain substitution and nothing else (SES API v2 Reference, EmailTemplateContent), and of
  names only letters and digits: SES refused `{{no_reply}}` as an unsupported operation (aws-sdk-js-v3, issue 6657).
  Three braces are documented nowhere.
- They are not needed: SES escapes no HTML (SES Developer Guide, "Advanced email personalization").
- Whether values are searched for variables is documented nowhere: `emails.composition.shape` lets no "{{" in here.
- Whether an entry's tags join the default ones or replace them is not either: the proof stands in each entry.

None of it was tried against AWS by this project. Should SES refuse such requests, mail goes alone (`ses_sharing`).
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import orjson

from emails.composition.envelope import Envelope
from emails.composition.headers import sendable
from emails.composition.shape import template_data
from emails.delivery.ports import Answer, ErrorClass, Receipt, TransportError
from workers.transports.ses_errors import CREDENTIALS, WORDS_LIMIT, classify, json_object, read_answer
from workers.transports.ses_requests import destination, name_values, written

BULK_PATH = "/v2/email/outbound-bulk-emails"

# BulkEmailStatus. What may be the request's fault rather than the mail's is `BUG`, which is tried again, alone.
_BY_STATUS: dict[str, ErrorClass] = {
    "MAIL_FROM_DOMAIN_NOT_VERIFIED": ErrorClass.IDENTITY,
    "CONFIGURATION_SET_NOT_FOUND": ErrorClass.AUTH,
    "INVALID_SENDING_POOL_NAME": ErrorClass.AUTH,
    "ACCOUNT_SUSPENDED": ErrorClass.PAUSED,
    "ACCOUNT_SENDING_PAUSED": ErrorClass.PAUSED,
    "CONFIGURATION_SET_SENDING_PAUSED": ErrorClass.PAUSED,
    "ACCOUNT_THROTTLED": ErrorClass.THROTTLED,
    "ACCOUNT_DAILY_QUOTA_EXCEEDED": ErrorClass.QUOTA,
    "TRANSIENT_FAILURE": ErrorClass.NETWORK,
    "FAILED": ErrorClass.NETWORK,
}


def bulk_entry(envelope: Envelope) -> dict[str, Any]:
    """One envelope as an entry: everything that is its own. Raises InvalidAddress."""
    entry: dict[str, Any] = {
        "Destination": destination(envelope, written),
        "ReplacementEmailContent": {
            "ReplacementTemplate": {"ReplacementTemplateData": template_data(envelope).decode()}
        },
        "ReplacementTags": name_values(envelope.proof_tags.items()),
    }
    if headers := sendable(envelope.headers):
        entry["ReplacementHeaders"] = name_values(headers)
    return entry


def send_bulk_email_body(
    any_of_them: Envelope, entries: Sequence[dict[str, Any]], *, configuration_set: str = ""
) -> bytes:
    """The request of some entries; what they share is taken from one of their envelopes.

    `configuration_set` is the account's, used when the envelope names none. Raises InvalidAddress.
    """
    parts = {"Subject": "{{subject}}"}
    if any_of_them.html is not None:
        parts["Html"] = "{{html}}"
    if any_of_them.text is not None:
        parts["Text"] = "{{text}}"
    request: dict[str, Any] = {
        "FromEmailAddress": any_of_them.sender.formatted(),
        "DefaultContent": {"Template": {"TemplateContent": parts, "TemplateData": "{}"}},
        "BulkEmailEntries": entries,
    }
    if any_of_them.reply_to:
        request["ReplyToAddresses"] = written(any_of_them.reply_to)
    chosen_set = any_of_them.configuration_set or configuration_set
    if chosen_set:
        request["ConfigurationSetName"] = chosen_set
    return orjson.dumps(request)


def read_bulk_answers(*, status: int, error_type: str, body: bytes, lost: str, count: int) -> list[Answer]:
    """The answer to each of `count` entries, in order; the other arguments are those of `read_answer`.

    A refusal of the whole request says nothing about the single mail, nor a missing permission about the account's
    other requests: both are `BUG`. A 200 that does not name a result for each entry leaves all of them in doubt.
    """
    if status != 200:
        refusal = read_answer(status=status, error_type=error_type, body=body, lost=lost)
        if isinstance(refusal, TransportError) and _is_of_this_request(refusal):
            refusal = replace(refusal, kind=ErrorClass.BUG)
        return [refusal] * count
    results = json_object(body).get("BulkEmailEntryResults")
    if not isinstance(results, list) or len(results) != count:
        unread = f"HTTP 200 without a result for each entry{lost and ': '}{lost}"
        return [TransportError(kind=ErrorClass.DOUBT, code=lost or "unreadable", message=unread)] * count
    return [_of_an_entry(result) for result in results]


def _is_of_this_request(refusal: TransportError) -> bool:
    return refusal.kind is ErrorClass.CONTENT or (
        refusal.kind is ErrorClass.AUTH and refusal.code not in CREDENTIALS
    )


def _of_an_entry(result: Any) -> Answer:
    fields = result if isinstance(result, dict) else {}
    status, message_id = fields.get("Status"), fields.get("MessageId")
    if status == "SUCCESS" and isinstance(message_id, str) and message_id:
        return Receipt(provider_message_id=message_id)
    if status == "SUCCESS" or not isinstance(status, str) or not status:
        unread = "The entry's result names no message id."
        return TransportError(kind=ErrorClass.DOUBT, code="unreadable", message=unread)
    words = fields.get("Error")
    message = words[:WORDS_LIMIT] if isinstance(words, str) and words else f"{status} without words"
    if status == "MESSAGE_REJECTED":
        kind = classify(400, "MessageRejected", message)
    else:
        kind = _BY_STATUS.get(status, ErrorClass.BUG)
    return TransportError(kind=kind, code=status[:WORDS_LIMIT], message=message)
