"""Mail that was accepted over its tenant's quota (`over_quota: hold`), let go as far as the quota allows by now."""

from collections.abc import Iterator
from datetime import datetime
from uuid import UUID

from django.db.models import Count, Q

from emails.messages.models import Delivery
from emails.messages.moves import Move
from emails.messages.queue import passes
from mailgrid.core.vocabulary import HoldReason, Status
from tenants.quotas.services import allowance_left, consume
from tenants.tenancy.selectors import tenant_facts


def releasable(*, now: datetime, limit: int) -> list[Move]:
    """Up to `limit` held deliveries of each tenant that fit into its quota; their recipients are counted at once."""
    held = Delivery.across_tenants.filter(state=Status.HELD, hold_reason=HoldReason.QUOTA)
    tenants = list(held.values_list("tenant_id", flat=True).distinct())
    return [move for tenant_id in tenants for move in _of_tenant(tenant_id, now=now, limit=limit)]


def _of_tenant(tenant_id: UUID, *, now: datetime, limit: int) -> list[Move]:
    tenant = tenant_facts(tenant_id)
    left = allowance_left(tenant=tenant, test=False, now=now)
    chosen = dict(_fitting(tenant_id, left, limit=limit))
    if not chosen:
        return []
    consume(tenant=tenant, test=False, count=sum(chosen.values()), now=now)
    rows = Delivery.across_tenants.filter(pk__in=chosen)
    return passes.released(rows, now=now, limit=limit)


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
