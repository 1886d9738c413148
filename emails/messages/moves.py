"""`Move`: one delivery's step in its state machine, with everything that goes with it. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from emails.messages.lifecycle import DELIVERY, Input
from mailgrid.core.vocabulary import Status


class AttemptOutcome(StrEnum):
    """How a journalled attempt ended. `STARTED` has not; `DEFERRED`, `HELD` and `FAILED` are provably not sent."""

    STARTED = "started"
    SENT = "sent"
    DEFERRED = "deferred"
    HELD = "held"
    FAILED = "failed"
    IN_DOUBT = "in_doubt"


class SettledBy(StrEnum):
    """What decided an attempt."""

    ANSWER = "answer"  # the provider's own
    EVENT = "event"  # a provider event with our tag
    QUESTION = "question"  # the transport was asked and knew
    SILENCE = "silence"  # no event came while events demonstrably flowed
    GRACE = "grace"  # nobody can know; the time to wait is over


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptResult:
    """What to write into the journal beside the move."""

    outcome: AttemptOutcome
    settled_by: SettledBy | None = None
    provider_message_id: str = ""
    error_class: str = ""
    error_code: str = ""
    error_message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """Take one delivery from `source` by `input`; applied only if state and fence still are what was read.

    `reason` is the hold reason, or why it ended; `detail` goes to people. `uncounted` takes the attempt that the claim
    added back. `due_at` None leaves it as it is. With a `split` its recipients do not all go the delivery's way.
    Raises `ImpossibleInput` where the state machine has no such step.
    """

    delivery_id: UUID
    message_id: UUID
    tenant_id: UUID
    test: bool
    fence: int
    source: Status
    input: Input
    due_at: datetime | None = None
    reason: str = ""
    detail: str = ""
    uncounted: bool = False
    suspect: bool = False
    crashes: int = 0
    attempt: AttemptResult | None = None
    split: "Split | None" = None
    to: Status = field(init=False)  # the state after the move

    def __post_init__(self) -> None:
        object.__setattr__(self, "to", Status(DELIVERY.step(self.source, self.input)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """The recipients of one delivery part ways: each is told as if its move were the delivery's.

    `named` are those, by address, whose way is their own; `others` is everybody else's. A move that ends nothing leaves
    its recipients to the delivery's next attempt.
    """

    named: Mapping[str, Move]
    others: Move
