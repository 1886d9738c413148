"""A hit: somebody, or something, fetched an open pixel or followed a link."""

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from mailgrid.core.ids import uuid7


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """One request as it came in. `target` is where a click led, None for an open.

    `id` lets it count once, however often its recording has to begin anew.
    """

    recipient_id: UUID
    target: str | None = None
    at: datetime
    ip: str
    user_agent: str
    prefetched: bool = False
    id: UUID = field(default_factory=uuid7)

    @property
    def is_click(self) -> bool:
        """Whether a link was followed; else the mail was opened."""
        return self.target is not None
