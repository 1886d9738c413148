"""A tree to closures that write it. Pure; recursion is as deep as blocks nest."""

from collections.abc import Callable, Sequence
from typing import Any

from templates.handlebars.calls import compile_expression, weigh
from templates.handlebars.errors import HelperError, LimitExceeded, Place, RenderError
from templates.handlebars.running import Frame, Get, Run, Write
from templates.handlebars.scopes import Scopes
from templates.handlebars.tree import Block, Branch, Comment, Node, Print, Text
from templates.handlebars.values import TooDeep, TooLong, Unprintable, escape, is_true, to_text

Attempt = Callable[[Run, Frame], bool]  # writes a branch if it is its turn


def compile_body(body: Sequence[Node], scopes: Scopes, place: Place, *, escapes: bool) -> Write:
    """What writes the nodes one after another; `place` is where to blame a limit. Raises TemplateSyntaxError."""
    pairs: list[tuple[str, Write]] = []
    texts: list[str] = []
    weight = 1
    for node in body:
        if isinstance(node, Text):
            texts.append(node.value)
        elif not isinstance(node, Comment):
            pairs.append(("".join(texts), _node(node, scopes, escapes=escapes)))
            texts.clear()
            weight += _weigh(node)
    tail = "".join(texts)
    return _sequence(tuple(pairs), tail, weight, place)


def _sequence(pairs: tuple[tuple[str, Write], ...], tail: str, weight: int, place: Place) -> Write:
    size = len(tail) + sum(len(text) for text, _ in pairs)

    def write_all(run: Run, frame: Frame) -> None:
        run.steps -= weight
        run.room -= size
        if run.steps < 0 or run.room < 0:
            raise run.exceeded(place)
        append = run.append
        for text, write in pairs:
            append(text)
            write(run, frame)
        append(tail)

    return write_all


def _weigh(node: Print | Block) -> int:
    """A body's steps for a node, all its tests included."""
    if isinstance(node, Print):
        return 1 + weigh(node.expression)
    return sum(1 + weigh(branch.subject) for branch in node.branches)


def _node(node: Print | Block, scopes: Scopes, *, escapes: bool) -> Write:
    if isinstance(node, Print):
        value = compile_expression(node.expression, scopes)
        return _print(value, node.place, escapes=escapes and not node.raw)
    branches = node.branches
    if len(branches) == 1 and branches[0].kind in {"if", "unless"}:
        return _single(branches[0], scopes, escapes=escapes)
    attempts = tuple(_attempt(branch, scopes, escapes=escapes) for branch in branches)

    def write_one(run: Run, frame: Frame) -> None:
        for attempt in attempts:
            if attempt(run, frame):
                return

    return write_one


def _print(value: Get, place: Place, *, escapes: bool) -> Write:
    def write(run: Run, frame: Frame) -> None:
        text = value(run, frame)
        if type(text) is not str:
            text = _text(text, run, place)
        if escapes:
            text = escape(text)
        run.room -= len(text)
        if run.room < 0:
            raise run.exceeded(place)
        run.append(text)

    return write


def _text(value: Any, run: Run, place: Place) -> str:
    try:
        return to_text(value, run.room)
    except Unprintable as refusal:
        raise RenderError(str(refusal), place) from None
    except TooLong:
        run.room = -1
        raise run.exceeded(place) from None
    except TooDeep:
        raise LimitExceeded("nesting", "a list in so many lists cannot be printed", place) from None


def _single(branch: Branch, scopes: Scopes, *, escapes: bool) -> Write:
    """An `#if` or `#unless` alone."""
    test, body, wanted = _test(branch, scopes, escapes=escapes)

    def write(run: Run, frame: Frame) -> None:
        if is_true(test(run, frame)) is wanted:
            body(run, frame)

    return write


def _attempt(branch: Branch, scopes: Scopes, *, escapes: bool) -> Attempt:
    if branch.kind == "else":
        return _always(compile_body(branch.body, scopes, branch.place, escapes=escapes))
    if branch.kind == "each" or branch.kind == "with":
        subject = compile_expression(branch.subject, scopes)
        inner = scopes.inside(branch.kind, branch.subject)
        body = compile_body(branch.body, inner, branch.place, escapes=escapes)
        return _loop(subject, body, branch.place) if branch.kind == "each" else _with(subject, body)
    return _conditional(*_test(branch, scopes, escapes=escapes))


def _test(branch: Branch, scopes: Scopes, *, escapes: bool) -> tuple[Get, Write, bool]:
    test = compile_expression(branch.subject, scopes, lenient=True)
    return test, compile_body(branch.body, scopes, branch.place, escapes=escapes), branch.kind == "if"


def _always(body: Write) -> Attempt:
    def write(run: Run, frame: Frame) -> bool:
        body(run, frame)
        return True

    return write


def _conditional(test: Get, body: Write, wanted: bool) -> Attempt:
    def write(run: Run, frame: Frame) -> bool:
        if is_true(test(run, frame)) is not wanted:
            return False
        body(run, frame)
        return True

    return write


def _with(subject: Get, body: Write) -> Attempt:
    """Unlike for `#if`, 0 counts as something."""

    def write(run: Run, frame: Frame) -> bool:
        value = subject(run, frame)
        is_zero = value == 0 and type(value) in (int, float)
        if not is_zero and not is_true(value):
            return False
        body(run, Frame(value, frame))
        return True

    return write


def _loop(subject: Get, body: Write, place: Place) -> Attempt:
    """The items of a list, or the fields of an object in the order in which they came."""

    def write(run: Run, frame: Frame) -> bool:
        items = subject(run, frame)
        kind = type(items)
        if kind is not list and kind is not dict:
            if is_true(items):
                raise HelperError("#each goes through a list or an object", place)
            return False
        count = len(items)
        run.rounds -= count
        if run.rounds < 0:
            raise run.exceeded(place)
        inner = Frame(None, frame, count - 1)
        keys = items if kind is dict else range(count)
        for index, key in enumerate(keys):
            inner.this = items[key]
            inner.index = index
            inner.key = key
            body(run, inner)
        return count > 0

    return write
