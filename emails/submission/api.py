"""The routes of sending: /emails and what may be done to an email."""

from collections.abc import Sequence
from typing import Any

from django.http import HttpResponse
from django.urls import path
from rest_framework.request import Request

from emails.messages.api import FILTERS, list_answer, one_answer
from emails.messages.selectors import MessageFilter, get_message, list_messages
from emails.submission import verbs
from emails.submission.attachments import InvalidAttachment
from emails.submission.body import (
    MAX_BATCH,
    BatchBody,
    BulkBody,
    RescheduleBody,
    ScheduleBody,
    SendBody,
    TrialBody,
)
from emails.submission.planning import Plan, plan
from emails.submission.preflight import Preflight, preflight
from emails.submission.request import InvalidFrom, SubmitRequest
from emails.submission.services import Accepted, Submitted, store
from emails.submission.trials import plan_trial
from mailgrid.core.errors import FieldError, Invalid, MailgridError
from mailgrid.core.ids import parse_uuid
from mailgrid.core.vocabulary import Source, Status
from mailgrid.http.answers import answer
from mailgrid.http.reading import MEGABYTE, validate
from mailgrid.http.views import Endpoint
from tenants.tenancy.selectors import tenant_facts

MAX_BULK = 100_000


class SendEndpoint(Endpoint):
    """What every sending route shares."""

    body_limit = 45 * MEGABYTE

    def accept(self, route: str, body: type[SendBody]) -> HttpResponse:
        """Read one message, accept it once, answer with its id and what becomes of each recipient."""

        return self.once(
            route,
            prepare=lambda: self._planned(self.read(body).as_request(source=Source.API)),
            work=lambda planned: _sent(store(planned, now=self.request_time)),
            dedupe=self.dedupes,
        )

    def _planned(self, wanted: SubmitRequest) -> Plan:
        return plan(requests=[wanted], caller=self.caller, now=self.request_time)

    @property
    def dedupes(self) -> bool:
        """Whether the tenant wants identical requests taken for repeats."""
        return tenant_facts(self.caller.tenant_id).settings.dedupe_identical


class Emails(SendEndpoint):
    """Send one email; list what was sent."""

    scopes = {"POST": "emails:send", "GET": "events:read"}
    bodies = {"POST": SendBody}
    filters = FILTERS

    def post(self, request: Request) -> HttpResponse:
        """Send one email."""
        return self.accept("POST /emails", SendBody)

    def get(self, request: Request) -> HttpResponse:
        """List emails, newest first."""
        return list_answer(request, self.request_time)


class ScheduledEmails(SendEndpoint):
    """Send one email later."""

    scopes = {"POST": "emails:send"}
    bodies = {"POST": ScheduleBody}

    def post(self, request: Request) -> HttpResponse:
        """Schedule one email: as POST /emails, with `scheduled_at` required."""
        return self.accept("POST /emails/schedule", ScheduleBody)


class EmailBatch(SendEndpoint):
    """Send up to 500 emails in one transaction."""

    scopes = {"POST": "emails:send"}
    bodies = {"POST": BatchBody}
    body_limit = 50 * MEGABYTE
    max_keys = 100_000

    def post(self, request: Request) -> HttpResponse:
        """Send 1 to 500 emails. `x-batch-validation: permissive` stores the good ones when some are wrong."""
        mode = request.headers.get("x-batch-validation", "strict").lower()
        if mode not in {"strict", "permissive"}:
            raise Invalid("x-batch-validation must be strict or permissive.")

        return self.once(
            "POST /emails/batch",
            prepare=lambda: plan(
                requests=self._candidates(),
                caller=self.caller,
                now=self.request_time,
                batch=True,
                strict=mode == "strict",
            ),
            work=lambda planned: _batch(store(planned, now=self.request_time)),
            dedupe=self.dedupes,
        )

    def _candidates(self) -> Sequence[SubmitRequest | MailgridError]:
        items = self.json()
        if not isinstance(items, list):
            raise Invalid("The body must be an array of emails.")
        if not 1 <= len(items) <= MAX_BATCH:
            raise Invalid(f"A batch has 1 to {MAX_BATCH} emails.")
        return [self._candidate(item) for item in items]

    def _candidate(self, item: Any) -> SubmitRequest | MailgridError:
        try:
            return validate(SendBody, item, now=self.request_time).as_request(source=Source.BATCH)
        except (Invalid, InvalidAttachment, InvalidFrom) as error:
            return error


class EmailPreflight(SendEndpoint):
    """Check one email without sending it."""

    scopes = {"POST": "emails:send"}
    bodies = {"POST": SendBody}

    def post(self, request: Request) -> HttpResponse:
        """Every check of a send; nothing is stored."""
        try:
            wanted = self.read(SendBody).as_request(source=Source.API)
        except (Invalid, InvalidAttachment, InvalidFrom) as error:
            return answer(_preflight_refused(error))
        return answer(_preflight(preflight(request=wanted, caller=self.caller, now=self.request_time)))


class BulkAction(Endpoint):
    """Hold, release or cancel many emails."""

    scopes = {"POST": "emails:send"}
    bodies = {"POST": BulkBody}

    def post(self, request: Request) -> HttpResponse:
        """Act on the open emails that match a filter, at most 100,000."""
        body = self.read(BulkBody)
        chosen = {name: value for name, value in body.filter if value is not None}
        if not chosen:
            raise Invalid.field("filter", "missing_required_field", "Give at least one condition.")
        for name in {"template_id", "batch_id"} & chosen.keys():
            chosen[name] = parse_uuid(chosen[name])
            if chosen[name] is None:
                raise Invalid.field(f"filter.{name}", "not_found", "This is no id.")
        wanted = MessageFilter(status=[], last_event=[], source=[], **chosen)
        matched = verbs.act_on_many(
            action=body.action, messages=list_messages(wanted), now=self.request_time, limit=MAX_BULK
        )
        return answer({"object": "bulk_action", "action": body.action, "matched": matched})


class Email(Endpoint):
    """One email."""

    scopes = {"GET": "events:read", "PATCH": "emails:send"}
    bodies = {"PATCH": RescheduleBody}

    def get(self, request: Request, email_id: str) -> HttpResponse:
        """Read one email, with what became of each recipient."""
        return one_answer(email_id)

    def patch(self, request: Request, email_id: str) -> HttpResponse:
        """Move a scheduled email to another time; `now` sends it."""
        body = self.read(RescheduleBody)
        message = verbs.reschedule(
            message_id=email_id,
            scheduled_at=body.scheduled_at,
            expires_at=body.expires_at,
            now=self.request_time,
        )
        return answer({"object": "email", "id": message.pk})


class TryTemplate(SendEndpoint):
    """A template sent to its author."""

    scopes = {"POST": "emails:send"}
    bodies = {"POST": TrialBody}

    def post(self, request: Request, template: str) -> HttpResponse:
        """Send the draft, or another version, to an address of your own."""
        planned = plan_trial(
            wanted=template,
            trial=self.read(TrialBody).trial(),
            caller=self.caller,
            now=self.request_time,
        )
        return answer(_sent(store(planned, now=self.request_time)))


class CancelEmail(Endpoint):
    """Stop an email that has not left."""

    scopes = {"POST": "emails:send"}

    def post(self, request: Request, email_id: str) -> HttpResponse:
        """Cancel what is still open of an email."""
        message = verbs.cancel(message_id=email_id, now=self.request_time)
        return answer({"object": "email", "id": message.pk, "status": message.current_status})


class RetryEmail(Endpoint):
    """Send again what was not sent."""

    scopes = {"POST": "emails:send"}

    def post(self, request: Request, email_id: str) -> HttpResponse:
        """A new email to the recipients that failed, expired or are unknown."""
        again = str(get_message(email_id).pk)  # however the path spells it

        return self.once(
            f"POST /emails/{again}/retry",
            prepare=lambda: verbs.plan_again(message_id=again, caller=self.caller, now=self.request_time),
            work=lambda planned: {**_sent(store(planned, now=self.request_time)), "retry_of": again},
        )


def _sent(done: Submitted) -> dict[str, Any]:
    accepted = done.accepted[0]
    return {
        "id": accepted.id,
        "object": "email",
        "status": accepted.status,
        "recipients": _recipients(accepted),
    }


def _recipients(accepted: Accepted) -> list[dict[str, Any]]:
    lines = []
    for recipient in accepted.recipients:
        status = Status.SUPPRESSED if recipient.suppressed else accepted.state
        reason = recipient.suppressed or accepted.hold_reason
        lines.append(
            {"email": recipient.mailbox.address, "status": status} | ({"reason": reason} if reason else {})
        )
    return lines


def _batch(done: Submitted) -> dict[str, Any]:
    return {
        "data": [{"id": one.id, "index": one.index, "status": one.status} for one in done.accepted],
        "errors": [{"index": index, "message": error.message} for index, error in done.refused],
        "batch_id": done.batch_id,
    }


def _preflight(verdict: Preflight) -> dict[str, Any]:
    return {
        "object": "preflight",
        "ok": verdict.ok,
        "size": verdict.size,
        "recipients": [
            {"email": address, "status": "suppressed" if reason else "queued"}
            | ({"reason": reason} if reason else {})
            for address, reason in verdict.recipients
        ],
        "rendered": {"subject": verdict.subject, "html": verdict.html, "text": verdict.text},
        "errors": [_item(error) for error in verdict.errors],
        "warnings": [{"code": code, "message": message} for code, message in verdict.warnings],
    }


def _preflight_refused(error: MailgridError) -> dict[str, Any]:
    items = error.errors or (FieldError("", error.name, error.message),)
    return {
        "object": "preflight",
        "ok": False,
        "size": 0,
        "recipients": [],
        "rendered": {"subject": None, "html": None, "text": None},
        "errors": [_item(item) for item in items],
        "warnings": [],
    }


def _item(error: FieldError) -> dict[str, str]:
    return {"field": error.field, "code": error.code, "message": error.message}


routes = [
    path("emails", Emails.as_view()),
    path("emails/batch", EmailBatch.as_view()),
    path("emails/schedule", ScheduledEmails.as_view()),
    path("emails/preflight", EmailPreflight.as_view()),
    path("emails/bulk", BulkAction.as_view()),
    path("emails/<str:email_id>", Email.as_view()),
    path("emails/<str:email_id>/cancel", CancelEmail.as_view()),
    path("emails/<str:email_id>/retry", RetryEmail.as_view()),
    path("templates/<str:template>/test", TryTemplate.as_view()),
]
