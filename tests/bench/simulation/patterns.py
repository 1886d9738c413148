"""Arrival patterns, by name. Each is given the bulk mails in all, and urgent mails a second."""

import math
from collections.abc import Callable, Mapping
from typing import Final

from tests.bench.simulation.model import Arrivals


def newsletter(emails: int, *, urgent: float) -> Arrivals:
    """A campaign of so many mails after ten seconds; urgent mail goes on as always."""
    return Arrivals(bulk=lambda at: emails if at >= 10 else 0, urgent=lambda _: urgent)


def rush(emails: int, *, urgent: float) -> Arrivals:
    """The same, and ten times the urgent mail in the second minute: everybody logs in to see."""
    return Arrivals(
        bulk=lambda at: emails if at >= 10 else 0,
        urgent=lambda at: urgent * (10 if 60 <= at < 120 else 1),
    )


def day(emails: int, *, urgent: float) -> Arrivals:
    """Mail that comes and goes with the hours, a day pressed into an hour; urgent mail likewise."""

    def share(at: float) -> float:
        return at / 3_600 - math.sin(2 * math.pi * at / 3_600) / (2 * math.pi)

    return Arrivals(
        bulk=lambda at: emails * share(at),
        urgent=lambda at: urgent * (1 - math.cos(2 * math.pi * at / 3_600)),
    )


PATTERNS: Final[Mapping[str, Callable[..., Arrivals]]] = {"newsletter": newsletter, "rush": rush, "day": day}
