"""Record hits: classified, told as events, counted. Facts with counters, which change no status."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final
from uuid import UUID

from django.db import transaction
from django.db.models import Max

from emails.events.models import Event
from emails.events.services import NewEvent, record
from emails.messages import engagement
from emails.messages.engagement import Engagement
from emails.messages.models import Recipient
from emails.tracking.agents import MAX_LENGTH
from emails.tracking.classify import NEAR_SECONDS, Circumstances, Verdict, classify
from emails.tracking.hits import Hit
from mailgrid.core import metrics
from mailgrid.core.clock import to_wire
from mailgrid.core.locks import until_done
from mailgrid.core.sql import storable
from mailgrid.core.vocabulary import EventType

# Of one recipient's opens, and of its clicks. Whoever fetches a pixel all day long fills a counter, and no table.
EVENTS_OF_EACH: Final = 200
_NEAR: Final = timedelta(seconds=NEAR_SECONDS)

Delivered = Mapping[UUID, datetime]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Target:
    """A hit and the recipient whose copy it came from."""

    hit: Hit
    recipient: Recipient
    verdict: Verdict

    @property
    def engagement(self) -> Engagement:
        return Engagement(
            recipient_id=self.recipient.pk,
            message_id=self.recipient.message_id,
            click=self.hit.is_click,
            by=self.verdict.kind,
        )


def record_hits(hits: Sequence[Hit], *, now: datetime) -> int:
    """Record hits in one transaction with a constant number of statements; how many count.

    A hit counts once, however often it is recorded. One whose recipient is gone with its tenant is forgotten.
    """
    counted = until_done(partial(_record_together, _targets(hits), now=now))
    for target in counted:
        kind = "click" if target.hit.is_click else "open"
        metrics.hits.labels(kind=kind, by=target.verdict.kind).inc()
    return len(counted)


def _record_together(targets: Sequence[_Target], *, now: datetime) -> list[_Target]:
    told, untold = _to_tell(targets)
    events = {target.hit.id: _event(target) for target in told}
    with transaction.atomic():
        fresh = record(list(events.values()), now=now)
        counted = [target for target in told if events[target.hit.id].event_id in fresh] + untold
        engagement.count([target.engagement for target in counted])
    return counted


def _targets(hits: Sequence[Hit]) -> list[_Target]:
    wanted = {hit.recipient_id for hit in hits}
    rows = Recipient.across_tenants.filter(pk__in=wanted).select_related("message__stream", "delivery")
    recipients = {row.pk: row for row in rows}
    delivered = _delivered(wanted)
    followed = _followed(hits)
    return [
        _Target(
            hit=hit,
            recipient=recipients[hit.recipient_id],
            verdict=classify(_circumstances(hit, delivered, followed[hit.recipient_id])),
        )
        for hit in hits
        if hit.recipient_id in recipients
    ]


def _circumstances(hit: Hit, delivered: Delivered, followed: Iterable[tuple[datetime, str]]) -> Circumstances:
    at = delivered.get(hit.recipient_id)
    near = {link for moment, link in followed if abs(moment - hit.at) <= _NEAR} if hit.is_click else ()
    return Circumstances(
        click=hit.is_click,
        user_agent=_words(hit.user_agent),
        prefetched=hit.prefetched,
        since_delivery=None if at is None else (hit.at - at).total_seconds(),
        links_nearby=len(near),
    )


def _delivered(recipient_ids: Iterable[UUID]) -> Delivered:
    """When the recipients' servers took the mail; the provider, where no more is known."""
    told = Event.across_tenants.filter(
        recipient_id__in=recipient_ids, type__in=[EventType.SENT, EventType.DELIVERED]
    )
    return dict(told.values("recipient_id").annotate(at=Max("occurred_at")).values_list("recipient_id", "at"))


def _followed(hits: Sequence[Hit]) -> Mapping[UUID, list[tuple[datetime, str]]]:
    """The links that recipients followed, and when: now, and shortly before."""
    found: dict[UUID, list[tuple[datetime, str]]] = defaultdict(list)
    clicks = [hit for hit in hits if hit.target is not None]
    if not clicks:
        return found
    for hit in clicks:
        found[hit.recipient_id].append((hit.at, str(hit.target)))
    before = Event.across_tenants.filter(
        recipient_id__in=list(found),
        type=EventType.CLICKED,
        occurred_at__gte=min(hit.at for hit in clicks) - _NEAR,
    )
    for recipient_id, at, data in before.values_list("recipient_id", "occurred_at", "data"):
        found[recipient_id].append((at, str(data.get("click", {}).get("link"))))
    return found


def _to_tell(targets: Sequence[_Target]) -> tuple[list[_Target], list[_Target]]:
    """Hits that become events, and those that are counted only."""
    told: list[_Target] = []
    untold: list[_Target] = []
    more: Counter[tuple[UUID, bool]] = Counter()
    for target in targets:
        key = (target.recipient.pk, target.hit.is_click)
        so_far = (target.recipient.clicks if target.hit.is_click else target.recipient.opens) + more[key]
        more[key] += 1
        (told if so_far < EVENTS_OF_EACH else untold).append(target)
    return told, untold


def _event(target: _Target) -> NewEvent:
    hit, recipient = target.hit, target.recipient
    return NewEvent(
        tenant_id=recipient.tenant_id,
        test=recipient.message.test,
        message_id=recipient.message_id,
        recipient_id=recipient.pk,
        type=EventType.CLICKED if hit.is_click else EventType.OPENED,
        status=recipient.status or recipient.delivery.state,
        source="mailgrid",
        data={"click" if hit.is_click else "open": _own_data(target)},
        occurred_at=hit.at,
        dedupe_key=f"hit:{hit.id}",
    )


def _own_data(target: _Target) -> dict[str, Any]:
    """A sensitive mail's links are what it says, and are not kept."""
    hit = target.hit
    sensitive = target.recipient.message.stream.sensitive
    link = {"link": None if sensitive else storable(str(hit.target))} if hit.is_click else {}
    return {
        "ipAddress": hit.ip,
        **link,
        "userAgent": _words(hit.user_agent),
        "timestamp": to_wire(hit.at),
        "class": target.verdict.kind,
        "reason": target.verdict.reason,
    }


def _words(user_agent: str) -> str:
    return storable(user_agent[:MAX_LENGTH])
