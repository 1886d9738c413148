"""State machines as data: a table from (state, input) to the next state. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass


class ImpossibleInput(Exception):
    """The table has no row for this state and input."""


@dataclass(frozen=True, slots=True)
class Machine:
    """A named transition table. Ask `sources` for the guard of a conditional update."""

    name: str
    table: Mapping[tuple[str, str], str]

    def step(self, state: str, event: str) -> str:
        """The state after `event`; raises `ImpossibleInput` where the table is silent."""
        try:
            return self.table[state, event]
        except KeyError:
            raise ImpossibleInput(f"{self.name}: {event!r} is impossible in state {state!r}") from None

    def sources(self, event: str) -> tuple[str, ...]:
        """Every state in which `event` may happen, in the table's order."""
        return tuple(state for (state, happened) in self.table if happened == event)
