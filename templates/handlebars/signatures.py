"""The helpers' names and parameters: what the parser must know of them. Pure."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """How a helper is called.

    The first `required` are given by position, the others by position or name; `more` allows further ones.
    """

    parameters: tuple[str, ...]
    required: int
    more: bool = False


_ONE: Final = Signature(parameters=("value",), required=1)
_TWO: Final = Signature(parameters=("left", "right"), required=2)

SIGNATURES: Final[dict[str, Signature]] = {
    "uppercase": _ONE,
    "lowercase": _ONE,
    "capitalize": _ONE,
    "date": Signature(parameters=("value", "format", "timezone", "locale"), required=1),
    "currency": Signature(parameters=("value", "code", "locale"), required=1),
    "default": Signature(parameters=("value", "fallback"), required=2),
    "lookup": Signature(parameters=("object", "key"), required=2),
    "eq": _TWO,
    "ne": _TWO,
    "gt": _TWO,
    "gte": _TWO,
    "lt": _TWO,
    "lte": _TWO,
    "and": Signature(parameters=("left", "right"), required=2, more=True),
    "or": Signature(parameters=("left", "right"), required=2, more=True),
    "not": _ONE,
}
