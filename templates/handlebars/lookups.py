"""Paths to closures that fetch their values. Pure.

Where a value may be missing the closure gives None; elsewhere it raises MissingVariable.
"""

from typing import Any

from templates.handlebars.errors import MissingVariable
from templates.handlebars.running import Frame, Get, Run
from templates.handlebars.scopes import Scopes
from templates.handlebars.tree import Path
from templates.handlebars.values import MISSING, child, position


def compile_path(path: Path, scopes: Scopes, *, lenient: bool) -> Get:
    """The closure of a path. Raises TemplateSyntaxError where it leads out of the data."""
    hops = scopes.hops(path)
    if path.data and path.parts[0] != "root":
        return _of_loop(path.parts[0], hops)
    names = scopes.names(path)
    if not names:
        return _scope(hops)
    if len(names) == 1 and not hops:
        return _here(path, names[0], lenient=lenient)
    return _along(path, _scope(hops), names, lenient=lenient)


def _scope(hops: int) -> Get:
    """What a scope is about: `this`, `..`, `@root`."""
    if hops == 0:
        return lambda _run, frame: frame.this

    def this(_run: Run, frame: Frame | None) -> Any:
        for _ in range(hops):
            assert frame is not None
            frame = frame.outer
        assert frame is not None
        return frame.this

    return this


def _here(path: Path, key: str, *, lenient: bool) -> Get:
    """A field of what the innermost scope is about: most of what templates use."""
    index = position(key)

    def field(_run: Run, frame: Frame) -> Any:
        this = frame.this
        if type(this) is dict and key in this:
            return this[key]
        value = child(this, key, index)
        if value is not MISSING:
            return value
        if lenient:
            return None
        raise MissingVariable(path.text, path.place)

    return field


def _along(path: Path, begin: Get, names: tuple[str, ...], *, lenient: bool) -> Get:
    """A field of a field, or of an outer scope."""
    steps = tuple((name, position(name)) for name in names)

    def field(run: Run, frame: Frame) -> Any:
        value = begin(run, frame)
        for key, index in steps:
            value = child(value, key, index)
            if value is MISSING:
                if lenient:
                    return None
                raise MissingVariable(path.text, path.place)
        return value

    return field


def _of_loop(name: str, hops: int) -> Get:
    """What the loop knows about its round."""

    def loop(frame: Frame) -> Frame:
        for _ in range(hops):
            assert frame.outer is not None
            frame = frame.outer
        return frame

    if name == "index":
        return lambda _run, frame: loop(frame).index
    if name == "key":
        return lambda _run, frame: loop(frame).key
    if name == "first":
        return lambda _run, frame: loop(frame).index == 0

    def last(_run: Run, frame: Frame) -> bool:
        found = loop(frame)
        return found.index == found.last

    return last
