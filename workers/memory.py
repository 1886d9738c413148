"""The in-memory broker of the embedded mode, with queues served in strict order.

Kombu's virtual transports serve their queues round robin: five immediate bells among others were served at positions 0,
3, 6, 9 and 12. Here a queue is looked at only when those before it are empty.
"""

from collections.abc import Callable, Sequence
from queue import Empty
from typing import Any

from kombu.transport import memory

from mailgrid.core import bells


class StrictCycle:
    """Asks the queues in the order of `mailgrid.core.bells.QUEUES`, each time from the first."""

    def __init__(self, get: Callable[..., Any], queues: Sequence[str]) -> None:
        self._get = get
        known = {name: place for place, name in enumerate(bells.QUEUES)}
        self._queues = sorted(queues, key=lambda name: known.get(name, len(known)))

    def get(self, callback: Callable[..., Any], **kwargs: Any) -> Any:
        """Deliver one message of the first queue that has one; raises `Empty`."""
        for queue in self._queues:
            try:
                return self._get(queue, callback, **kwargs)
            except Empty:
                continue
        raise Empty

    def close(self) -> None:
        """Nothing is held open."""


class Channel(memory.Channel):
    """The in-memory channel with strict order."""

    def _reset_cycle(self) -> None:
        self._cycle = StrictCycle(self._get_and_deliver, self._active_queues)  # type: ignore[assignment]


class Transport(memory.Transport):
    """The setting `broker_transport` of the embedded mode."""

    Channel = Channel
