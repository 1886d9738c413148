"""Mail that was accepted over its tenant's quota (`over_quota: hold`), let go as far as the quota allows by now."""

import random
from collections.abc import Iterator
from datetime import datetime
from uuid import UUID

from django.db.models import Count, Q

from emails.events import transitions
from emails.messages.models import Delivery
from emails.messages.queue import passes
from mailgrid.core.vocabulary import HoldReason, Status
from tenants.quotas.services import allowance_left, consume, refund
from tenants.tenancy.selectors import tenant_facts


def release(*, now: datetime, limit: int) -> int:
    """Let go what fits into the tenants' quotas, up to `limit` deliveries in all; how many."""
    held = Delivery.across_tenants.filter(state=Status.HELD, hold_reason=HoldReason.QUOTA)
    tenants = list(held.values_list("tenant_id", flat=True).distinct())
    random.shuffle(tenants)  # when there is more than one pass can take, everybody's turn comes
    released = 0
    for tenant_id in tenants:
        if released < limit:
            released += _release(tenant_id, now=now, limit=limit - released)
    return released


def _release(tenant_id: UUID, *, now: datetime, limit: int) -> int:
    """Count the recipients, then move; what did not move after all is given back."""
    tenant = tenant_facts(tenant_id)
    left = allowance_left(tenant=tenant, test=False, now=now)
    chosen = dict(_fitting(tenant_id, left, limit=limit))
    if not chosen:
        return 0
    counted = consume(tenant=tenant, test=False, count=sum(chosen.values()), now=now)
    moved = 0
    try:
        moves = passes.released(Delivery.across_tenants.filter(pk__in=chosen), now=now, limit=limit)
        moved = transitions.move(moves, now=now)
    finally:
        if counted and moved == 0:
            refund(tenant=tenant, test=False, count=sum(chosen.values()), now=now)
    return moved


def _fitting(tenant_id: UUID, left: int | None, *, limit: int) -> Iterator[tuple[UUID, int]]:
    """Deliveries, oldest first, with the number of their pending recipients, as long as these fit."""
    held = Delivery.across_tenants.filter(
        tenant_id=tenant_id, state=Status.HELD, hold_reason=HoldReason.QUOTA
    )
    pending = Count("recipients", filter=Q(recipients__rank=0))
    for delivery_id, count in (
        held.annotate(pending=pending).order_by("id").values_list("id", "pending")[:limit]
    ):
        if left is not None:
            if count > left:
                return
            left -= count
        yield delivery_id, count
