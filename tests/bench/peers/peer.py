"""What the row needs of a peer."""

from dataclasses import dataclass
from typing import Protocol

from tests.bench.mailer import Sender


@dataclass(frozen=True, slots=True, kw_only=True)
class Enqueued:
    """Seconds from the first call to the end of the last, and CPU seconds of those who called."""

    seconds: float
    cpu_seconds: float


class Peer(Sender, Protocol):
    """One that takes mail in bulk, and delivers it over SMTP."""

    def enqueue(self, emails: int) -> Enqueued:
        """Hand over exactly so many, with its own bulk call; nothing is sent yet."""
        ...
