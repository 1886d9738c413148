"""What a stream does unless its tenant says otherwise (docs/api.md 3.4)."""

from collections.abc import Mapping
from typing import Final

from emails.streams.models import Stream
from mailgrid.core.bells import Priority

MAX_STREAMS: Final = 50  # of one tenant

PRIORITY_OF: Final[Mapping[str, Priority]] = {
    Stream.Type.TRANSACTIONAL: Priority.HIGH,
    Stream.Type.NOTIFICATIONS: Priority.MEDIUM,
    Stream.Type.MARKETING: Priority.LOW,
}

# Types whose streams begin with an unsubscribe header; marketing never goes without one.
UNSUBSCRIBE_TYPES: Final = frozenset({Stream.Type.NOTIFICATIONS, Stream.Type.MARKETING})

# How long a message of a priority may wait before it expires instead: a one-time code is noise after its
# validity.
MAX_AGE_SECONDS: Final[Mapping[Priority, int]] = {
    Priority.IMMEDIATE: 600,
    Priority.HIGH: 86_400,
    Priority.MEDIUM: 86_400,
    Priority.LOW: 259_200,
}
