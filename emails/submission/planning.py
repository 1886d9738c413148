"""Plan: judge messages, render them, and make their bytes durable. Everything that needs no transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from emails.messages.content import Content
from emails.submission import attachments
from emails.submission.policy import Decision, Desk
from emails.submission.request import Attached, SubmitRequest
from mailgrid.core.callers import Caller
from mailgrid.core.errors import FieldError, Invalid, MailgridError
from mailgrid.core.ids import uuid7

Candidate = SubmitRequest | MailgridError


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Messages judged and rendered, their bytes in the blob store: everything that needs no transaction is done."""

    desk: Desk
    decided: tuple[tuple[int, Decision, Content], ...]
    refused: tuple[tuple[int, MailgridError], ...]
    batch_id: UUID | None
    retry_of: UUID | None


def plan(
    *,
    requests: Sequence[Candidate],
    caller: Caller,
    now: datetime,
    batch: bool = False,
    strict: bool = True,
    retry_of: UUID | None = None,
) -> Plan:
    """Judge messages and make their content durable. A candidate that is already an error is passed on as refused.

    With `strict` one refused message refuses all, and its error is raised.
    """
    desk = Desk(caller, now=now)
    desk.look_up([one for request in requests for one in _attached(request)])
    decided, refused = _judge(desk, requests)
    if strict and refused:
        raise _whole_refusal(refused, batch=batch)
    return Plan(
        desk=desk,
        decided=tuple((index, decision, _content(desk, decision)) for index, decision in decided),
        refused=tuple(refused),
        batch_id=uuid7() if batch else None,
        retry_of=retry_of,
    )


def _judge(
    desk: Desk, requests: Sequence[Candidate]
) -> tuple[list[tuple[int, Decision]], list[tuple[int, MailgridError]]]:
    decided, refused = [], []
    for index, request in enumerate(requests):
        if isinstance(request, MailgridError):
            refused.append((index, request))
            continue
        try:
            decided.append((index, desk.decide(request)))
        except MailgridError as error:
            refused.append((index, error))
    return decided, refused


def _whole_refusal(refused: Sequence[tuple[int, MailgridError]], *, batch: bool) -> MailgridError:
    """The error of the only message; for a batch one error that names every wrong item."""
    if not batch:
        return refused[0][1]
    items = [
        FieldError(f"[{index}]{'.' if item.field else ''}{item.field}", item.code, item.message)
        for index, error in refused
        for item in error.errors or [FieldError("", error.name, error.message)]
    ]
    return Invalid(f"{items[0].field}: {items[0].message}", errors=items[:100])


def _content(desk: Desk, decision: Decision) -> Content:
    request, wording = decision.request, decision.wording
    return Content(
        subject=wording.subject,
        html=None if wording.version else wording.html,
        text=None if wording.version else wording.text,
        version=wording.version,
        copy=decision.copy,
        headers=request.headers,
        attachments=attachments.stored(
            request.attachments,
            desk.files,
            tenant_id=desk.caller.tenant_id,
            sensitive=decision.sensitive,
        ),
    )


def _attached(request: Candidate) -> tuple[Attached, ...]:
    return () if isinstance(request, MailgridError) else request.attachments
