"""What the sweep looks for: rows whose time has come, in chunks bounded by `limit`, as moves to apply.

Each of these crosses tenants by design. They only read; a move that somebody else made first changes nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.db.models import BooleanField, Exists, F, Func, OuterRef, Q, QuerySet

from emails.messages.lifecycle import OPEN, WAITING, Input
from emails.messages.models import Delivery
from emails.messages.moves import AttemptOutcome, AttemptResult, Move
from emails.transports.models import Breaker
from mailgrid.core.bells import Priority
from mailgrid.core.vocabulary import HoldReason, Status

_COLUMNS: Final = ("id", "message_id", "tenant_id", "test", "fence", "state", "suspect", "crashes")


def in_states(*states: str) -> Func:
    """A condition with the states spelled out: SQLite takes a partial index only for its own words, not for parameters.

    Give the states of the index, in its order.
    """
    words = ", ".join(f"'{state}'" for state in states)
    return Func(F("state"), template=f"%(expressions)s IN ({words})", output_field=BooleanField())


def moves(rows: QuerySet[Any], step: Input, *, limit: int, **extra: Any) -> list[Move]:
    """The same step for up to `limit` of these deliveries."""
    return [
        Move(
            delivery_id=id_,
            message_id=message_id,
            tenant_id=tenant_id,
            test=test,
            fence=fence,
            source=Status(state),
            input=step,
            suspect=suspect,
            crashes=crashes,
            **extra,
        )
        for id_, message_id, tenant_id, test, fence, state, suspect, crashes in rows.values_list(*_COLUMNS)[
            :limit
        ]
    ]


def due(*, now: datetime, limit: int) -> list[Move]:
    """Scheduled and deferred rows whose time has come, oldest first, up to `limit` for each priority."""
    waiting = Delivery.across_tenants.filter(in_states(Status.SCHEDULED, Status.DEFERRED), due_at__lte=now)
    return [
        move
        for priority in Priority
        for move in moves(waiting.filter(priority=priority).order_by("due_at"), Input.DUE, limit=limit)
    ]


def at_once(rows: QuerySet[Any], *, now: datetime, limit: int) -> list[Move]:
    """Those of these deliveries that wait for their time or their next try: due now."""
    waiting = rows.filter(state__in=[Status.SCHEDULED, Status.DEFERRED])
    return moves(waiting.order_by("pk"), Input.DUE, limit=limit, due_at=now)


_LEASED: Final = in_states(Status.SENDING, Status.IN_DOUBT)


def leases_ended(*, now: datetime, limit: int) -> list[Move]:
    """Claimed rows whose worker is gone: in doubt, due for a decision at once, and suspect.

    Only a crash while alone (already suspect) counts, because a process takes up to 49 innocent ones with it.
    """
    claimed = Delivery.across_tenants.filter(_LEASED, state=Status.SENDING)
    over = claimed.filter(lease_until__lt=now).order_by("lease_until")
    return [
        Move(
            delivery_id=id_,
            message_id=message_id,
            tenant_id=tenant_id,
            test=test,
            fence=fence,
            source=Status.SENDING,
            input=Input.LOST,
            due_at=now,
            suspect=True,
            crashes=crashes + int(suspect),
            attempt=AttemptResult(outcome=AttemptOutcome.IN_DOUBT, error_code="lease_ended"),
        )
        for id_, message_id, tenant_id, test, fence, _, suspect, crashes in over.values_list(*_COLUMNS)[
            :limit
        ]
    ]


def expired(*, now: datetime, limit: int) -> list[Move]:
    """Waiting and held rows that must not be sent any more."""
    late = Delivery.across_tenants.filter(in_states(*WAITING, Status.HELD), expires_at__lte=now)
    return moves(late.order_by("expires_at"), Input.EXPIRED, limit=limit)


def released(rows: QuerySet[Any], *, now: datetime, limit: int) -> list[Move]:
    """Let these held rows go: to wait for their time where it lies ahead, else to be sent."""
    early = Q(message__scheduled_at__gt=now)
    return [
        *moves(rows.filter(early), Input.RELEASED_EARLY, limit=limit),
        *moves(rows.exclude(early), Input.RELEASED, limit=limit, due_at=now),
    ]


def releasable(*, now: datetime, limit: int) -> list[Move]:
    """Held rows whose reason has ended by itself: the tenant or stream they waited for goes on."""
    held = Delivery.across_tenants.filter(state=Status.HELD)
    ended = held.filter(
        Q(hold_reason=HoldReason.STREAM_PAUSED, stream__paused=False)
        | Q(hold_reason=HoldReason.TENANT_PAUSED, tenant__paused=False, tenant__status="active")
    )
    return released(ended.order_by("id"), now=now, limit=limit)


def released_by_accounts(*, now: datetime, limit: int) -> list[Move]:
    """Held rows whose account lets mail through again: it has no breaker any more."""
    held = Delivery.across_tenants.filter(state=Status.HELD, hold_reason__in=_BY_ACCOUNT)
    its_own = Breaker.objects.filter(transport=OuterRef("transport_id")).filter(
        Q(scope="") | Q(scope=OuterRef("stream__configuration_set"))
    )
    return released(held.exclude(Exists(its_own)).order_by("id"), now=now, limit=limit)


_BY_ACCOUNT: Final = (HoldReason.ACCOUNT_PAUSED, HoldReason.ACCOUNT_QUOTA)


def waits_for_scope(transport_id: UUID, scope: str) -> bool:
    """Whether anything that is not over goes through this configuration set of the account."""
    own = Delivery.across_tenants.filter(transport_id=transport_id, stream__configuration_set=scope)
    return own.filter(state__in=OPEN).exists()


def to_probe(transport_id: UUID, scope: str, *, now: datetime) -> list[Move]:
    """One delivery that this breaker of an account holds, if nothing queued could be its probe."""
    own = Delivery.across_tenants.filter(transport_id=transport_id)
    if scope:
        own = own.filter(stream__configuration_set=scope)
    if own.filter(state=Status.QUEUED).exists():
        return []
    held = own.filter(state=Status.HELD, hold_reason__in=_BY_ACCOUNT)
    return released(held.order_by("id"), now=now, limit=1)[:1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """A delivery in doubt whose time to be decided has come."""

    delivery_id: UUID
    message_id: UUID
    tenant_id: UUID
    test: bool
    transport_id: UUID
    configuration_set: str
    fence: int
    priority: Priority
    at_most_once: bool
    cancel_requested: bool
    suspect: bool
    crashes: int
    lost_at: datetime


def doubts(*, now: datetime, limit: int) -> list[Doubt]:
    """Deliveries in doubt that are due for a decision, oldest first."""
    rows = Delivery.across_tenants.filter(_LEASED, state=Status.IN_DOUBT, due_at__lte=now).order_by("due_at")
    found = rows.filter(journal__fence=F("fence")).values_list(
        "id",
        "message_id",
        "tenant_id",
        "test",
        "transport_id",
        "fence",
        "priority",
        "at_most_once",
        "cancel_requested",
        "suspect",
        "crashes",
        "journal__at",
        "stream__configuration_set",
        "transport__settings__configuration_set",
    )
    return [
        Doubt(
            delivery_id=row[0],
            message_id=row[1],
            tenant_id=row[2],
            test=row[3],
            transport_id=row[4],
            configuration_set=row[12] or row[13] or "",
            fence=row[5],
            priority=Priority(row[6]),
            at_most_once=row[7],
            cancel_requested=row[8],
            suspect=row[9],
            crashes=row[10],
            lost_at=row[11],
        )
        for row in found[:limit]
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Awaiting:
    """An account and configuration set with deliveries in doubt: the latest of them, and as whom it was sent."""

    transport_id: UUID
    configuration_set: str
    tenant_id: UUID
    sender: str
    newest: datetime


def awaiting_events(*, before: datetime) -> list[Awaiting]:
    """Where deliveries are in doubt whose attempt began before this time; there are few such accounts."""
    rows = Delivery.across_tenants.filter(_LEASED, state=Status.IN_DOUBT, test=False)
    found = rows.filter(journal__fence=F("fence"), journal__at__lt=before).values_list(
        "transport_id",
        "stream__configuration_set",
        "transport__settings__configuration_set",
        "tenant_id",
        "message__sender",
        "journal__at",
    )
    latest: dict[tuple[UUID, str], Awaiting] = {}
    for transport_id, of_stream, of_account, tenant_id, sender, at in found.order_by("-journal__at")[:1000]:
        awaiting = Awaiting(
            transport_id=transport_id,
            configuration_set=of_stream or of_account or "",
            tenant_id=tenant_id,
            sender=sender,
            newest=at,
        )
        latest.setdefault((transport_id, awaiting.configuration_set), awaiting)
    return list(latest.values())


def look_again(delivery_ids: Sequence[UUID], *, at: datetime) -> None:
    """Doubts that could not be decided: not before `at`. An event settles them whenever it comes."""
    if delivery_ids:
        Delivery.across_tenants.filter(pk__in=delivery_ids, state=Status.IN_DOUBT).update(due_at=at)


def end_all_leases(*, now: datetime) -> int:
    """At the start of a process that is known to be the only one: whoever held a lease is dead."""
    return Delivery.across_tenants.filter(_LEASED, state=Status.SENDING).update(
        lease_until=now - timedelta(seconds=1)
    )


def priorities_with_work() -> list[Priority]:
    """The priorities that have queued mail."""
    queued = Delivery.across_tenants.filter(state=Status.QUEUED)
    either = [queued.filter(suspect=suspect) for suspect in (False, True)]  # an index each
    return [
        priority for priority in Priority if any(rows.filter(priority=priority).exists() for rows in either)
    ]
