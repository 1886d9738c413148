"""The control endpoint: what a test asks the fake, and how it makes it misbehave.

GET  /_control/journal      JSON lines, one per accept         (journal.Accept)
GET  /_control/requests     the last requests to the SES API
GET  /_control/mails        the last accepted mails as recipients would see them (mail.Mail)
GET  /_control/counters     counts by name, `events.pending` among them
GET  /_control/withheld     events lost on purpose
GET  /_control/certificate  the PEM with which SNS messages verify
POST /_control/misbehave    one rule, or {"rules": [...], "seed": n} (faults.Rule)
POST /_control/events       how events travel                  (topic.Habits)
POST /_control/subscribe    {"endpoint": url, "topic_arn": arn}
POST /_control/unsubscribe  end every subscription
POST /_control/publish      {"ses_id", "event_type", "recipients"} of an accepted mail, or {"text"}
POST /_control/account      limits and credentials             (account.Account.change)
POST /_control/reset        forget everything but subscriptions
"""

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from tests.fakes.ses.events import EventType, event
from tests.fakes.ses.faults import rules_from
from tests.fakes.ses.http1 import Request, Response
from tests.fakes.ses.refusals import encode
from tests.fakes.ses.state import State
from tests.fakes.ses.topic import Habits


def answer(state: State, request: Request) -> Response:
    """Do one control call; what it does not understand is 400 with a sentence, an unknown route 404."""
    verb = (request.method, request.path.removeprefix("/_control/"))
    if verb in _QUESTIONS:
        return _QUESTIONS[verb](state)
    if verb not in _COMMANDS:
        return Response(status=404)
    try:
        result = _COMMANDS[verb](state, json.loads(request.body or b"{}"))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        return Response(status=400, body=encode({"error": f"{type(error).__name__}: {error}"}))
    return Response(body=encode(result or {}))


def _journal(state: State) -> Response:
    return Response(body=state.journal.read(), content_type="application/jsonl")


def _requests(state: State) -> Response:
    return Response(body=encode(list(state.requests)))


def _mails(state: State) -> Response:
    mails = [asdict(mail) | {"accepted_at": mail.accepted_at.isoformat()} for mail in state.mails.values()]
    return Response(body=encode(mails))


def _counters(state: State) -> Response:
    return Response(body=encode(state.counters.snapshot() | {"events.pending": state.topic.pending}))


def _withheld(state: State) -> Response:
    return Response(body=encode(state.topic.withheld))


def _certificate(state: State) -> Response:
    return Response(body=state.identity.certificate_pem, content_type="application/x-pem-file")


_QUESTIONS: dict[tuple[str, str], Callable[[State], Response]] = {
    ("GET", "journal"): _journal,
    ("GET", "requests"): _requests,
    ("GET", "mails"): _mails,
    ("GET", "counters"): _counters,
    ("GET", "withheld"): _withheld,
    ("GET", "certificate"): _certificate,
}


def _misbehave(state: State, document: dict[str, Any]) -> None:
    rules, seed = rules_from(document)
    state.faults.replace(rules, seed=seed)


def _events(state: State, document: dict[str, Any]) -> None:
    state.topic.adopt(Habits(**document))


def _subscribe(state: State, document: dict[str, Any]) -> dict[str, Any]:
    subscription = state.topic.subscribe(**document)
    return {"subscription_arn": subscription.arn, "token": subscription.token}


def _unsubscribe(state: State, _: dict[str, Any]) -> None:
    state.topic.unsubscribe_all()


def _publish(state: State, document: dict[str, Any]) -> None:
    if "text" in document:
        state.topic.publish_text(document["text"])
        return
    mail = state.mails[document["ses_id"]]
    kind = EventType(document["event_type"])
    state.topic.publish(event(mail, kind, document.get("recipients")), kind=kind, about=mail)


def _account(state: State, document: dict[str, Any]) -> None:
    state.account.change(**document)


def _reset(state: State, _: dict[str, Any]) -> None:
    state.reset()


_COMMANDS: dict[tuple[str, str], Callable[[State, dict[str, Any]], dict[str, Any] | None]] = {
    ("POST", "misbehave"): _misbehave,
    ("POST", "events"): _events,
    ("POST", "subscribe"): _subscribe,
    ("POST", "unsubscribe"): _unsubscribe,
    ("POST", "publish"): _publish,
    ("POST", "account"): _account,
    ("POST", "reset"): _reset,
}
