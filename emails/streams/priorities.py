"""A priority as callers write it: 0 to 3, or its word."""

from typing import Annotated, Any, Final

from pydantic import BeforeValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from mailgrid.core.bells import Priority

WORDS: Final = {priority.name.lower(): priority for priority in Priority}


def _read(value: Any) -> Any:
    if value is None or isinstance(value, Priority):
        return value
    if isinstance(value, str):
        if value in WORDS:
            return WORDS[value]
        raise PydanticCustomError("invalid_choice", "Write 0 to 3, or immediate, high, medium or low.")
    if not isinstance(value, int) or isinstance(value, bool):
        raise PydanticCustomError("invalid_type", "A priority is a number or a word.")
    try:
        return Priority(value)
    except ValueError:
        raise PydanticCustomError("out_of_range", "A priority is between 0 and 3.") from None


WirePriority = Annotated[
    Priority,
    BeforeValidator(_read),
    WithJsonSchema(
        {"anyOf": [{"type": "integer", "minimum": 0, "maximum": 3}, {"type": "string", "enum": list(WORDS)}]}
    ),
]
