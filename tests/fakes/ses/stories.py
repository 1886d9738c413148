"""What becomes of a mail after SES took it: its events, in the order in which they happen."""

from collections.abc import Mapping, Sequence

from tests.fakes.ses.events import HARD, Document, EventType, Reason, event
from tests.fakes.ses.mail import Fate, Mail, fate_of

SUPPRESSED = Reason(
    "Permanent",
    "Suppressed",
    "5.1.1",
    "Amazon SES has suppressed sending to this address because it has a recent history of bouncing as an "
    "invalid address.",
)
OUT_OF_OFFICE = Reason("Transient", "General", "4.0.0", "smtp; out of the office")
MAILBOX_FULL = Reason("Transient", "MailboxFull", "5.2.2", "smtp; 552 5.2.2 mailbox full")

Step = tuple[EventType, Reason | None]

# What follows acceptance for a recipient, Send excepted. An automatic reply comes back as a transient
# bounce after the delivery; a complaint, an opening or a click presuppose one.
STORIES: Mapping[Fate, Sequence[Step]] = {
    Fate.SUCCESS: [(EventType.DELIVERY, None)],
    Fate.BOUNCE: [(EventType.BOUNCE, HARD)],
    Fate.OOTO: [(EventType.DELIVERY, None), (EventType.BOUNCE, OUT_OF_OFFICE)],
    Fate.COMPLAINT: [(EventType.DELIVERY, None), (EventType.COMPLAINT, None)],
    Fate.SUPPRESSION_LIST: [(EventType.BOUNCE, SUPPRESSED)],
    Fate.SOFT_BOUNCE: [(EventType.BOUNCE, MAILBOX_FULL)],
    Fate.REJECT: [(EventType.REJECT, None)],
    Fate.RENDERING_FAILURE: [(EventType.RENDERING_FAILURE, None)],
    Fate.DELAY: [(EventType.DELIVERY_DELAY, None), (EventType.DELIVERY, None)],
    Fate.OPEN: [(EventType.DELIVERY, None), (EventType.OPEN, None)],
    Fate.CLICK: [(EventType.DELIVERY, None), (EventType.OPEN, None), (EventType.CLICK, None)],
    Fate.UNSUBSCRIBE: [(EventType.DELIVERY, None), (EventType.SUBSCRIPTION, None)],
}
_NEVER_SENT = (Fate.REJECT, Fate.RENDERING_FAILURE)


def story_of(mail: Mail) -> list[tuple[EventType, Document]]:
    """The events of a mail in order: Send, then per fate one event for all recipients who share it.

    A mail that SES turns down after accepting it (Reject, Rendering Failure) has that event alone.
    """
    if mail.missing:
        return _told(mail, Fate.RENDERING_FAILURE, mail.destination)
    by_fate: dict[Fate, list[str]] = {}
    for recipient in mail.destination:
        by_fate.setdefault(fate_of(recipient), []).append(recipient)
    for fate in _NEVER_SENT:
        if fate in by_fate:
            return _told(mail, fate, mail.destination)
    story = [(EventType.SEND, event(mail, EventType.SEND))]
    for fate, recipients in by_fate.items():
        story += _told(mail, fate, recipients)
    return story


def _told(mail: Mail, fate: Fate, recipients: Sequence[str]) -> list[tuple[EventType, Document]]:
    return [(kind, event(mail, kind, recipients, reason)) for kind, reason in STORIES[fate]]
