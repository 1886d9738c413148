"""The app's pages in the operator console, collected from its slices for Django.

The page of a message is composed in `emails.story.admin`: it shows several slices. That of a notification gets its
verbs in `emails.dead_letters.admin`.
"""

from emails.dead_letters.admin import NotificationLetterAdmin
from emails.events.admin import EventAdmin
from emails.sandbox.admin import CapturedMailAdmin
from emails.story.admin import MessageStoryAdmin
from emails.streams.admin import StreamAdmin
from emails.suppressions.admin import SuppressionAdmin
from emails.transports.admin import TransportAdmin

__all__ = [
    "CapturedMailAdmin",
    "EventAdmin",
    "MessageStoryAdmin",
    "NotificationLetterAdmin",
    "StreamAdmin",
    "SuppressionAdmin",
    "TransportAdmin",
]
