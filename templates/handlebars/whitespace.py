"""Takes out the whitespace that tags take with them, exactly as handlebars.js 4.7 does. Pure; linear time.

Two rules. A `~` takes all whitespace on its side. And a line on which nothing but one tag stands, of a comment or a
block, leaves no line behind; what counts is the text as written, not what other tags have left of it.
handlebars.js sees an `else if` as a block inside of an else: some oddities at the end of such a chain follow from
that, and they are kept (`_control_block` names them).
"""

from typing import Final

from templates.handlebars.tags import SPACE as _CLASS
from templates.handlebars.tree import Block, Comment, Node, Strip, Text

_SPACE: Final = "".join(_CLASS.replace("\u2000-\u200a", "".join(map(chr, range(0x2000, 0x200B)))))
_BLANKS: Final = " \t"

Body = list[Node]


def control_whitespace(body: Body, *, top: bool = True) -> None:
    """Set `value` of every text in the tree."""
    for at, node in enumerate(body):
        if isinstance(node, Block):
            opens_line, closes_line = _control_block(node)
            before, after = _ends_line(body, at, top=top), _begins_line(body, at, top=top)
            _take_marked(body, at, Strip(node.branches[0].strip.open, node.close.close))
            if opens_line and before:
                _trim_right_of(node.branches[0].body, -1)
                _trim_left_of(body, at)
            if closes_line and after:
                _trim_right_of(body, at)
                if (last := _last_of_two(node)) is not None:
                    _trim_left_of(last, len(last))
        elif not isinstance(node, Text):
            before, after = _ends_line(body, at, top=top), _begins_line(body, at, top=top)
            _take_marked(body, at, node.strip)
            if isinstance(node, Comment) and before and after:
                _trim_right_of(body, at)
                _trim_left_of(body, at)


def _control_block(block: Block) -> tuple[bool, bool]:
    """Deal with the inside of a block; whether its first and its last tag may stand on lines of their own."""
    branches = block.branches
    for branch in branches:
        control_whitespace(branch.body, top=False)
    for at in reversed(range(len(branches))):
        branch = branches[at]
        if branch.kind == "else":
            continue
        if branch.strip.close:
            _trim_right_of(branch.body, -1, everything=True)
        # The tag that handlebars.js takes for the end of this branch: from the third on, the branch's own.
        end = block.close if at < 2 else branch.strip
        if at + 1 == len(branches):
            if end.open:
                _trim_left_of(branch.body, len(branch.body), everything=True)
        else:
            _control_between(branch.body, branches[at + 1].body, branches[at + 1].strip, end)
    closing = branches[min(1, len(branches) - 1)].body
    return _begins_line(branches[0].body, -1), _ends_line(closing, len(closing))


def _control_between(above: Body, below: Body, tag: Strip, end: Strip) -> None:
    """Deal with the tag between two branches."""
    if tag.open:
        _trim_left_of(above, len(above), everything=True)
    if tag.close:
        _trim_right_of(below, -1, everything=True)
    if end.open:
        _trim_left_of(below, len(below), everything=True)
    if _ends_line(above, len(above)) and _begins_line(below, -1):
        _trim_left_of(above, len(above))
        _trim_right_of(below, -1)


def _last_of_two(block: Block) -> Body | None:
    """The body before the closing tag, unless an `else if` stands between: there it keeps its indentation."""
    branches = block.branches
    if len(branches) == 1:
        return branches[0].body
    return branches[1].body if branches[1].kind == "else" else None


def _take_marked(body: Body, at: int, strip: Strip) -> None:
    if strip.close:
        _trim_right_of(body, at, everything=True)
    if strip.open:
        _trim_left_of(body, at, everything=True)


def _ends_line(body: Body, at: int, *, top: bool = False) -> bool:
    """Whether nothing but blanks stands between the node at `at` and the line's begin, as written."""
    if at == 0:
        return top
    before = body[at - 1]
    if not isinstance(before, Text):
        return False
    rest = before.original.rstrip(_SPACE)
    return "\n" in before.original[len(rest) :] or (top and at == 1 and not rest)


def _begins_line(body: Body, at: int, *, top: bool = False) -> bool:
    """Whether nothing but blanks stands between the node at `at` and the line's end, as written."""
    if at + 1 >= len(body):
        return top
    after = body[at + 1]
    if not isinstance(after, Text):
        return False
    rest = after.original.lstrip(_SPACE)
    blank = after.original[: len(after.original) - len(rest)]
    return "\n" in blank or (top and at + 2 >= len(body) and not rest)


def _trim_right_of(body: Body, at: int, *, everything: bool = False) -> None:
    """Take the rest of the line after the node at `at`, or all whitespace there."""
    text = body[at + 1] if at + 1 < len(body) else None
    if not isinstance(text, Text) or (text.right_stripped and not everything):
        return
    kept = text.value.lstrip(_SPACE if everything else _BLANKS)
    if not everything:
        kept = kept.removeprefix("\r").removeprefix("\n")
    text.right_stripped = kept != text.value
    text.value = kept


def _trim_left_of(body: Body, at: int, *, everything: bool = False) -> None:
    """Take the blanks before the node at `at`, or all whitespace there."""
    text = body[at - 1] if at > 0 else None
    if not isinstance(text, Text) or (text.left_stripped and not everything):
        return
    kept = text.value.rstrip(_SPACE if everything else _BLANKS)
    text.left_stripped = kept != text.value
    text.value = kept
