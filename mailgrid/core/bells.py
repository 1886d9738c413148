"""Bells: "there is due work of this kind". No ids, no content; losing one costs a moment, never a mail.

The names of queues and priorities live here, below everybody, because the request side rings them and the workers
listen to them. How a bell travels is the setting `BELL_RINGER`, a dotted path to `ring(queue)`.
"""

from collections.abc import Callable
from enum import IntEnum
from functools import lru_cache, partial
from typing import Final

from django.conf import settings
from django.db import transaction
from django.utils.module_loading import import_string


class Priority(IntEnum):
    """How soon a message must leave. The lower the number, the sooner."""

    IMMEDIATE = 0
    HIGH = 1
    MEDIUM = 2
    LOW = 3

    @property
    def queue(self) -> str:
        """The queue whose bell says that mail of this priority is due."""
        return f"send.{self.name.lower()}"


EVENTS: Final = "events"  # providers' notifications
WEBHOOKS: Final = "webhooks"  # facts for tenants' endpoints
CAMPAIGNS: Final = "campaigns"  # long work in steps
FETCH: Final = "fetch"  # calls to hosts that tenants name: attachments, checks of transports
MAINTENANCE: Final = "maintenance"

# In the order in which a worker that serves several of them takes them.
QUEUES: Final = (
    Priority.IMMEDIATE.queue,
    Priority.HIGH.queue,
    MAINTENANCE,
    EVENTS,
    WEBHOOKS,
    Priority.MEDIUM.queue,
    FETCH,
    CAMPAIGNS,
    Priority.LOW.queue,
)


def ring(queue: str) -> None:
    """Ring after the transaction in hand has committed; at once when there is none. Never blocks, never raises."""
    transaction.on_commit(partial(_ringer(settings.BELL_RINGER), queue), robust=True)


@lru_cache(maxsize=4)
def _ringer(path: str) -> Callable[[str], None]:
    return import_string(path)  # type: ignore[no-any-return]


def silent(queue: str) -> None:
    """The ringer of installations without workers at hand: the sweep finds the work."""
