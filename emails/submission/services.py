"""Accept what was planned: suppressions, allowance, rows, then ring. When `store` returns the messages are durable."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from django.db import transaction

from emails.attachments import intake as attachments
from emails.attachments.intake import Awaited
from emails.events import services as events
from emails.events.services import NewEvent
from emails.events.transitions import suppression_data
from emails.messages.content import Content
from emails.messages.lifecycle import EVENT_OF
from emails.messages.queue import intake
from emails.messages.queue.intake import NewMessage, NewRecipient
from emails.sandbox import simulator
from emails.submission.planning import Plan
from emails.submission.policy import Decision, Desk
from emails.submission.request import ToFetch
from emails.suppressions.selectors import which_are_suppressed
from emails.transports.models import Transport
from mailgrid.core import metrics
from mailgrid.core.bells import FETCH, Priority, ring
from mailgrid.core.callers import Caller
from mailgrid.core.errors import MailgridError
from mailgrid.core.ids import uuid7
from mailgrid.core.locks import until_done
from mailgrid.core.sql import insert_all
from mailgrid.core.vocabulary import HoldReason, Status, SuppressedReason
from tenants.quotas.services import (
    DailyQuotaExceeded,
    MonthlyQuotaExceeded,
    consume,
    give_back_recipients,
    refund,
    take_recipients,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """One stored message, as its sender is told: `scheduled`, `suppressed` or `queued`."""

    index: int
    id: UUID
    status: Status
    recipients: tuple[NewRecipient, ...]
    state: Status
    hold_reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Submitted:
    """What became of a request: accepted messages in input order, and the errors of the others by index."""

    accepted: tuple[Accepted, ...]
    refused: tuple[tuple[int, MailgridError], ...]
    batch_id: UUID | None


def store(planned: Plan, *, now: datetime) -> Submitted:
    """Accept: in one transaction, or in that of the caller. Raises rate limits and quotas, and then stores nothing."""
    desk, decisions = planned.desk, [decision for _, decision, _ in planned.decided]
    reasons = suppression_reasons(decisions, desk.caller, now=now)
    with _allowance(desk, decisions, reasons) as over_quota:
        messages = [
            (index, _message(planned, decision, content, reasons, over_quota=over_quota))
            for index, decision, content in planned.decided
        ]
        awaited = [
            one
            for decision, (_, message) in zip(decisions, messages, strict=True)
            for one in _awaited(decision, message, over_quota=over_quota)
        ]
        _store([message for _, message in messages], awaited, now=now)
    return Submitted(
        accepted=tuple(_accepted(index, message) for index, message in messages),
        refused=planned.refused,
        batch_id=planned.batch_id,
    )


@contextmanager
def _allowance(
    desk: Desk, decisions: Sequence[Decision], reasons: Mapping[tuple[UUID, str], str]
) -> Iterator[bool]:
    """Take the recipients' rate tokens and quota; both go back when nothing was stored.

    Yields whether the tenant is over its quota and wants its mail held instead of refused.
    """
    everybody = [(d.stream.id, mailbox.address) for d in decisions for _, mailbox in d.request.recipients]
    counted = sum(1 for one in everybody if one not in reasons)
    limits: dict[str, Any] = {
        "tenant_id": desk.tenant.id,
        "test": desk.caller.test,
        "limits": desk.tenant.limits,
    }
    quota: dict[str, Any] = {
        "tenant": desk.tenant,
        "test": desk.caller.test,
        "count": counted,
        "now": desk.now,
    }
    take_recipients(**limits, count=len(everybody))
    consumed = over = False
    try:
        try:
            consumed = bool(counted) and consume(**quota)
        except (DailyQuotaExceeded, MonthlyQuotaExceeded):
            if desk.tenant.settings.over_quota == "reject":
                raise
            over = True
        yield over
    except BaseException:
        give_back_recipients(**limits, count=len(everybody))
        if consumed:
            refund(**quota)
        raise


def suppression_reasons(
    decisions: Sequence[Decision], caller: Caller, *, now: datetime
) -> dict[tuple[UUID, str], str]:
    """The reason for each (stream, address) that must not get mail."""
    asked = [
        (caller.tenant_id, decision.stream.id, mailbox.address)
        for decision in decisions
        for _, mailbox in decision.request.recipients
    ]
    listed = which_are_suppressed(asked, now=now)
    found: dict[tuple[UUID, str], str] = {
        (stream, address): why.reason for (_, stream, address), why in listed.items()
    }
    for decision in decisions:
        if decision.transport is None or decision.transport.kind == Transport.Kind.SANDBOX:
            for _, mailbox in decision.request.recipients:
                if simulator.outcome_of(mailbox.address) == "suppressed":
                    found.setdefault((decision.stream.id, mailbox.address), SuppressedReason.BOUNCE)
    return found


def _message(
    planned: Plan,
    decision: Decision,
    content: Content,
    reasons: Mapping[tuple[UUID, str], str],
    *,
    over_quota: bool,
) -> NewMessage:
    desk = planned.desk
    request, stream = decision.request, decision.stream
    recipients = tuple(
        NewRecipient(
            id=uuid7(), kind=kind, mailbox=mailbox, suppressed=reasons.get((stream.id, mailbox.address), "")
        )
        for kind, mailbox in request.recipients
    )
    state, hold_reason = _first_state(desk, decision, recipients, over_quota=over_quota)
    message_id = uuid7()
    return NewMessage(
        id=message_id,
        delivery_ids=tuple(uuid7() for _ in recipients) if decision.copy else (uuid7(),),
        tenant_id=desk.caller.tenant_id,
        test=desk.caller.test,
        stream_id=stream.id,
        transport_id=decision.transport_id,
        priority=int(decision.priority),
        at_most_once=stream.delivery == stream.Promise.AT_MOST_ONCE,
        sensitive=decision.sensitive,
        source=request.source,
        state=state,
        hold_reason=hold_reason,
        sender=decision.sender,
        reply_to=decision.reply_to,
        recipients=recipients,
        content=content,
        tags=request.tags,
        metadata=request.metadata,
        size=decision.size,
        key_id=desk.caller.key_id,
        batch_id=planned.batch_id,
        retry_of=planned.retry_of,
        request_id=desk.caller.request_id,
        scheduled_at=decision.scheduled_at,
        due_at=decision.due_at,
        expires_at=decision.expires_at,
    )


def _first_state(
    desk: Desk, decision: Decision, recipients: Sequence[NewRecipient], *, over_quota: bool
) -> tuple[Status, str]:
    if all(recipient.suppressed for recipient in recipients):
        return Status.SUPPRESSED, ""
    if any(isinstance(one, ToFetch) for one in decision.request.attachments):
        return Status.HELD, HoldReason.ATTACHMENTS  # also what is due later: the host may be gone by then
    if over_quota:
        return Status.HELD, HoldReason.QUOTA
    if decision.scheduled_at is not None:
        return Status.SCHEDULED, ""  # pauses are looked at again when it is due
    if desk.tenant.paused:
        return Status.HELD, HoldReason.TENANT_PAUSED
    if decision.stream.paused:
        return Status.HELD, HoldReason.STREAM_PAUSED
    return Status.QUEUED, ""


def _awaited(decision: Decision, message: NewMessage, *, over_quota: bool) -> list[Awaited]:
    """What a worker fetches before the message may go; nothing for one that nobody gets."""
    if message.state == Status.SUPPRESSED:
        return []
    return [
        Awaited(
            tenant_id=message.tenant_id,
            message_id=message.id,
            position=position,
            place=one.place,
            filename=one.filename,
            content_type=one.content_type,
            then_held=HoldReason.QUOTA if over_quota else "",
        )
        for position, one in enumerate(decision.request.attachments)
        if isinstance(one, ToFetch)
    ]


def _store(messages: Sequence[NewMessage], awaited: Sequence[Awaited], *, now: datetime) -> None:
    if not messages:
        return
    facts = [event for message in messages for event in _events(message, now)]
    rows = [
        *intake.inserts(messages, now=now),
        *attachments.inserts(awaited, now=now),
        events.insert(facts, now=now),
    ]
    until_done(lambda: insert_all(rows))
    for priority in sorted({m.priority for m in messages if m.state == Status.QUEUED}):
        ring(Priority(priority).queue)
    if awaited:
        ring(FETCH)
    transaction.on_commit(partial(_count, messages), robust=True)  # what is not committed was not accepted


def _count(messages: Sequence[NewMessage]) -> None:
    for source in {message.source for message in messages}:
        count = sum(len(message.recipients) for message in messages if message.source == source)
        metrics.accepted.labels(source=source).inc(count)


def _events(message: NewMessage, now: datetime) -> list[NewEvent]:
    return [_event(message, recipient, now) for recipient in message.recipients]


def _event(message: NewMessage, recipient: NewRecipient, now: datetime) -> NewEvent:
    status = Status.SUPPRESSED if recipient.suppressed else message.state
    data: dict[str, Any] = {}
    if recipient.suppressed:
        data = {"suppressed": suppression_data(recipient.suppressed)}
    elif status == Status.HELD:
        data = {"held": {"reason": message.hold_reason}}
    return NewEvent(
        tenant_id=message.tenant_id,
        test=message.test,
        message_id=message.id,
        recipient_id=recipient.id,
        type=EVENT_OF[status],
        status=status,
        source="mailgrid",
        data=data,
        occurred_at=now,
        dedupe_key=None,
    )


def _accepted(index: int, message: NewMessage) -> Accepted:
    status = message.state if message.state in {Status.SCHEDULED, Status.SUPPRESSED} else Status.QUEUED
    return Accepted(
        index=index,
        id=message.id,
        status=status,
        recipients=message.recipients,
        state=message.state,
        hold_reason=message.hold_reason,
    )
