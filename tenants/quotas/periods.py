"""The periods that quotas are counted in: days and months in UTC. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Period:
    """A day or a month. `name` is the word people read; a moment's period begins at `start(moment)`."""

    name: str
    start: Callable[[datetime], datetime]
    longest: timedelta

    def end(self, now: datetime) -> datetime:
        """When the next period begins."""
        return self.start(self.start(now) + self.longest)

    def seconds_left(self, now: datetime) -> float:
        """Seconds until the quota is fresh again."""
        return (self.end(now) - now).total_seconds()


def _midnight(now: datetime) -> datetime:
    return now.replace(hour=0, minute=0, second=0, microsecond=0)


def _first_of_month(now: datetime) -> datetime:
    return _midnight(now).replace(day=1)


DAY = Period("daily", _midnight, timedelta(days=1))
MONTH = Period("monthly", _first_of_month, timedelta(days=31))
