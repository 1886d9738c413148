"""The helpers that are functions of their values; `calls` has those that decide what is evaluated at all. Pure."""

from collections.abc import Callable
from typing import Any, Final

from templates.handlebars.formats import Refused, print_currency, print_date
from templates.handlebars.values import Unprintable, are_equal, compare, to_text

Function = Callable[..., Any]


def _text(value: Any) -> str:
    """A value that is no list or object, as text."""
    if type(value) is list or type(value) is dict:
        raise Refused("it takes a text, not a list or an object")
    return to_text(value, 0)


def uppercase(value: Any) -> str:
    """All letters as capitals."""
    return _text(value).upper()


def lowercase(value: Any) -> str:
    """All letters small."""
    return _text(value).lower()


def capitalize(value: Any) -> str:
    """The first letter as a capital, the others as they are."""
    text = _text(value)
    return text[:1].upper() + text[1:]


def _ordered(accept: Callable[[int], bool]) -> Function:
    """A comparison; with null on a side it is false."""

    def compared(left: Any, right: Any) -> bool:
        order = compare(left, right)
        return order is not None and accept(order)

    return compared


FUNCTIONS: Final[dict[str, Function]] = {
    "uppercase": uppercase,
    "lowercase": lowercase,
    "capitalize": capitalize,
    "date": print_date,
    "currency": print_currency,
    "eq": are_equal,
    "ne": lambda left, right: not are_equal(left, right),
    "gt": _ordered(lambda order: order > 0),
    "gte": _ordered(lambda order: order >= 0),
    "lt": _ordered(lambda order: order < 0),
    "lte": _ordered(lambda order: order <= 0),
}
# Steps of one call. The libraries behind these two take about as long as a hundred steps.
COSTS: Final = {"date": 100, "currency": 100}
REFUSALS: Final = (Refused, Unprintable)
