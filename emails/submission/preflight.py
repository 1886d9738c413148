"""What would happen: every check of a send, with nothing stored, sent or counted."""

from dataclasses import dataclass
from datetime import datetime

from emails.composition import plaintext
from emails.submission.policy import Decision, Desk
from emails.submission.request import SubmitRequest
from emails.submission.services import suppression_reasons
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
    text = plaintext.from_html(request.html) if request.text is None and request.html else request.text
    try:
        decision = Desk(caller, now=now).decide(request)
    except MailgridError as error:
        return _verdict(request, text, None, {}, error)
    reasons = suppression_reasons([decision], caller, now=now)
    listed = {address: reason for (_, address), reason in reasons.items()}
    return _verdict(request, text, decision, listed, None)


def _verdict(
    request: SubmitRequest,
    text: str | None,
    decision: Decision | None,
    listed: dict[str, str],
    error: MailgridError | None,
) -> Preflight:
    errors = tuple(error.errors or [FieldError("", error.name, error.message)]) if error else ()
    return Preflight(
        size=decision.size if decision else 0,
        recipients=tuple((box.address, listed.get(box.address, "")) for _, box in request.recipients),
        subject=request.subject,
        html=request.html,
        text=text or None,
        errors=errors,
        warnings=tuple(_warnings(request, text, decision, listed)),
    )


def _warnings(
    request: SubmitRequest, text: str | None, decision: Decision | None, listed: dict[str, str]
) -> list[tuple[str, str]]:
    found = []
    if not text:
        found.append(("no_text", "The mail has no text part; some readers and filters want one."))
    if not request.html:
        found.append(("no_html", "The mail has no HTML part."))
    if decision and decision.stream.paused:
        found.append(("stream_paused", "The stream is paused: the mail would be held."))
    if request.recipients and all(box.address in listed for _, box in request.recipients):
        found.append(("all_suppressed", "Every recipient is suppressed: nothing would be sent."))
    return found
