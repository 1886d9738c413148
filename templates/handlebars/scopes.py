"""What the names of a template are relative to, known before anything is rendered. Pure.

`#each` and `#with` open a scope, `#if` and `#unless` do not. handlebars.js opens none either where the value equals
the one around it, so that `../` then skips a level, depending on the data; here every `#each` and `#with` counts.
"""

from dataclasses import dataclass
from typing import Final, Literal, Self

from templates.handlebars.errors import TemplateSyntaxError
from templates.handlebars.tree import Expression, Path

ScopeKind = Literal["top", "each", "with"]


@dataclass(frozen=True, slots=True)
class Scope:
    """One level. `is_top`: its value is the whole data. `name`: the variable that an `#each` goes through."""

    kind: ScopeKind
    is_top: bool = False
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Scopes:
    """The levels around a place, outermost first."""

    levels: tuple[Scope, ...] = (Scope("top", is_top=True),)

    def inside(self, kind: Literal["each", "with"], subject: Expression) -> Self:
        """The levels inside of a block."""
        is_same = kind == "with" and isinstance(subject, Path) and self.is_all(subject)
        name = self.variable(subject) if isinstance(subject, Path) else None
        return type(self)((*self.levels, Scope(kind, is_top=is_same, name=name)))

    def hops(self, path: Path) -> int:
        """How many levels lie between here and the one a path begins at. Raises TemplateSyntaxError."""
        if not path.data:
            if path.up >= len(self.levels):
                raise TemplateSyntaxError(f"{path.text} leads out of the data", path.place)
            return path.up
        if path.parts[0] == "root":
            return len(self.levels) - 1
        loops = [hops for hops, scope in enumerate(reversed(self.levels)) if scope.kind == "each"]
        if path.up >= len(loops):
            raise TemplateSyntaxError(f"{path.text} stands outside of an #each", path.place)
        return loops[path.up]

    def names(self, path: Path) -> tuple[str, ...]:
        """The keys a path goes through from where it begins."""
        return path.parts[1:] if path.data else path.parts

    def begins_at_top(self, path: Path) -> bool:
        """Whether a path begins at the whole data."""
        if path.data:
            return path.parts[0] == "root"
        return self.levels[-1 - self.hops(path)].is_top

    def is_all(self, path: Path) -> bool:
        """Whether a path is the whole data."""
        return self.begins_at_top(path) and not self.names(path)

    def variable(self, path: Path) -> str | None:
        """The variable a path belongs to, None if it is relative to an item."""
        names = self.names(path)
        return names[0] if names and self.begins_at_top(path) else None


TOP: Final = Scopes()
