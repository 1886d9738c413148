"""The SES v2 API: three operations, from a request to an answer in AWS's JSON."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from tests.fakes.ses import validation as check
from tests.fakes.ses.faults import ENTRY_STATUSES, REFUSALS, WELL, Mode, Rule
from tests.fakes.ses.http1 import Request, Response
from tests.fakes.ses.mail import Mail
from tests.fakes.ses.refusals import Refusal, bad_request, result
from tests.fakes.ses.signatures import check_signature
from tests.fakes.ses.state import State
from tests.fakes.ses.submission import Bulk, mail_of_bulk_entry, mail_of_send_email, read_send_bulk
from tests.fakes.ses.templates import MAX_REQUEST_BYTES
from tests.fakes.ses.validation import Document

OPERATIONS = {
    ("POST", "/v2/email/outbound-emails"): "SendEmail",
    ("POST", "/v2/email/outbound-bulk-emails"): "SendBulkEmail",
    ("GET", "/v2/email/account"): "GetAccount",
}
_ACCESS_KEY = re.compile(r"Credential=([^/]+)/")


def operation_of(request: Request) -> str | None:
    """The SES operation a request asks for, None where there is no such route."""
    return OPERATIONS.get((request.method, request.path))


def answer(state: State, operation: str, request: Request, rule: Rule) -> tuple[Response, Rule]:
    """Do what is asked, or refuse as `rule` says. Never raises Refusal.

    Returns the rule that is left for the way back: only its latency where nothing was accepted,
    nothing where it was meant for another configuration set.
    """
    try:
        if state.options.verify:
            _check_signature(state, request)
        return _HANDLERS[operation](state, request, rule)
    except Refusal as refusal:
        state.counters.add("refusals", f"refusals.{refusal.kind}")
        return refusal.response(), Rule(latency_ms=rule.latency_ms)


def _check_signature(state: State, request: Request) -> None:
    check_signature(
        request,
        credentials=state.account.credentials,
        region=state.options.region,
        service="ses",
        now=datetime.now(UTC),
    )


def _send_email(state: State, request: Request, rule: Rule) -> tuple[Response, Rule]:
    document = check.read_document(request.body)
    rule = _meet(state, document, rule)
    mail = mail_of_send_email(document, access_key=_access_key(request))
    state.account.take(len(mail.destination))
    state.take_in([mail], answer=rule.mode)
    return result({} if rule.mode is Mode.NO_MESSAGE_ID else {"MessageId": mail.ses_id}), rule


def _send_bulk_email(state: State, request: Request, rule: Rule) -> tuple[Response, Rule]:
    document = check.read_document(request.body)
    rule = _meet(state, document, rule)
    bulk = read_send_bulk(document)
    if bulk.content is not None and len(request.body) > MAX_REQUEST_BYTES:
        raise bad_request(f"Request exceeds {MAX_REQUEST_BYTES} bytes.")
    access_key = _access_key(request)
    outcomes = [_entry(state, bulk, entry, access_key) for entry in bulk.entries]
    state.take_in([outcome for outcome in outcomes if isinstance(outcome, Mail)], answer=rule.mode)
    results = [_entry_result(outcome, named=rule.mode is not Mode.NO_MESSAGE_ID) for outcome in outcomes]
    return result({"BulkEmailEntryResults": results}), rule


def _get_account(state: State, request: Request, rule: Rule) -> tuple[Response, Rule]:
    return result(state.account.document()), _meet(state, {}, rule)


_HANDLERS: dict[str, Callable[[State, Request, Rule], tuple[Response, Rule]]] = {
    "SendEmail": _send_email,
    "SendBulkEmail": _send_bulk_email,
    "GetAccount": _get_account,
}


def _meet(state: State, document: Document, rule: Rule) -> Rule:
    """Raise the rule's refusal; put a rule back that was meant for another configuration set."""
    if rule.configuration_set not in (None, document.get("ConfigurationSetName")):
        state.faults.give_back(rule)
        return WELL
    if (refusal := rule.refusal) is not None:
        state.counters.add(f"faults.{rule.mode}")
        raise refusal
    if document and not state.account.sending_enabled:
        raise Refusal(*REFUSALS[Mode.PAUSED])
    return rule


def _entry(state: State, bulk: Bulk, entry: Document, access_key: str) -> Mail | dict[str, Any]:
    """The mail of one entry of a bulk request, or the result that says why there is none."""
    struck = state.faults.choose_for_entry(str(bulk.document.get("ConfigurationSetName") or ""))
    if struck.mode in ENTRY_STATUSES:
        state.counters.add(f"faults.entry.{struck.mode}")
        return {"Status": ENTRY_STATUSES[struck.mode], "Error": REFUSALS[struck.mode][2]}
    try:
        mail = mail_of_bulk_entry(bulk, entry, access_key=access_key)
        state.account.take(len(mail.destination))
    except Refusal as refusal:
        return {"Status": _STATUS_OF_KIND.get(refusal.kind, "INVALID_PARAMETER"), "Error": refusal.message}
    return mail


_STATUS_OF_KIND = {REFUSALS[mode][1]: status for mode, status in ENTRY_STATUSES.items()}


def _entry_result(outcome: Mail | dict[str, Any], *, named: bool) -> dict[str, Any]:
    if not isinstance(outcome, Mail):
        return outcome
    return {"Status": "SUCCESS", "MessageId": outcome.ses_id} if named else {"Status": "SUCCESS"}


def _access_key(request: Request) -> str:
    found = _ACCESS_KEY.search(request.fields.get("authorization", ""))
    return found[1] if found else ""
