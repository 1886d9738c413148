"""The app's models, collected from its slices for Django."""

from emails.events.models import Event, Notification
from emails.messages.models import Attempt, Delivery, Message, MessageContent, Recipient
from emails.sandbox.models import CapturedMail
from emails.streams.models import Stream
from emails.suppressions.models import Suppression
from emails.transports.models import Transport

__all__ = [
    "Attempt",
    "CapturedMail",
    "Delivery",
    "Event",
    "Message",
    "MessageContent",
    "Notification",
    "Recipient",
    "Stream",
    "Suppression",
    "Transport",
]
