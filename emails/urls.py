"""The API routes of this app, slice by slice."""

from emails.dead_letters.api import routes as dead_letters
from emails.events.api import routes as events
from emails.messages.api import routes as attachments
from emails.story.api import routes as story
from emails.streams.api import routes as streams
from emails.submission.api import routes as submission
from emails.suppressions.api import routes as suppressions
from emails.transports.api import routes as transports
from emails.verifications.api import routes as verifications

urlpatterns = [
    *submission,
    *attachments,
    *story,
    *dead_letters,
    *verifications,
    *streams,
    *transports,
    *suppressions,
    *events,
]
