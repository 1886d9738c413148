"""What would happen: every check of a send, with nothing stored, sent or counted."""

from dataclasses import dataclass
from datetime import datetime

from emails.submission.policy import Decision, Desk
from emails.submission.request import SubmitRequest
from emails.submission.services import suppression_reasons
from emails.submission.wording import Wording
from mailgrid.core.callers import Caller
from mailgrid.core.errors import FieldError, MailgridError


@dataclass(frozen=True, slots=True, kw_only=True)
class Preflight:
    """The verdict on one message. `size` bounds the finished mail, in bytes; 0 when it would be refused."""

    size: int
    recipients: tuple[tuple[str, str], ...]  # address, reason of suppression or empty
    subject: str
    html: str | None
    text: str | None
    errors: tuple[FieldError, ...]
    warnings: tuple[tuple[str, str], ...]  # code, sentence

    @property
    def ok(self) -> bool:
        """Whether it would be accepted."""
        return not self.errors


def preflight(*, request: SubmitRequest, caller: Caller, now: datetime) -> Preflight:
    """Judge a message as `submit` would."""
    desk = Desk(caller, now=now)
    desk.look_up(request.attachments)
    try:
        decision = desk.decide(request)
    except MailgridError as error:
        return _verdict(request, None, {}, error)
    reasons = suppression_reasons([decision], caller, now=now)
    listed = {address: reason for (_, address), reason in reasons.items()}
    return _verdict(request, decision, listed, None)


def _verdict(
    request: SubmitRequest,
    decision: Decision | None,
    listed: dict[str, str],
    error: MailgridError | None,
) -> Preflight:
    words = decision.wording if decision else _as_written(request)
    errors = tuple(error.errors or [FieldError("", error.name, error.message)]) if error else ()
    return Preflight(
        size=decision.size if decision else 0,
        recipients=tuple((box.address, listed.get(box.address, "")) for _, box in request.recipients),
        subject=words.subject,
        html=words.html,
        text=words.text,
        errors=errors,
        warnings=tuple(_warnings(request, words, decision, listed)),
    )


def _as_written(request: SubmitRequest) -> Wording:
    """Of a mail that would be refused: it may be that nothing can be rendered."""
    return Wording(subject=request.subject or "", html=request.html, text=request.text or None)


def _warnings(
    request: SubmitRequest, words: Wording, decision: Decision | None, listed: dict[str, str]
) -> list[tuple[str, str]]:
    found = []
    if not words.text:
        found.append(("no_text", "The mail has no text part; some readers and filters want one."))
    if not words.html:
        found.append(("no_html", "The mail has no HTML part."))
    if decision and decision.stream.paused:
        found.append(("stream_paused", "The stream is paused: the mail would be held."))
    if request.recipients and all(box.address in listed for _, box in request.recipients):
        found.append(("all_suppressed", "Every recipient is suppressed: nothing would be sent."))
    return found
