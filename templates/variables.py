"""Declared variables: their types, their fallbacks, and what a caller gives for them. Pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from mailgrid.core.errors import FieldError, Invalid
from templates.errors import TemplateRenderError

MAX_VARIABLES_BYTES: Final = 256 * 1024
MAX_DEPTH: Final = 10

# What Mailgrid itself puts into each mail; nobody declares or passes these. The values are for previews and tests.
PROVIDED: Final[Mapping[str, str]] = {"unsubscribe_url": "https://example.com/unsubscribe"}

_TYPES: Final[Mapping[str, Callable[[Any], bool]]] = {
    "string": lambda value: isinstance(value, str),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "boolean": lambda value: isinstance(value, bool),
    "object": lambda value: isinstance(value, dict),
    "list": lambda value: isinstance(value, list),
}
TYPES: Final = tuple(_TYPES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """One variable of a template. A fallback of None is none: without a value the variable is missing."""

    key: str
    type: str = "string"
    fallback: Any = None

    def fits(self, value: Any) -> bool:
        """Whether a value is of the declared type."""
        return _TYPES[self.type](value)

    def as_wire(self) -> dict[str, Any]:
        """As requests and answers write it."""
        return {"key": self.key, "type": self.type, "fallback_value": self.fallback}


def declared(rows: Iterable[Mapping[str, Any]]) -> tuple[Declared, ...]:
    """Read back what `as_wire` wrote."""
    return tuple(Declared(key=r["key"], type=r["type"], fallback=r["fallback_value"]) for r in rows)


def check_declared(variables: Sequence[Declared]) -> None:
    """Refuse two of one name, names that Mailgrid provides, and fallbacks of another type. Raises `Invalid`."""
    wrong = []
    seen: set[str] = set()
    for place, one in enumerate(variables):
        if one.key in seen:
            wrong.append(
                FieldError(f"variables[{place}].key", "mutually_exclusive", "This key is given twice.")
            )
        if one.key in PROVIDED:
            wrong.append(
                FieldError(f"variables[{place}].key", "reserved_name", "Mailgrid provides this one.")
            )
        if one.fallback is not None and not one.fits(one.fallback):
            wrong.append(
                FieldError(f"variables[{place}].fallback_value", "invalid_type", f"Expected a {one.type}.")
            )
        seen.add(one.key)
    if wrong:
        raise Invalid(f"{wrong[0].field}: {wrong[0].message}", errors=wrong)


def check_given(variables: Mapping[str, Any], *, field: str = "variables", sets: bool = False) -> None:
    """Refuse more than 256 KB, or data nested deeper than 10, not counting the names of `sets`. Raises `Invalid`."""
    if _deeper_than(variables, MAX_DEPTH + sets):
        raise Invalid.field(field, "out_of_range", f"At most {MAX_DEPTH} levels.")
    if len(orjson.dumps(variables)) > MAX_VARIABLES_BYTES:
        raise Invalid.field(field, "too_long", f"At most {MAX_VARIABLES_BYTES // 1024} KB.")


def _deeper_than(value: Any, limit: int) -> bool:
    level = [value]
    for _ in range(limit):
        level = [
            child
            for parent in level
            if isinstance(parent, dict | list)
            for child in (parent.values() if isinstance(parent, dict) else parent)
        ]
    return any(isinstance(item, dict | list) for item in level)


def merged(
    variables: Iterable[Declared], given: Mapping[str, Any], provided: Mapping[str, Any]
) -> dict[str, Any]:
    """What a template is rendered with: the caller's values, fallbacks in place of those that are absent or null, and
    what Mailgrid provides.

    Raises `TemplateRenderError` for a value that is not of its declared type. Undeclared values are allowed.
    """
    data = {**given, **provided}
    for one in variables:
        value = data.get(one.key)
        if value is None:
            if one.fallback is not None:
                data[one.key] = one.fallback
            else:
                data.pop(one.key, None)
        elif not one.fits(value):
            raise WrongType(one)
    return data


class WrongType(TemplateRenderError):
    """A value is not of the type its variable is declared with."""

    def __init__(self, variable: Declared) -> None:
        super().__init__(
            f"Expected a {variable.type}.", part=f"variables.{variable.key}", code="invalid_type"
        )


def undeclared(variables: Sequence[Declared], used: Iterable[str]) -> list[str]:
    """The names a template uses without declaring them; nothing declared means that nothing has to be."""
    if not variables:
        return []
    known = {one.key for one in variables} | set(PROVIDED)
    return sorted(set(used) - known)
