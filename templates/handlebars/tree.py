"""The parts of a template. Pure; recursion over a tree ends, because `parser` limits its depth."""

from dataclasses import dataclass, field
from typing import Final, NamedTuple
from typing import Literal as Choice

from templates.handlebars.errors import Place

Plain = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Literal:
    """A value that stands in the template itself."""

    value: Plain


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """A way to a value: `text` as written, from `up` scopes above, through `parts`.

    With `data` the first part is a name after `@`, and `up` counts loops instead of scopes.
    """

    text: str
    place: Place
    up: int
    parts: tuple[str, ...]
    data: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A helper with its arguments in the order of its parameters; those left out are None."""

    name: str
    place: Place
    arguments: tuple["Expression | None", ...]


Expression = Literal | Path | Call


class Strip(NamedTuple):
    """Which sides of a tag carry a `~`."""

    open: bool
    close: bool


NO_STRIP: Final = Strip(False, False)


@dataclass(slots=True)
class Text:
    """Literal text. `value` is what is left of `original` once whitespace is dealt with (see `whitespace`)."""

    original: str
    value: str = ""
    left_stripped: bool = False
    right_stripped: bool = False

    def __post_init__(self) -> None:
        self.value = self.original


@dataclass(frozen=True, slots=True, kw_only=True)
class Print:
    """A value written into the output; `raw` is never escaped."""

    expression: Expression
    raw: bool
    strip: Strip
    place: Place


@dataclass(frozen=True, slots=True)
class Comment:
    """Writes nothing, but counts for whitespace."""

    strip: Strip


BlockKind = Choice["if", "unless", "each", "with"]
BLOCKS: frozenset[str] = frozenset({"if", "unless", "each", "with"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """A part of a block, from its tag to the next: the opening one, an `else if`, or the plain `else`."""

    kind: BlockKind | Choice["else"]
    subject: Expression  # of a plain else: a literal nobody asks for
    body: list["Node"] = field(default_factory=list)
    strip: Strip
    place: Place


@dataclass(slots=True, kw_only=True)
class Block:
    """One or more branches, of which at most one is rendered."""

    branches: list[Branch]
    close: Strip = NO_STRIP


Node = Text | Print | Comment | Block
