"""Query parameters: filters, times and pages. What a route does not know is refused, as in bodies."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from django.db import models
from django.http import QueryDict

from mailgrid.core.errors import InvalidParameter
from mailgrid.core.ids import parse_uuid
from mailgrid.http.times import parse_time

MAX_LIMIT = 100
DEFAULT_LIMIT = 20
PAGING = frozenset({"limit", "after", "before"})

Row = TypeVar("Row")


class Query:
    """The query string of a list route, read strictly; every problem is `InvalidParameter`."""

    def __init__(self, parameters: QueryDict, *, filters: Iterable[str], now: datetime) -> None:
        self._parameters = parameters
        self._now = now
        if unknown := set(parameters) - PAGING - set(filters):
            raise InvalidParameter(f"Unknown query parameter: {sorted(unknown)[0]}.")
        if any("\0" in value for values in parameters.lists() for value in values[1]):
            raise InvalidParameter("A query parameter contains a NUL character.")

    def text(self, name: str) -> str | None:
        """The value of a parameter given at most once; None when absent or empty."""
        values = self._parameters.getlist(name)
        if len(values) > 1:
            raise InvalidParameter(f"{name} may be given once.")
        return values[0] or None if values else None

    def words(self, name: str, choices: Iterable[str] | None = None) -> list[str]:
        """Every value of a repeatable filter: `a,b` or `name=a&name=b`."""
        words = [word for value in self._parameters.getlist(name) for word in value.split(",") if word]
        if choices is not None and (wrong := set(words) - set(choices)):
            raise InvalidParameter(f"{name} cannot be {sorted(wrong)[0]!r}.")
        return words

    def flag(self, name: str) -> bool | None:
        """`true` or `false`."""
        value = self.text(name)
        if value is None:
            return None
        if value.lower() not in {"true", "false"}:
            raise InvalidParameter(f"{name} must be true or false.")
        return value.lower() == "true"

    def time(self, name: str) -> datetime | None:
        """A time in, as in bodies."""
        value = self.text(name)
        try:
            return None if value is None else parse_time(value, now=self._now)
        except (ValueError, OverflowError):
            raise InvalidParameter(f"{name} is not a time.") from None

    def id(self, name: str) -> UUID | None:
        """A UUID."""
        value = self.text(name)
        if value is None:
            return None
        if (parsed := parse_uuid(value)) is None:
            raise InvalidParameter(f"{name} is not an id.")
        return parsed

    def page(self, *, default: int = DEFAULT_LIMIT) -> "Page":
        """The page asked for."""
        if (text := self.text("limit")) is None:
            limit = default
        elif text.isascii() and text.isdecimal() and len(text) <= 3 and 1 <= int(text) <= MAX_LIMIT:
            limit = int(text)
        else:
            raise InvalidParameter(f"limit must be between 1 and {MAX_LIMIT}.")
        after, before = self.id("after"), self.id("before")
        if after and before:
            raise InvalidParameter("Use after or before, not both.")
        return Page(limit, after, before)


@dataclass(frozen=True, slots=True)
class Page:
    """A page's place: ids are positions only, so that of a deleted item still serves."""

    limit: int
    after: UUID | None = None
    before: UUID | None = None

    def of(self, rows: models.QuerySet[Any]) -> tuple[list[Any], bool]:
        """The rows of this page, newest first by their UUIDv7, and whether more follow in its direction."""
        if self.before:
            found = list(rows.filter(pk__gt=self.before).order_by("pk")[: self.limit + 1])
            return found[: self.limit][::-1], len(found) > self.limit
        if self.after:
            rows = rows.filter(pk__lt=self.after)
        found = list(rows.order_by("-pk")[: self.limit + 1])
        return found[: self.limit], len(found) > self.limit


def as_list(found: tuple[Iterable[Row], bool], show: Callable[[Row], dict[str, Any]]) -> dict[str, Any]:
    """The list answer of docs/api.md."""
    rows, has_more = found
    return {"object": "list", "has_more": has_more, "data": [show(row) for row in rows]}
