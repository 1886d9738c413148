"""What can be wrong with a template, and where. Pure.

Lines and columns count from 1; a column is a character, not a byte.
"""

from typing import Literal, NamedTuple


class Place(NamedTuple):
    """A position in a source."""

    line: int
    column: int


class _Located(Exception):
    """An error with a sentence for people and the place it is about."""

    def __init__(self, message: str, place: Place) -> None:
        super().__init__(f"{message} (line {place.line}, column {place.column})")
        self.message = message
        self.line = place.line
        self.column = place.column


class TemplateSyntaxError(_Located):
    """A source that is no template of this language, or exceeds a limit that is known before rendering."""


class RenderError(_Located):
    """Rendering stopped; nothing of the output may be used."""


class MissingVariable(RenderError):
    """A value was used that the data does not hold. `name` is the path as the template writes it."""

    def __init__(self, name: str, place: Place) -> None:
        super().__init__(f"{name} has no value", place)
        self.name = name


Limit = Literal["steps", "output", "rounds", "nesting"]


class LimitExceeded(RenderError):
    """Rendering needs more than a template may have. `what` names the limit (see `running`)."""

    def __init__(self, what: Limit, message: str, place: Place) -> None:
        super().__init__(message, place)
        self.what: Limit = what


class HelperError(RenderError):
    """A helper or block got a value it cannot work with."""
