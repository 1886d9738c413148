"""The app's models, collected from its slices for Django."""

from emails.attachments.models import PendingAttachment
from emails.dead_letters.models import Disposition
from emails.events.models import Event, Notification
from emails.feedback.models import Watermark
from emails.messages.models import Attempt, Delivery, Message, MessageContent, Recipient
from emails.sandbox.models import CapturedMail
from emails.streams.models import Stream
from emails.suppressions.models import Suppression
from emails.transports.models import Breaker, Transport, TransportCheck
from emails.verifications.models import Verification

__all__ = [
    "Attempt",
    "Breaker",
    "CapturedMail",
    "Delivery",
    "Disposition",
    "Event",
    "Message",
    "MessageContent",
    "Notification",
    "PendingAttachment",
    "Recipient",
    "Stream",
    "Suppression",
    "Transport",
    "TransportCheck",
    "Verification",
    "Watermark",
]
