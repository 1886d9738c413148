"""When to try again, by class of error: full jitter over growing delays (docs/delivery.md, errors). Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from emails.delivery.ports import ErrorClass


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """The rule of one class. `delays` are the longest waits in seconds, the last one repeating.

    `counts`: it uses up one of the delivery's attempts, at most `attempts` of them (None: until it expires).
    """

    delays: tuple[float, ...]
    counts: bool
    attempts: int | None = None


SCHEDULES: Final[dict[ErrorClass, Schedule]] = {
    ErrorClass.THROTTLED: Schedule(delays=(0.5, 1, 2, 5), counts=False),
    ErrorClass.AUTH: Schedule(delays=(60, 300, 900), counts=False),
    ErrorClass.IDENTITY: Schedule(delays=(60, 300, 900, 1800, 3600), counts=True, attempts=5),
    ErrorClass.NETWORK: Schedule(delays=(1, 5, 30, 120, 600, 1800, 3600), counts=True),
    ErrorClass.BUG: Schedule(delays=(10, 60, 600), counts=True, attempts=3),
}


def delay(kind: ErrorClass, attempts: int, *, random: Callable[[], float]) -> timedelta | None:
    """How long to wait after the `attempts`-th try failed so, or None when there is nothing left to try.

    `random` gives numbers in [0, 1). Half of the wait is fixed, so that a storm does not come back at once.
    """
    schedule = SCHEDULES[kind]
    if schedule.attempts is not None and attempts >= schedule.attempts:
        return None
    longest = schedule.delays[min(max(attempts, 1), len(schedule.delays)) - 1]
    return timedelta(seconds=longest * (0.5 + random() / 2))
