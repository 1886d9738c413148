"""Take facts in and draw the consequences: proofs of sending, recipients' statuses, events, suppressions.

A batch is one transaction with a constant number of statements. Facts in any order and any number of copies end in the
same state: a recipient's rank only rises, and an event enters once (docs/delivery.md, events).
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from hashlib import sha256
from uuid import UUID

from django.db import transaction

from emails.events import transitions
from emails.events.selectors import sent_more_than_once
from emails.events.services import NewEvent, record
from emails.feedback import consequences, soft_bounces, watermarks
from emails.feedback.facts import Fact, FactKind, is_canary, suppresses
from emails.messages import engagement
from emails.messages.engagement import Engagement
from emails.messages.lifecycle import Input
from emails.messages.models import Attempt, Delivery, Recipient
from emails.messages.moves import AttemptOutcome, AttemptResult, Move, SettledBy
from emails.messages.queue import feedback as rows
from emails.messages.queue import settling
from emails.suppressions.services import NewSuppression, suppress
from emails.transports.models import SANDBOX_ID
from mailgrid.core import metrics
from mailgrid.core.vocabulary import HitClass, Status

_EVERYBODY = (FactKind.SENT, FactKind.REJECTED, FactKind.RENDERING_FAILED)


@dataclass(frozen=True, slots=True)
class Target:
    """A fact and the recipient of ours it is about."""

    fact: Fact
    delivery: Delivery
    recipient: Recipient


def apply(facts: Sequence[Fact], *, now: datetime) -> int:
    """Apply facts of provider accounts; how many events are new.

    A fact that names no delivery its account may speak of is an orphan: counted, and without effect.
    """
    canaries = [fact for fact in facts if is_canary(fact)]
    with transaction.atomic():
        targets = _targets(_with_deliveries([fact for fact in facts if fact not in canaries]))
        _prove_sent(targets, now=now)
        fresh = _record(targets, now=now)
        _raise_recipients(fresh)
        _count_engagement(fresh)
        settling.project_messages({target.delivery.message_id: "" for target in fresh})
        _suppress(fresh, now=now)
        _count_duplicates(fresh)
        watermarks.advance((key, min(at, now)) for key, at in (*_sung(canaries), *_reported(targets)))
    return len(fresh)


def _sung(canaries: Sequence[Fact]) -> list[tuple[watermarks.Key, datetime]]:
    """When the canaries were sent whose sending is told."""
    return [
        ((fact.told_by, fact.configuration_set), fact.occurred_at)
        for fact in canaries
        if fact.kind == FactKind.SENT and fact.told_by is not None
    ]


def _reported(targets: Sequence[Target]) -> list[tuple[watermarks.Key, datetime]]:
    """When the mail was sent whose sending is told; by its own account, or a tenant could speak for a shared one."""
    return [
        ((target.delivery.transport_id, target.fact.configuration_set), target.fact.occurred_at)
        for target in targets
        if target.fact.kind == FactKind.SENT and target.fact.told_by == target.delivery.transport_id
    ]


def _with_deliveries(facts: Sequence[Fact]) -> list[tuple[Fact, Delivery]]:
    """Each fact with its delivery, locked: by our tag, else by the provider's message id.

    Locked in the order in which `settling` does it, so that nobody waits for a row while he holds the other's.
    """
    untagged = {fact.provider_message_id for fact in facts if not fact.delivery_id}
    named = Attempt.objects.filter(provider_message_id__in=untagged)
    by_name = dict(named.values_list("provider_message_id", "delivery_id"))
    meant = [fact.delivery_id or by_name.get(fact.provider_message_id) for fact in facts]
    rows = Delivery.across_tenants.select_for_update(no_key=True).filter(pk__in=set(filter(None, meant)))
    deliveries = {row.pk: row for row in rows.order_by("pk")}
    found = []
    for fact, delivery_id in zip(facts, meant, strict=True):
        delivery = deliveries.get(delivery_id) if delivery_id else None
        if delivery is not None and _may_tell(fact, delivery):
            found.append((fact, delivery))
        else:
            metrics.orphan_facts.inc()
    return found


def _may_tell(fact: Fact, delivery: Delivery) -> bool:
    """An event never touches another tenant's row: neither by its tags, nor through a tenant's own account."""
    if fact.delivery_id and fact.tenant_hex != delivery.tenant_id.hex:
        return False
    return fact.account_tenant in {None, delivery.tenant_id}


def _targets(told: Sequence[tuple[Fact, Delivery]]) -> list[Target]:
    recipients: dict[UUID, list[Recipient]] = defaultdict(list)
    wanted = {delivery.pk for _, delivery in told}
    for recipient in Recipient.across_tenants.filter(delivery_id__in=wanted).order_by("position"):
        recipients[recipient.delivery_id].append(recipient)
    return [
        Target(fact, delivery, recipient)
        for fact, delivery in told
        if fact.kind in consequences.EVENT_TYPES
        for recipient in _meant(fact, recipients[delivery.pk])
    ]


def _meant(fact: Fact, recipients: Sequence[Recipient]) -> list[Recipient]:
    if fact.address is not None:
        return [one for one in recipients if one.address.lower() == fact.address.lower()]
    if fact.kind in _EVERYBODY:
        return [one for one in recipients if one.status != Status.SUPPRESSED]
    return list(recipients[:1])  # an open or click of one among several: SES does not say whose


def _prove_sent(targets: Sequence[Target], *, now: datetime) -> None:
    """Every event proves that the provider accepted the mail; that beats what we believed."""
    unproved = {
        t.delivery.pk: t for t in targets if t.delivery.state != Status.SENT and t.fact.fence is not None
    }
    transitions.move([_proof(target) for target in unproved.values()], now=now)
    doubted = [t for t in unproved.values() if t.delivery.state == Status.IN_DOUBT]
    transaction.on_commit(partial(_count_confirmed, doubted), robust=True)


def _count_confirmed(targets: Sequence[Target]) -> None:
    for target in targets:
        metrics.in_doubt.labels(transport=str(target.delivery.transport_id), outcome="confirmed").inc()


def _proof(target: Target) -> Move:
    delivery, fact = target.delivery, target.fact
    return Move(
        delivery_id=delivery.pk,
        message_id=delivery.message_id,
        tenant_id=delivery.tenant_id,
        test=delivery.test,
        fence=fact.fence or 0,
        source=Status(delivery.state),
        input=Input.PROVED_SENT,
        attempt=AttemptResult(
            outcome=AttemptOutcome.SENT,
            settled_by=SettledBy.EVENT,
            provider_message_id=fact.provider_message_id,
        ),
    )


def _record(targets: Sequence[Target], *, now: datetime) -> list[Target]:
    """Record an event for each target; those that were not known yet."""
    by_key = {_dedupe_key(target): target for target in targets}
    standing = {target.recipient.pk: _Standing(target.recipient) for target in targets}
    events = {
        key: _event(target, standing[target.recipient.pk].after(target.fact))
        for key, target in by_key.items()
    }
    fresh = record(list(events.values()), now=now)
    return [by_key[key] for key, event in events.items() if event.event_id in fresh]


class _Standing:
    """A recipient's status as the facts of one batch come in."""

    def __init__(self, recipient: Recipient) -> None:
        self._status = recipient.status or Status.SENT
        self._rank = recipient.rank

    def after(self, fact: Fact) -> str:
        """The status once this fact is known."""
        rise = consequences.rise(fact)
        if rise.status and rise.rank > self._rank:
            self._status, self._rank = rise.status, rise.rank
        return str(self._status)


def _dedupe_key(target: Target) -> str:
    if target.fact.kind == FactKind.SENT:
        return transitions.sent_key(target.recipient.pk, target.fact.provider_message_id)
    return f"{sha256(target.fact.dedupe_key.encode()).hexdigest()}:{target.recipient.pk}"


def _event(target: Target, status: str) -> NewEvent:
    fact, recipient = target.fact, target.recipient
    return NewEvent(
        tenant_id=recipient.tenant_id,
        test=target.delivery.test,
        message_id=recipient.message_id,
        recipient_id=recipient.pk,
        type=consequences.EVENT_TYPES[fact.kind],
        status=status,
        source="sandbox" if target.delivery.transport_id == SANDBOX_ID else "ses",
        data=consequences.own_data(fact),
        occurred_at=fact.occurred_at,
        dedupe_key=_dedupe_key(target),
    )


def _count_duplicates(targets: Sequence[Target]) -> None:
    """Deliveries that the provider took more than once: it tells of them under several ids."""
    again = [t for t in targets if t.fact.kind == FactKind.SENT and t.delivery.fence > 1]
    if again:
        twice = sent_more_than_once({target.recipient.pk for target in again})
        count = len({t.delivery.pk for t in again if t.recipient.pk in twice})
        transaction.on_commit(partial(metrics.duplicate_sends.inc, count), robust=True)


def _raise_recipients(targets: Sequence[Target]) -> None:
    highest: dict[UUID, rows.Raised] = {}
    for target in targets:
        rise = consequences.rise(target.fact)
        known = highest.get(target.recipient.pk)
        if rise.status and (known is None or rise.rank > known.rank):
            highest[target.recipient.pk] = rows.Raised(
                recipient_id=target.recipient.pk,
                status=rise.status,
                rank=rise.rank,
                reason=rise.reason,
                bounce_type=rise.bounce_type,
                at=target.fact.occurred_at,
            )
    rows.raise_recipients(list(highest.values()))


def _count_engagement(targets: Sequence[Target]) -> None:
    """Who it was, the provider does not say."""
    engagement.count(
        [
            Engagement(
                recipient_id=target.recipient.pk,
                message_id=target.recipient.message_id,
                click=target.fact.kind == FactKind.CLICKED,
                by=HitClass.UNKNOWN,
            )
            for target in targets
            if target.fact.kind in {FactKind.OPENED, FactKind.CLICKED}
        ]
    )


def _suppress(targets: Sequence[Target], *, now: datetime) -> None:
    """The bounced or complaining recipient only; test traffic never adds a suppression."""
    live = [target for target in targets if not target.delivery.test]
    added = [
        NewSuppression(
            tenant_id=target.recipient.tenant_id,
            address=target.recipient.address,
            origin=origin,
            source_id=target.recipient.message_id,
            evidence=str(target.fact.detail.get("message") or target.fact.detail.get("type") or ""),
        )
        for target in live
        if (origin := suppresses(target.fact))
    ]
    suppress(added + soft_bounces.repeated([(t.recipient, t.fact) for t in live], now=now), now=now)
