"""HTML with Handlebars expressions in it, cut into pieces without building a tree. Pure.

Parsers of HTML, MJML and CSS know nothing of `{{…}}`. What stands where must be known before one of them may see a
template, and this is the one place that reads both languages at once. It is linear in the length of the text.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum, auto
from typing import Final

# Handlebars' lexer: comments first, because quotes mean nothing in them; strings may hold closing braces.
_STRINGS: Final = r""""(?:\\"|[^"])*+"|'(?:\\'|[^'])*+'"""
EXPRESSION: Final = (
    r"\{\{~?!--(?s:.*?)--~?\}\}"
    r"|\{\{~?!(?s:.*?)\}\}"
    rf"|\{{\{{~?\{{(?:{_STRINGS}|[^\"'}}]|\}}(?!\}}\}}|\}}~\}}))*+\}}~?\}}\}}"
    rf"|\{{\{{(?:{_STRINGS}|[^\"'}}]|\}}(?!\}}))*+\}}\}}"
)
_ESCAPED: Final = r"\\\\(?=\{\{)|\\\{\{"  # `\\{{x}}` is a backslash and an expression, `\{{x}}` is text
_ATTRIBUTES: Final = (
    rf"(?:{_ESCAPED}|{EXPRESSION}|\"(?:{EXPRESSION}|[^\"])*+\"|'(?:{EXPRESSION}|[^'])*+'|[^>\"'])*+"
)
_PIECE: Final = re.compile(
    rf"(?P<escaped>{_ESCAPED})"
    rf"|(?P<expression>{EXPRESSION})"
    r"|(?P<comment><!--(?s:.*?)-->|<!\[CDATA\[(?s:.*?)\]\]>|<![^>]*+>|<\?[^>]*+>)"
    rf"|<(?P<slash>/?)(?P<name>[a-zA-Z][^\s/>{{}}]*+){_ATTRIBUTES}>"
    r"|(?P<broken><(?=[a-zA-Z/!?])(?s:.*))"
    r"|(?P<text>[^<{\\]++|(?s:.))"
)
EXPRESSIONS: Final = re.compile(rf"(?P<escaped>{_ESCAPED})|(?P<expression>{EXPRESSION})")

# Elements whose content is text to a parser, whatever it looks like (HTML, 13.1.2).
_RAW_NAMES: Final = (
    "style script title textarea xmp iframe noembed noframes noscript plaintext mj-style mj-title mj-preview"
)
_VOID_NAMES: Final = "area base br col embed hr img input link meta param source track wbr"
# Their end tags may be left out (HTML, 13.1.2.4).
_OPTIONAL_NAMES: Final = (
    "html head body p li dt dd tr td th thead tbody tfoot colgroup caption option optgroup"
)
# A parser opens these again wherever they were not closed in order: each one left open multiplies what follows.
_FORMATTING_NAMES: Final = "a b big code em font i nobr s small strike strong tt u"

_RAW: Final = frozenset(_RAW_NAMES.split())
VOID: Final = frozenset(_VOID_NAMES.split())
_OPTIONAL_END: Final = frozenset(_OPTIONAL_NAMES.split())
_FORMATTING: Final = frozenset(_FORMATTING_NAMES.split())


class Kind(StrEnum):
    """What a piece is."""

    TEXT = auto()
    EXPRESSION = auto()
    OPEN = auto()
    CLOSE = auto()
    COMMENT = auto()  # also doctypes and processing instructions
    RAW = auto()  # what stands in an element like `style`
    BROKEN = auto()  # from a tag or comment that never ends to the end of the text


@dataclass(frozen=True, slots=True)
class Piece:
    """One piece; all of them joined are the text again.

    `name`, in lower case, is that of a tag, or of the element around raw text.
    """

    kind: Kind
    text: str
    name: str = ""

    @property
    def closes_itself(self) -> bool:
        """Whether nothing can stand in it."""
        return self.name in VOID or self.text.endswith("/>")


def pieces(html: str) -> Iterator[Piece]:
    """The pieces of a template whose expressions are known to be well formed."""
    place, end = 0, len(html)
    while place < end:
        match = _PIECE.match(html, place)
        if match is None:  # cannot be: the last alternative takes any character
            raise AssertionError("a piece of nothing")
        place = match.end()
        found = _piece(match)
        yield found
        if found.kind == Kind.OPEN and found.name in _RAW and not found.closes_itself:
            closing = re.compile(rf"</{re.escape(found.name)}(?=[\s/>])", re.IGNORECASE).search(html, place)
            stop = closing.start() if closing else end
            if stop > place:
                yield Piece(Kind.RAW, html[place:stop], found.name)
            place = stop


def _piece(match: re.Match[str]) -> Piece:
    text = match[0]
    if name := match["name"]:
        return Piece(Kind.CLOSE if match["slash"] else Kind.OPEN, text, name.lower())
    match match.lastgroup:
        case "expression":
            return Piece(Kind.EXPRESSION, text)
        case "comment":
            return Piece(Kind.COMMENT, text)
        case "broken":
            return Piece(Kind.BROKEN, text)
        case _:
            return Piece(Kind.TEXT, text)


@dataclass(frozen=True, slots=True)
class Balance:
    """How tags fit together: the depth of nesting, their number, and what is wrong first with its line, or None."""

    depth: int
    tags: int
    fault: str | None


def balance(html: str, *, xml: bool = False) -> Balance:
    """Whether every tag is closed in order.

    In `xml` (MJML) no end tag may be left out, but any tag may close itself.
    """
    stack: list[tuple[str, int]] = []
    depth = tags = 0
    line = 1
    fault: str | None = None
    for piece in pieces(html):
        if piece.kind == Kind.BROKEN:
            return Balance(depth, tags, f"a tag or comment never ends (line {line})")
        if piece.kind == Kind.OPEN:
            tags += 1
            if not _stands_alone(piece, xml=xml):
                stack.append((piece.name, line))
                depth = max(depth, len(stack))
        elif piece.kind == Kind.CLOSE and piece.name not in VOID and not _close(stack, piece.name, xml=xml):
            fault = fault or f"</{piece.name}> closes nothing that is open (line {line})"
        line += piece.text.count("\n")
    left = [(name, at) for name, at in stack if xml or name not in _OPTIONAL_END]
    if left and fault is None:
        fault = f"<{left[-1][0]}> is not closed (line {left[-1][1]})"
    return Balance(depth, tags, fault)


def _stands_alone(piece: Piece, *, xml: bool) -> bool:
    """Whether no end tag is due. In HTML `/>` closes nothing, but what is no formatting does no harm open."""
    return piece.name in VOID or (piece.text.endswith("/>") and (xml or piece.name not in _FORMATTING))


def _close(stack: list[tuple[str, int]], name: str, *, xml: bool) -> bool:
    """Take the element off the stack, with those above it whose end tags may be left out."""
    above = len(stack)
    while above and stack[above - 1][0] != name:
        if xml or name in _FORMATTING or stack[above - 1][0] not in _OPTIONAL_END:
            return False
        above -= 1
    if not above:
        return False
    del stack[above - 1 :]
    return True
