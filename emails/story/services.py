"""What an operator does to accepted messages, with an entry in each tenant's audit trail."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from emails.events import transitions
from emails.messages.lifecycle import Input
from emails.messages.models import Delivery, Message
from emails.messages.queue import passes
from emails.submission import verbs
from mailgrid.core.bells import Priority, ring
from mailgrid.core.vocabulary import FailReason, HoldReason, Status
from tenants.audit.services import Actor, record

_CHUNK: Final = 500
_TENANTS_VERBS: Final = ("cancel", "hold", "release")


def act(*, action: str, message_ids: Iterable[UUID], actor: Actor, now: datetime) -> int:
    """Do to these messages what a tenant may (cancel, hold, release), or redrive or give up what is quarantined.

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
    quarantined = Delivery.across_tenants.filter(
        message__in=ids, state=Status.HELD, hold_reason=HoldReason.QUARANTINED
    )
    if action == "redrive":
        moves = passes.moves(quarantined, Input.RELEASED, limit=_CHUNK, due_at=now)
    else:
        moves = passes.moves(
            quarantined,
            Input.FAILED,
            limit=_CHUNK,
            reason=FailReason.GIVEN_UP,
            detail="An operator gave it up.",
        )
    transitions.move(moves, now=now)
    for priority in Priority:
        ring(priority.queue)
    return len({move.message_id for move in moves})
