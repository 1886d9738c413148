"""The two state machines of mail, as data: a delivery's table, and the lattice a recipient moves up in. Pure.

Both are explained in docs/delivery.md. A test derives every order of provider events from them.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import Final

from mailgrid.core.lifecycle import Machine
from mailgrid.core.vocabulary import EventType, Status

S = Status


class Input(StrEnum):
    """What may happen to a delivery."""

    DUE = "due"
    CLAIMED = "claimed"
    SENT = "sent"
    DEFERRED = "deferred"
    HELD = "held"
    FAILED = "failed"
    LOST = "lost"  # the outcome is unknown: the answer was lost, or the lease ended
    PROVED_SENT = "proved_sent"
    PROVED_UNSENT = "proved_unsent"
    GAVE_UP = "gave_up"  # nothing can prove it any more, and it must not be repeated
    RELEASED = "released"
    RELEASED_EARLY = "released_early"  # before its time
    CANCELED = "canceled"
    EXPIRED = "expired"
    SUPPRESSED = "suppressed"


WAITING: Final = (S.SCHEDULED, S.QUEUED, S.DEFERRED)
OPEN: Final = (*WAITING, S.HELD, S.SENDING, S.IN_DOUBT)
TERMINAL: Final = (S.SENT, S.FAILED, S.CANCELED, S.EXPIRED, S.UNKNOWN, S.SUPPRESSED)
CLAIMABLE: Final = (*WAITING, S.HELD)  # what a message's row may say while a worker has a delivery of it
RETRYABLE: Final = (S.FAILED, S.EXPIRED, S.UNKNOWN)  # what a tenant may send once more as a new message

DELIVERY: Final = Machine(
    "delivery",
    {
        (S.SCHEDULED, Input.DUE): S.QUEUED,
        (S.DEFERRED, Input.DUE): S.QUEUED,
        (S.QUEUED, Input.CLAIMED): S.SENDING,
        (S.QUEUED, Input.DEFERRED): S.DEFERRED,  # a guard: its stream is past its pace
        (S.QUEUED, Input.FAILED): S.FAILED,  # a guard: its account is past its limit and rejects
        (S.SENDING, Input.SENT): S.SENT,
        (S.SENDING, Input.DEFERRED): S.DEFERRED,
        (S.SENDING, Input.HELD): S.HELD,
        (S.SENDING, Input.FAILED): S.FAILED,
        (S.SENDING, Input.CANCELED): S.CANCELED,  # proved unsent after a cancel was asked for
        (S.SENDING, Input.LOST): S.IN_DOUBT,
        (S.IN_DOUBT, Input.PROVED_UNSENT): S.QUEUED,
        (S.IN_DOUBT, Input.CANCELED): S.CANCELED,
        (S.IN_DOUBT, Input.HELD): S.HELD,
        (S.IN_DOUBT, Input.GAVE_UP): S.UNKNOWN,
        (S.HELD, Input.RELEASED): S.QUEUED,
        (S.HELD, Input.RELEASED_EARLY): S.SCHEDULED,
        (S.HELD, Input.FAILED): S.FAILED,
        **{(state, Input.HELD): S.HELD for state in WAITING},
        **{(state, Input.CANCELED): S.CANCELED for state in (*WAITING, S.HELD)},
        **{(state, Input.EXPIRED): S.EXPIRED for state in (*WAITING, S.HELD)},
        **{(state, Input.SUPPRESSED): S.SUPPRESSED for state in (*WAITING, S.HELD)},
        # Proof of sending beats everything, also a terminal state: the only way out of one.
        **{(state, Input.PROVED_SENT): S.SENT for state in (*OPEN, *TERMINAL) if state != S.SENT},
    },
)

# A recipient's status moves when the new rank is higher; equal or lower only adds the event.
RANKS: Final[dict[Status, int]] = {
    **dict.fromkeys(OPEN, 0),
    S.CANCELED: 10,
    S.EXPIRED: 10,
    S.FAILED: 10,
    S.UNKNOWN: 10,
    S.SENT: 20,
    S.DELIVERY_DELAYED: 30,
    S.REJECTED: 40,
    S.BOUNCED: 50,
    S.DELIVERED: 60,
    S.UNSUBSCRIBED: 80,
    S.COMPLAINED: 90,
    S.SUPPRESSED: 100,
}
REJECTED_BY_SCAN: Final = 45  # virus or other; 40 is a template that SES could not render
BOUNCED_HARD: Final = 70

# The message's status: pending recipients first, in this order, then worst news first.
PRECEDENCE: Final = (
    S.IN_DOUBT,
    S.SENDING,
    S.DEFERRED,
    S.QUEUED,
    S.HELD,
    S.SCHEDULED,
    S.COMPLAINED,
    S.BOUNCED,
    S.REJECTED,
    S.FAILED,
    S.UNKNOWN,
    S.EXPIRED,
    S.DELIVERY_DELAYED,
    S.SENT,
    S.UNSUBSCRIBED,
    S.DELIVERED,
    S.CANCELED,
    S.SUPPRESSED,
)

EVENT_OF: Final[dict[Status, EventType]] = {
    status: EventType(f"email.{status}")
    for status in Status
    if status not in {S.DEFERRED, S.SENDING, S.IN_DOUBT}  # told by the attempts
}

_LAST_EVENT: Final[dict[Status, str]] = {
    **dict.fromkeys((S.QUEUED, S.DEFERRED, S.HELD, S.SENDING, S.IN_DOUBT), "queued"),
    **dict.fromkeys((S.FAILED, S.REJECTED, S.EXPIRED, S.UNKNOWN), "failed"),
    S.UNSUBSCRIBED: "delivered",
}
_READ = (S.SENT, S.DELIVERY_DELAYED, S.DELIVERED)


def message_status(recipients: Iterable[Status]) -> Status:
    """A message's status from those of its recipients (pending ones given as their delivery's state)."""
    return min(recipients, key=PRECEDENCE.index)


def last_event(status: Status, *, opened: bool, clicked: bool) -> str:
    """Resend's word for a message's status; `opened` and `clicked` leave scanners out."""
    if status in _READ and (opened or clicked):
        return "clicked" if clicked else "opened"
    return _LAST_EVENT.get(status, str(status))


LAST_EVENTS: Final = frozenset(
    {"opened", "clicked", *(last_event(status, opened=False, clicked=False) for status in Status)}
)


def statuses_of(last: str) -> tuple[tuple[Status, ...], bool | None, bool | None]:
    """The filter for a `last_event`: statuses, and what `opened` and `clicked` must be (None: either)."""
    if last == "clicked":
        return _READ, None, True
    if last == "opened":
        return _READ, True, False
    found = tuple(status for status in Status if last_event(status, opened=False, clicked=False) == last)
    return found, None, None
