"""What a fact means for its recipient: the new status, the event, the counters. Pure."""

from dataclasses import dataclass
from typing import Any, Final

from emails.feedback.facts import BounceType, Fact, FactKind
from emails.messages.lifecycle import BOUNCED_HARD, RANKS, REJECTED_BY_SCAN
from mailgrid.core.vocabulary import EventType, Status


@dataclass(frozen=True, slots=True, kw_only=True)
class Rise:
    """Where a fact lifts its recipient to. Rank 0 lifts nothing: opens and clicks are facts, not states."""

    status: Status | None
    rank: int
    reason: str = ""
    bounce_type: str = ""


_STATUSES: Final = {
    FactKind.SENT: Status.SENT,
    FactKind.DELIVERED: Status.DELIVERED,
    FactKind.DELIVERY_DELAYED: Status.DELIVERY_DELAYED,
    FactKind.COMPLAINED: Status.COMPLAINED,
    FactKind.BOUNCED: Status.BOUNCED,
    FactKind.REJECTED: Status.REJECTED,
    FactKind.RENDERING_FAILED: Status.REJECTED,
}

EVENT_TYPES: Final = {
    FactKind.SENT: EventType.SENT,
    FactKind.DELIVERED: EventType.DELIVERED,
    FactKind.DELIVERY_DELAYED: EventType.DELIVERY_DELAYED,
    FactKind.BOUNCED: EventType.BOUNCED,
    FactKind.COMPLAINED: EventType.COMPLAINED,
    FactKind.REJECTED: EventType.REJECTED,
    FactKind.RENDERING_FAILED: EventType.REJECTED,
    FactKind.OPENED: EventType.OPENED,
    FactKind.CLICKED: EventType.CLICKED,
}

# Under which name the event vocabulary puts the fact's own detail.
_DETAIL_NAMES: Final = {
    FactKind.DELIVERY_DELAYED: "delay",
    FactKind.BOUNCED: "bounce",
    FactKind.COMPLAINED: "complaint",
    FactKind.REJECTED: "rejected",
    FactKind.RENDERING_FAILED: "rejected",
    FactKind.OPENED: "open",
    FactKind.CLICKED: "click",
}


def rise(fact: Fact) -> Rise:
    """The status and rank this fact lifts a recipient to, if that is higher than its own."""
    status = _STATUSES.get(fact.kind)
    if status is None:
        return Rise(status=None, rank=0)
    match status:
        case Status.BOUNCED:
            hard = fact.bounce_type == BounceType.PERMANENT
            bounce_type = str(fact.bounce_type or BounceType.UNDETERMINED)
            return Rise(status=status, rank=BOUNCED_HARD if hard else RANKS[status], bounce_type=bounce_type)
        case Status.REJECTED:
            by_scan = fact.kind == FactKind.REJECTED
            reason = str(fact.detail.get("reason", "other"))
            return Rise(status=status, rank=REJECTED_BY_SCAN if by_scan else RANKS[status], reason=reason)
    return Rise(status=status, rank=RANKS[status])


def own_data(fact: Fact) -> dict[str, Any]:
    """The event's own part of `data`. Who opened or clicked is not classified by the provider."""
    name = _DETAIL_NAMES.get(fact.kind)
    if name is None:
        return {}
    more = {"class": "unknown"} if fact.kind in {FactKind.OPENED, FactKind.CLICKED} else {}
    return {name: {**fact.detail, **more}}
