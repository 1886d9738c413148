"""The state of one rendering, and its limits. Pure.

A step is a value, a tag or a block that is worked on; long texts and the helpers behind big libraries cost more.
Steps are counted when a body begins, for all of the body, so that counting costs little.
"""

from collections.abc import Callable
from typing import Any, Final

from templates.handlebars.errors import LimitExceeded, Place

MAX_OUTPUT: Final = 2 * 1024 * 1024  # bytes in UTF-8; characters while writing
MAX_ROUNDS: Final = 10_000  # of all loops together
MAX_STEPS: Final = 1_000_000  # a hundred for each round; about half a second
CHARACTERS_A_STEP: Final = 16  # of a text that a helper reads


class Frame:
    """What the names of a scope are relative to; a loop uses one for all its rounds."""

    __slots__ = ("index", "key", "last", "outer", "this")

    def __init__(self, this: Any, outer: "Frame | None" = None, last: int = 0) -> None:
        self.this = this
        self.outer = outer
        self.index = 0
        self.key: str | int = 0
        self.last = last  # the index of the last round


class Run:
    """What is written so far, and how much of each limit is left."""

    __slots__ = ("append", "out", "room", "root", "rounds", "steps")

    def __init__(self, root: dict[str, Any]) -> None:
        self.root = root
        self.out: list[str] = []
        self.append: Callable[[str], None] = self.out.append
        self.room = MAX_OUTPUT
        self.rounds = MAX_ROUNDS
        self.steps = MAX_STEPS

    def exceeded(self, place: Place) -> LimitExceeded:
        """The error, once `steps`, `rounds` or `room` is below zero."""
        if self.rounds < 0:
            return LimitExceeded("rounds", f"loops have more than {MAX_ROUNDS} rounds in all", place)
        if self.room < 0:
            return LimitExceeded("output", "the output has more than 2 MB", place)
        return LimitExceeded("steps", f"rendering takes more than {MAX_STEPS} steps", place)

    def text(self, place: Place) -> str:
        """The whole output. Raises LimitExceeded if it has too many bytes."""
        text = "".join(self.out)
        if not text.isascii() and len(text.encode(errors="surrogatepass")) > MAX_OUTPUT:
            self.room = -1
            raise self.exceeded(place)
        return text


Get = Callable[[Run, Frame], Any]  # the value of an expression
Write = Callable[[Run, Frame], None]  # writes a part of the output
