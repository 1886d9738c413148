"""When a fetch is tried again. Pure."""

from collections.abc import Callable
from datetime import timedelta
from typing import Final

from mailgrid.core.durations import scaled

# After the first, second … try that failed: eight tries over about seven hours.
WAITS: Final = tuple(timedelta(seconds=scaled(seconds)) for seconds in (5, 30, 120, 600, 1800, 7200, 14_400))


def wait(tries: int, *, random: Callable[[], float]) -> timedelta | None:
    """How long to wait after so many tries, up to a tenth more than the schedule says; None when they are used up.

    `random` gives a number from 0 to 1.
    """
    return WAITS[tries - 1] * (1 + random() / 10) if tries <= len(WAITS) else None
