"""Record facts about recipients, and store what providers send. What follows from them is for others."""

from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from emails.events.models import SEALED, Event, Notification
from mailgrid.core import bells, crypto
from mailgrid.core.ids import uuid7
from mailgrid.core.sql import Insert, insert_rows, read_uuid, run, values_table


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEvent:
    """One fact about one recipient, ready to be recorded.

    `type` and `status` are words of `mailgrid.core.vocabulary`, `status` the recipient's after this event;
    `source` is `mailgrid`, `ses` or `sandbox`. `data` holds what is the event's own, under its key of
    docs/api.md 2.3. Of several with one `dedupe_key` the first is recorded; without a key each is.
    """

    tenant_id: UUID
    test: bool
    message_id: UUID
    recipient_id: UUID
    type: str
    status: str
    source: str
    data: dict[str, Any] = field(default_factory=dict)
    occurred_at: datetime
    dedupe_key: str | None = None
    event_id: UUID = field(default_factory=uuid7)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewNotification:
    """A provider's payload as it arrived at a transport's hook; `external_id` is its name there.

    A `confidential` one repeats what somebody's mail says: it is encrypted until it is worked off, and erased then.
    """

    transport_id: UUID
    external_id: str | None
    body: str
    confidential: bool = False


def record(facts: Sequence[NewEvent], *, now: datetime) -> set[UUID]:
    """Insert the facts that are not known yet, in one statement; answers their `event_id`s.

    Call inside the transaction of what the facts tell.
    """
    new = insert(facts, now=now)
    inserted = insert_rows(new.model, new.columns, new.rows, ignore_conflicts=True, returning="event_id")
    return {read_uuid(stored) for stored in inserted}


def insert(facts: Sequence[NewEvent], *, now: datetime) -> Insert:
    """The rows of facts that nobody can know yet, to be stored together with what they tell."""
    return Insert(Event, _EVENT, [_event(fact, now) for fact in facts])


def store_notifications(notifications: Sequence[NewNotification], *, now: datetime) -> int:
    """Keep raw payloads for a worker to verify and apply, and ring for it; says how many are new."""
    rows = [_notification(one, now) for one in notifications]
    stored = insert_rows(Notification, _NOTIFICATION, rows, ignore_conflicts=True, returning="id")
    if stored:
        bells.ring(bells.EVENTS)
    return len(stored)


def payload_of(row: Notification) -> str | bytes:
    """A stored payload as it came; raises `CannotDecrypt` when its key is gone."""
    if not row.sealed:
        return row.body
    key_id, _, encoded = row.body.removeprefix(SEALED).partition(":")
    return crypto.unseal(crypto.Sealed(key_id, b64decode(encoded)), context=row.pk.bytes)


def settle_notifications(rows: Sequence[Notification]) -> None:
    """Write what became of claimed notifications, in one statement; one that was claimed again since stays.

    What a sealed one says is erased once it is worked off.
    """
    columns = {"id": "id", "fence": "fence", "state": "state", "result": "result", "due": "due_at"}
    values = [(row.pk, row.fence, str(row.state), row.result, row.due_at) for row in rows]
    table, parameters = values_table("v", Notification, columns, values)
    run(
        f"WITH {table} UPDATE emails_notification SET state = v.state, result = v.result, due_at = v.due,"
        " lease_until = NULL FROM v WHERE emails_notification.id = v.id AND emails_notification.fence = v.fence",
        parameters,
    )
    if over := [row.pk for row in rows if row.sealed and row.state not in Notification.AWAITED]:
        Notification.objects.filter(pk__in=over).exclude(state__in=Notification.AWAITED).update(body="")


_EVENT: Final = (
    "event_id",
    "tenant_id",
    "test",
    "message_id",
    "recipient_id",
    "type",
    "status",
    "source",
    "data",
    "occurred_at",
    "created_at",
    "dedupe_key",
)


def _event(fact: NewEvent, now: datetime) -> tuple[Any, ...]:
    return (
        fact.event_id,
        fact.tenant_id,
        fact.test,
        fact.message_id,
        fact.recipient_id,
        fact.type,
        fact.status,
        fact.source,
        fact.data,
        fact.occurred_at,
        now,
        fact.dedupe_key,
    )


_NOTIFICATION: Final = (
    "id",
    "transport_id",
    "external_id",
    "body",
    "result",
    "received_at",
    "state",
    "due_at",
    "lease_until",
    "fence",
    "attempts",
)


def _notification(new: NewNotification, now: datetime) -> tuple[Any, ...]:
    id_ = uuid7()
    return (
        id_,
        new.transport_id,
        new.external_id,
        _sealed(new.body, context=id_.bytes) if new.confidential else new.body,
        "",
        now,
        Notification.State.PENDING.value,
        now,
        None,
        0,
        0,
    )


def _sealed(body: str, *, context: bytes) -> str:
    sealed = crypto.seal(body.encode(), context=context)
    return f"{SEALED}{sealed.key_id}:{b64encode(sealed.ciphertext).decode()}"
