"""How many: at most so many in any minute, hour or day. Windows slide, in slots; a slot counts until it is over whole.

The rows in the database are the truth. A count that is missing is made from them, and from time to time they are asked
again, so that nothing a crash or a lost counter left behind lasts. About the last two minutes the count knows better:
what was taken there may not be committed yet.
"""

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol, TypeAlias

from django.conf import settings

TRUSTED_SECONDS: Final = 600  # then the rows are asked again,
TRUSTED_SECONDS_WHEN_FULL: Final = 60  # sooner where somebody would be turned away
# Far above what a claim may take: older rows are committed, or never will be.
UNSETTLED_SECONDS: Final = 120


@dataclass(frozen=True, slots=True)
class Window:
    """A length of time, and that of the slots it is counted in. Slots have numbers: time divided by their length."""

    name: str
    seconds: int
    slot_seconds: int

    def slot(self, at: float) -> int:
        """The slot of a moment (seconds since 1970)."""
        return int(at // self.slot_seconds)

    def first_slot(self, at: float) -> int:
        """The oldest slot that the window ending then still touches."""
        return self.slot(at) - self.seconds // self.slot_seconds


MINUTE: Final = Window("minute", 60, 1)
HOUR: Final = Window("hour", 3_600, 60)
DAY: Final = Window("day", 86_400, 900)

Limits: TypeAlias = Mapping[Window, int]
# What the rows say: given a time (seconds since 1970) and the length of a slot, the places used since by slot number.
Recount: TypeAlias = Callable[[float, int], Mapping[int, int]]


@dataclass(frozen=True, slots=True)
class Taken:
    """Places taken. When they are fewer than wanted: `exhausted` says that the limit is reached, else come again."""

    granted: int
    exhausted: bool


class Windows(Protocol):
    """Places in windows, by name of what is limited. Several windows of one name are one limit: all must have room."""

    def look(self, name: str, limits: Limits, *, places: int, recount: Recount) -> None:
        """Make sure that the counts are right for whoever takes `places` next. May be slow: outside of transactions."""
        ...

    def take_up_to(self, name: str, limits: Limits, *, places: int, recount: Recount) -> Taken:
        """Take as many places as there are, up to `places`."""
        ...

    def give_back(self, name: str, windows: Iterable[Window], *, places: int) -> None:
        """Places that were taken and not used."""
        ...


@dataclass(slots=True)
class _Count:
    """One window's places by slot. Since `checked`, when `known` of them were used, this process has taken `taken`."""

    window: Window
    slots: dict[int, int]
    checked: float
    known: int = field(init=False)
    taken: int = 0

    def __post_init__(self) -> None:
        self.known = self.used(self.checked)

    def used(self, now: float) -> int:
        first = self.window.first_slot(now)
        self.slots = {slot: places for slot, places in self.slots.items() if slot >= first and places > 0}
        return sum(self.slots.values())

    def add(self, places: int, now: float) -> None:
        slot = self.window.slot(now)
        self.slots[slot] = self.slots.get(slot, 0) + places
        self.taken += places

    def take_away(self, places: int) -> None:
        """From the newest slots: what is given back was taken a moment ago."""
        self.taken = max(0, self.taken - places)
        for slot in sorted(self.slots, reverse=True):
            part = min(places, self.slots[slot])
            self.slots[slot] -= part
            places -= part


class LocalWindows:
    """Windows of this process. One of several `processes` takes no more than its part of what the rows leave free."""

    def __init__(self, *, processes: int | None = None) -> None:
        self._processes = processes or settings.SENDING_PROCESSES
        self._lock = threading.Lock()
        self._counts: dict[tuple[str, Window], _Count] = {}

    def look(self, name: str, limits: Limits, *, places: int, recount: Recount) -> None:
        """Make the counts that are missing, and those that are old enough to be doubted."""
        for window, limit in limits.items():
            now = time.time()
            with self._lock:
                count = self._counts.get((name, window))
                trusted = count is not None and now - count.checked < self._trusted_for(
                    count, limit, places, now
                )
            if not trusted:
                rows = recount(window.first_slot(now) * window.slot_seconds, window.slot_seconds)
                with self._lock:
                    slots = self._merged(rows, self._counts.get((name, window)), window, now)
                    self._counts[name, window] = _Count(window, slots, now)

    def take_up_to(self, name: str, limits: Limits, *, places: int, recount: Recount) -> Taken:
        """Take as many places as there are."""
        self.look(name, limits, places=places, recount=recount)
        now = time.time()
        with self._lock:
            counts = {window: self._counts[name, window] for window in limits}
            free = min(limits[window] - count.used(now) for window, count in counts.items())
            part = min(self._part(count, limits[window]) for window, count in counts.items())
            granted = max(0, min(places, free, part))
            for count in counts.values():
                count.add(granted, now)
        return Taken(granted, exhausted=free <= granted)

    def give_back(self, name: str, windows: Iterable[Window], *, places: int) -> None:
        """Places that were not used."""
        with self._lock:
            for window in windows:
                if (count := self._counts.get((name, window))) is not None:
                    count.take_away(places)

    def _trusted_for(self, count: _Count, limit: int, places: int, now: float) -> int:
        full = limit - count.used(now) < places
        return TRUSTED_SECONDS_WHEN_FULL if full or self._processes > 1 else TRUSTED_SECONDS

    def _part(self, count: _Count, limit: int) -> int:
        if self._processes == 1:
            return limit
        return (limit - count.known) // self._processes - count.taken

    def _merged(
        self, rows: Mapping[int, int], count: _Count | None, window: Window, now: float
    ) -> dict[int, int]:
        if count is None:
            return dict(rows)
        settled = window.slot(now - UNSETTLED_SECONDS)
        young = {slot: places for slot, places in count.slots.items() if slot >= settled}
        if self._processes > 1:  # the rows of others are news
            young = {slot: max(young.get(slot, 0), rows.get(slot, 0)) for slot in young.keys() | rows.keys()}
        return {slot: places for slot, places in rows.items() if slot < settled} | young
