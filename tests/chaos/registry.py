"""Rows by name: what each is given, how long it may take, and when it runs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tests.chaos.case import Case

Body = Callable[["Case"], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the catalogue. `budget` in seconds: a run that takes longer has failed.

    `quick` rows run for every change. `figures`: the oracle judges it; a row of plain tests has none. `own` rows need
    a fleet of their own, beside which no shared one runs.
    """

    name: str
    budget: float
    sentence: str
    body: Body
    tier: int
    quick: bool
    own: bool


_rows: Final[dict[str, Row]] = {}


def row(
    name: str, *, budget: float, quick: bool = False, tier: int = 1, own: bool = False
) -> Callable[[Body], Body]:
    """Register a function as the row of this name; its docstring is the row's sentence."""

    def register(body: Body) -> Body:
        assert name not in _rows, f"{name} is registered twice"
        sentence = " ".join((body.__doc__ or "").split())
        _rows[name] = Row(
            name=name, budget=budget, sentence=sentence, body=body, tier=tier, quick=quick, own=own
        )
        return body

    return register


def rows() -> Mapping[str, Row]:
    """Every row, in the order of the catalogue."""
    import tests.chaos.rows  # noqa: F401 - registers them

    return dict(sorted(_rows.items()))
