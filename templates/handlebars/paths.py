"""Paths: `user.name`, `items.0`, `../total`, `@root.user`, `[first name]`. Pure."""

import re
from typing import Final

from templates.handlebars.errors import Place, TemplateSyntaxError
from templates.handlebars.tree import Path

MAX_PARTS: Final = 50  # in one path; JSON that deep is not read either
LOOP_NAMES: Final = frozenset({"index", "key", "first", "last"})
_PART: Final = re.compile(r"(\.\.|\.(?=[./]|$)|\[(?:\\.|[^\]\\])*+\]|[^./\[]++)[./]?", re.DOTALL)
_ESCAPED: Final = re.compile(r"\\([\\\]])")


def parse_path(text: str, place: Place) -> Path:
    """The path that a token of a tag spells. Raises TemplateSyntaxError."""
    data = text.startswith("@")
    up, parts = 0, list[str]()
    for found in _PART.finditer(text, int(data)):
        part = found[1]
        if part in {"..", ".", "this"}:
            if parts:
                raise TemplateSyntaxError(f"{part} can only begin a path", place)
            up += part == ".."
        else:
            parts.append(_ESCAPED.sub(r"\1", part[1:-1]) if part.startswith("[") else part)
        if len(parts) + up > MAX_PARTS:
            raise TemplateSyntaxError(f"a path has at most {MAX_PARTS} parts", place)
    if data:
        _check_data(text, up, parts, place)
    return Path(text=text, place=place, up=up, parts=tuple(parts), data=data)


def _check_data(text: str, up: int, parts: list[str], place: Place) -> None:
    """After `@` stands `root`, or what a loop knows about its round, which has no parts."""
    if parts and parts[0] == "root" and not up:
        return
    if len(parts) != 1 or parts[0] not in LOOP_NAMES:
        raise TemplateSyntaxError(
            f"{text} is not known; there are @root, @index, @key, @first and @last", place
        )
