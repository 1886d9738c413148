"""What an operator does to accepted messages, with an entry in each tenant's audit trail."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from emails.dead_letters import services as dead_letters
from emails.dead_letters.selectors import quarantined
from emails.events import transitions
from emails.messages.models import Delivery, Message
from emails.messages.queue import passes
from emails.submission import verbs
from mailgrid.core.bells import Priority, ring
from mailgrid.core.vocabulary import Status
from tenants.audit.services import Actor, record

_CHUNK: Final = 5_000  # deliveries: a page of messages with all their copies
_TENANTS_VERBS: Final = ("cancel", "hold", "release")


def act(*, action: str, message_ids: Iterable[UUID], actor: Actor, now: datetime) -> int:
    """Do to these messages what a tenant may (cancel, hold, release), or what an operator may besides.

    `run_now` sends what waits for its time or its next try; `redrive` and `give_up` are about what is quarantined.
    Answers how many messages it touched; those in another state stay as they are.
    """
    touched = 0
    with transaction.atomic():
        for tenant_id, own in _by_tenant(message_ids).items():
            matched = _act(action, own, now=now)
            if matched:
                record(
                    tenant_id=tenant_id,
                    actor=actor,
                    action=f"message.{action}",
                    target=Message(pk=own[0]),
                    now=now,
                    changes={"ids": [str(pk) for pk in own], "matched": matched},
                )
            touched += matched
    return touched


def _by_tenant(message_ids: Iterable[UUID]) -> dict[UUID, list[UUID]]:
    found: dict[UUID, list[UUID]] = defaultdict(list)
    rows = Message.across_tenants.filter(pk__in=list(message_ids)).order_by("pk")
    for tenant_id, pk in rows.values_list("tenant_id", "pk"):
        found[tenant_id].append(pk)
    return found


def _act(action: str, ids: list[UUID], *, now: datetime) -> int:
    if action in _TENANTS_VERBS:
        messages: QuerySet[Message] = Message.across_tenants.filter(pk__in=ids)
        return verbs.act_on_many(action=action, messages=messages, now=now, limit=len(ids))
    if action == "run_now":
        return _run_now(Delivery.across_tenants.filter(message__in=ids), now=now)
    work = dead_letters.release if action == "redrive" else dead_letters.give_up
    return work(quarantined().filter(message__in=ids), now=now)


def _run_now(rows: QuerySet[Delivery], *, now: datetime) -> int:
    """Queue what is scheduled or deferred; guards still ask whether it may be sent."""
    moves = passes.at_once(rows.select_for_update(of=("self",)), now=now, limit=_CHUNK)
    early = [move.message_id for move in moves if move.source == Status.SCHEDULED]
    # As when its tenant moves it: nothing says any more that it is for later.
    Message.across_tenants.filter(pk__in=early).update(scheduled_at=now)
    transitions.move(moves, now=now)
    for priority in Priority:
        ring(priority.queue)
    return len({move.message_id for move in moves})
