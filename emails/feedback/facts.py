"""What a provider told us, in our words: one fact about one recipient. Pure."""

import re
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal
from uuid import UUID


class FactKind(StrEnum):
    """What happened, as seen by the provider."""

    SENT = "sent"  # the provider accepted the message
    DELIVERED = "delivered"  # the recipient's server took it
    DELIVERY_DELAYED = "delivery_delayed"  # the provider is still trying
    BOUNCED = "bounced"  # returned; see bounce_type
    COMPLAINED = "complained"  # reported as spam (ARF, RFC 5965)
    REJECTED = "rejected"  # accepted by the provider, then refused by it
    RENDERING_FAILED = "rendering_failed"  # the provider could not render its template
    OPENED = "opened"
    CLICKED = "clicked"
    SUBSCRIBED = "subscribed"  # a subscription changed through the provider's own page


class BounceType(StrEnum):
    """How final a bounce is; the provider's three words in lower case."""

    PERMANENT = "permanent"
    TRANSIENT = "transient"
    UNDETERMINED = "undetermined"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One fact about one recipient of one delivery.

    `address` None says the fact is about the delivery as a whole: all its recipients for sent, rejected
    and rendering_failed; somebody unnamed among several for opened, clicked and subscribed.
    `delivery_id`, `fence` and `tenant_hex` are our tags as they came back; None where the mail carried none.
    `status_code` is the enhanced status code of a bounce (RFC 3463), where the provider found one.
    `detail` is what the event vocabulary (api.md 2.3) adds under `bounce`, `complaint`, `delay`, `open`,
    `click` or `rejected`; empty for the other kinds. `dedupe_key` is equal for every copy of this fact.
    """

    kind: FactKind
    address: str | None
    occurred_at: datetime
    provider_message_id: str
    delivery_id: UUID | None
    fence: int | None
    tenant_hex: str | None
    bounce_type: BounceType | None = None
    status_code: str | None = None
    detail: dict[str, Any] = field(default_factory=dict)
    dedupe_key: str
    configuration_set: str = ""  # through which it was sent, and its events come
    account_tenant: UUID | None = None  # whose account told it; None: the operator's, which serves everybody
    told_by: UUID | None = None  # that account's transport


# RFC 3463 3.2: 5.1.7 and 5.1.8 find fault with the sender's address; the recipient's may be perfectly good.
_BAD_ADDRESS = re.compile(r"(?<![\d.])5\.1\.(?![78]\b)\d{1,3}(?![\d.]*\d)")
_POLICY = re.compile(r"(?<![\d.])5\.7\.\d{1,3}(?![\d.]*\d)")


def suppresses(fact: Fact) -> Literal["bounce", "complaint"] | None:
    """Why this fact stops further mail to its address, or None (api.md 3.6).

    A complaint does, unless it says "not spam" (RFC 5965 7.3). A permanent bounce does when it says that
    the address does not exist: sub-type NoEmail or a 5.1.x code. A refusal for reputation or policy
    (5.7.x) never does, whatever else the bounce claims.
    """
    if fact.address is None:
        return None
    if fact.kind is FactKind.COMPLAINED:
        return None if fact.detail.get("type") == "not-spam" else "complaint"
    if fact.kind is not FactKind.BOUNCED or fact.bounce_type is not BounceType.PERMANENT:
        return None
    codes = " ".join([fact.status_code or "", *fact.detail.get("diagnosticCode", [])])
    if _POLICY.search(codes):
        return None
    return "bounce" if fact.detail.get("subType") == "NoEmail" or _BAD_ADDRESS.search(codes) else None


def is_canary(fact: Fact) -> bool:
    """Whether it tells of mail that was sent to see events come: the delivery it names is its account's transport."""
    return fact.told_by is not None and fact.delivery_id == fact.told_by
