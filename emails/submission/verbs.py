"""What a tenant may still do to an accepted message: cancel, reschedule, hold, release, send again."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from emails.attachments.selectors import places_of
from emails.composition.envelope import Attachment
from emails.events import transitions
from emails.events.services import NewEvent, record
from emails.messages import content as contents
from emails.messages.content import Content, ContentGone, StoredAttachment
from emails.messages.lifecycle import RETRYABLE, WAITING, Input
from emails.messages.models import Delivery, Message, Recipient
from emails.messages.moves import Move
from emails.messages.queue import passes
from emails.messages.selectors import get_message, recipients_of
from emails.submission.planning import Plan, plan
from emails.submission.policy import MAX_AHEAD, PAST_IS_NOW
from emails.submission.request import Attached, SubmitRequest, ToFetch
from mailgrid.core.addresses import Mailbox, parse_mailbox
from mailgrid.core.bells import Priority, ring
from mailgrid.core.callers import Caller
from mailgrid.core.errors import Conflict, Invalid
from mailgrid.core.vocabulary import EventType, HoldReason, Source, Status

_CHUNK = 500


def cancel(*, message_id: str, now: datetime) -> Message:
    """Waiting and held recipients are canceled at once; claimed ones only if their attempt proves unsent.

    Raises `Conflict` when nothing is open.
    """
    message = get_message(message_id)
    with transaction.atomic():
        if not _cancel(Delivery.across_tenants.filter(message=message), now=now):
            raise Conflict("Nothing of this email is open any more.")
    return get_message(message_id)


def reschedule(
    *, message_id: str, scheduled_at: datetime | None, expires_at: datetime | None, now: datetime
) -> Message:
    """Move a scheduled message to another time, or let it go at once; raises `Conflict` in any other state."""
    message = get_message(message_id)
    if scheduled_at is None and expires_at is None:
        raise Invalid("Give scheduled_at or expires_at.")
    due_at = scheduled_at if scheduled_at is not None else message.scheduled_at or now
    if scheduled_at is not None and not now - PAST_IS_NOW <= scheduled_at <= now + MAX_AHEAD:
        raise Invalid.field("scheduled_at", "out_of_range", "From now to 365 days ahead.")
    age = message.expires_at - (message.scheduled_at or message.created_at)
    end = expires_at if expires_at is not None else due_at + age
    if not due_at < end <= due_at + MAX_AHEAD or end <= now:
        raise Invalid.field("expires_at", "out_of_range", "Must be after scheduled_at, and in the future.")
    with transaction.atomic():
        scheduled = Delivery.across_tenants.filter(message=message, state=Status.SCHEDULED)
        if not scheduled.update(due_at=due_at, expires_at=end):
            raise Conflict("Only a scheduled email can be rescheduled.")
        Message.across_tenants.filter(pk=message.pk).update(scheduled_at=due_at, expires_at=end)
        record([_rescheduled(message, recipient, due_at, now) for recipient in _pending(message)], now=now)
        if due_at <= now:
            transitions.move(passes.moves(scheduled, Input.DUE, limit=_CHUNK), now=now)
            ring(Priority(message.priority).queue)
    return get_message(message_id)


def _pending(message: Message) -> QuerySet[Recipient]:
    return Recipient.across_tenants.filter(message=message, rank=0)


def _rescheduled(message: Message, recipient: Recipient, due_at: datetime, now: datetime) -> NewEvent:
    return NewEvent(
        tenant_id=message.tenant_id,
        test=message.test,
        message_id=message.pk,
        recipient_id=recipient.pk,
        type=EventType.SCHEDULED,
        status=Status.SCHEDULED,
        source="mailgrid",
        data={"scheduled_at": due_at.isoformat()},
        occurred_at=now,
        dedupe_key=None,
    )


def plan_again(
    *, message_id: UUID | str, caller: Caller, now: datetime, delivery_id: UUID | None = None
) -> Plan:
    """Plan a new message (`retry_of`) to the recipients that were not sent; raises `Conflict` when there are none.

    With `delivery_id` only to those of that delivery.
    """
    message = get_message(message_id)
    if message.source == Source.VERIFICATION:
        raise Conflict("A code is worth nothing twice: make another verification.")
    unsent = [
        one
        for one in recipients_of(message)
        if one.rank and Status(one.status) in RETRYABLE and delivery_id in {None, one.delivery_id}
    ]
    if not unsent:
        raise Conflict("No recipient of this email failed, expired or is unknown.")
    try:
        request = _same_again(message, unsent)
    except ContentGone:
        raise Conflict("The content of this email is gone.") from None
    return plan(requests=[request], caller=caller, now=now, retry_of=message.pk)


def _same_again(message: Message, recipients: Iterable[Recipient]) -> SubmitRequest:
    content = contents.load([message.pk]).get(message.pk)
    if not isinstance(content, Content):
        raise ContentGone("erased")
    by_kind: dict[str, list[Mailbox]] = {"to": [], "cc": [], "bcc": []}
    for one in recipients:
        by_kind[one.kind].append(Mailbox(address=one.address, name=one.name))
    return SubmitRequest(
        sender=parse_mailbox(message.sender),
        to=tuple(by_kind["to"]),
        cc=tuple(by_kind["cc"]),
        bcc=tuple(by_kind["bcc"]),
        reply_to=tuple(parse_mailbox(text) for text in message.reply_to),
        subject=content.subject,
        html=content.html,
        text=content.text or "",
        headers=content.headers,
        attachments=_attachments_again(message, content.attachments),
        track_opens=content.copy.opens,
        track_clicks=content.copy.clicks,
        sensitive=content.sealed,
        tags=message.tags,
        metadata=message.metadata,
        stream=str(message.stream_id),
        priority=message.priority,
        source=Source.RETRY,
    )


def _attachments_again(message: Message, parts: Sequence[StoredAttachment]) -> tuple[Attached, ...]:
    """The bytes that were sent, or would have been; what could not be fetched is fetched anew."""
    places = places_of(message.pk) if any(not part.blob for part in parts) else {}
    return tuple(
        Attachment(
            filename=part.filename,
            content_type=part.content_type,
            content_id=part.content_id,
            content=contents.read_attachment(part, tenant_id=message.tenant_id),
        )
        if part.blob or position not in places
        else ToFetch(
            place=places[position],
            filename=part.filename,
            content_type=part.content_type or None,
            content_id=part.content_id,
        )
        for position, part in enumerate(parts)
    )


def act_on_many(*, action: str, messages: QuerySet[Message], now: datetime, limit: int) -> int:
    """Hold, release or cancel the open deliveries of up to `limit` messages, in chunks; how many messages matched."""
    act = {"cancel": _cancel, "hold": _hold, "release": _release}[action]
    own = Delivery.across_tenants.filter(message=OuterRef("pk"), state__in=_ACTED_ON[action])
    if action == "release":
        own = own.filter(hold_reason=HoldReason.MANUAL)
    chosen = messages.filter(Exists(own))
    ids = list(chosen.order_by("pk").values_list("pk", flat=True)[:limit])
    for start in range(0, len(ids), _CHUNK):
        with transaction.atomic():
            act(Delivery.across_tenants.filter(message_id__in=ids[start : start + _CHUNK]), now=now)
    return len(ids)


_ACTED_ON: dict[str, list[Any]] = {
    "cancel": [*WAITING, Status.HELD, Status.SENDING, Status.IN_DOUBT],
    "hold": [*WAITING],
    "release": [Status.HELD],
}


def _cancel(rows: QuerySet[Delivery], *, now: datetime) -> int:
    open_now = rows.filter(state__in=[*WAITING, Status.HELD])
    moved = _move_all(lambda: passes.moves(open_now, Input.CANCELED, limit=_CHUNK), now=now)
    claimed = rows.filter(state__in=[Status.SENDING, Status.IN_DOUBT]).update(cancel_requested=True)
    return moved + claimed


def _hold(rows: QuerySet[Delivery], *, now: datetime) -> int:
    waiting = rows.filter(state__in=WAITING)
    return _move_all(
        lambda: passes.moves(waiting, Input.HELD, limit=_CHUNK, reason=HoldReason.MANUAL), now=now
    )


def _move_all(step: Callable[[], list[Move]], *, now: datetime) -> int:
    """Chunk after chunk until there is nothing to move: a message may have fifty deliveries."""
    total = 0
    while moved := transitions.move(step(), now=now):
        total += moved
    return total


def _release(rows: QuerySet[Delivery], *, now: datetime) -> int:
    """Only what was held by hand: other reasons end by themselves or by an operator."""
    held = rows.filter(state=Status.HELD, hold_reason=HoldReason.MANUAL)
    moved = _move_all(lambda: passes.released(held, now=now, limit=_CHUNK), now=now)
    for priority in Priority:
        ring(priority.queue)
    return moved
