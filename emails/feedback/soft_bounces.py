"""Addresses that bounced softly again and again: listed for a while (tenant setting `soft_bounce`)."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Count

from emails.events.models import Event
from emails.feedback.facts import BounceType, Fact, FactKind
from emails.messages.models import Recipient
from emails.suppressions.services import NewSuppression
from mailgrid.core.vocabulary import EventType
from tenants.tenancy.selectors import tenant_facts


def repeated(bounced: Sequence[tuple[Recipient, Fact]], *, now: datetime) -> list[NewSuppression]:
    """A suppression for each address whose transient bounces on different messages reached the tenant's count."""
    soft = {
        (recipient.tenant_id, recipient.address): recipient
        for recipient, fact in bounced
        if fact.kind == FactKind.BOUNCED and fact.bounce_type == BounceType.TRANSIENT
    }
    found = []
    for (tenant_id, address), recipient in soft.items():
        rule = tenant_facts(tenant_id).settings.soft_bounce
        if _messages(tenant_id, address, since=now - timedelta(days=rule.days)) >= rule.count:
            found.append(
                NewSuppression(
                    tenant_id=tenant_id,
                    address=address,
                    origin="bounce",
                    source_id=recipient.message_id,
                    evidence=f"{rule.count} transient bounces within {rule.days} days",
                    expires_at=now + timedelta(days=rule.hold_days),
                )
            )
    return found


def _messages(tenant_id: UUID, address: str, *, since: datetime) -> int:
    bounces = Event.across_tenants.filter(
        tenant_id=tenant_id,
        test=False,
        type=EventType.BOUNCED,
        recipient__address=address,
        recipient__bounce_type=BounceType.TRANSIENT,
        occurred_at__gte=since,
    )
    return int(bounces.aggregate(found=Count("message_id", distinct=True))["found"])
