"""Expressions put out of a parser's reach, and brought back when it is done. Pure.

Each expression becomes what the parser carries along unharmed at its place: a comment between elements, even inside a
table; a word in an attribute's value, a style sheet or a title; an attribute of its own for what stands loose in a tag.
"""

import re
from collections.abc import Iterator
from typing import Final

from templates.markup import EXPRESSION, EXPRESSIONS, Kind, Piece, pieces

_OPENS: Final = re.compile(r"\{\{~?\s*[#^]\s*\w")
_CLOSES: Final = re.compile(r"\{\{~?\s*/")
_PATH: Final = re.compile(r"(\{\{\{?~?\s*)(?:@root\.)?(?!this\b)([A-Za-z_]\w*(?:\.\w+)*)(\s*~?\}?\}\})")
_TAG: Final = re.compile(r"<[^\s/>{}]+")
_VALUE: Final = rf"\"(?:{EXPRESSION}|[^\"])*+\"|'(?:{EXPRESSION}|[^'])*+'|(?:{EXPRESSION}|[^\s\"'>])++"
_PART: Final = re.compile(
    rf"(?P<attribute>\s+(?P<name>[^\s\"'>/={{}}]++)\s*=\s*(?P<value>{_VALUE}))"
    rf"|(?P<loose>[^\s\"'>/={{}}]*+(?:{EXPRESSION})(?:{EXPRESSION}|\"(?:{EXPRESSION}|[^\"])*+\""
    rf"|'(?:{EXPRESSION}|[^'])*+'|[^\s\"'>/])*+)"
    r"|(?P<rest>\s+|(?s:.))"
)


class Lost(ValueError):
    """A parser left an expression out, or moved it."""


class Shield:
    """What was hidden in one text, for one pass through one parser."""

    def __init__(self, text: str) -> None:
        low = text.lower()
        self._mark = next(mark for mark in map("mgx{}x".format, range(len(low) + 1)) if mark not in low)
        self._kept: list[str] = []
        self._between: list[int] = []
        self._styles: set[int] = set()
        self._number = re.compile(rf"{self._mark}(\d+)z")

    def word(self, text: str) -> str:
        """A word for it: in attribute values, style sheets and titles."""
        self._kept.append(text)
        return f"{self._mark}{len(self._kept) - 1}z"

    def words(self, text: str) -> str:
        """Every expression of `text` as a word."""
        return EXPRESSIONS.sub(lambda m: m[0] if m["escaped"] else self.word(m["expression"]), text)

    def between(self, text: str) -> str:
        """A word for what stands between elements, and so must come back once and in order."""
        self._between.append(len(self._kept))
        return self.word(text)

    def attribute(self, text: str) -> str:
        """An attribute for what stands loose in a tag."""
        return f'{self.word(text)}=""'

    def style(self, value: str) -> str:
        """An attribute for a whole `style="…"` with expressions; the parser may give the tag a `style` of its own."""
        self._styles.add(len(self._kept))
        return self.attribute(value)

    def lift(self, text: str) -> str:
        """The text with every expression back in it; raises `Lost`."""
        found = [int(number) for number in self._number.findall(text)]
        wanted = set(self._between)
        if len(set(found)) < len(self._kept) or [n for n in found if n in wanted] != self._between:
            raise Lost("an expression was lost or moved")
        return self.original(self._merged(text))

    def lift_text(self, text: str) -> str:
        """As `lift`, where the parser took the text alone: what stood in attributes is gone."""
        found = [int(number) for number in self._number.findall(text)]
        if found != [n for n in self._between if n in set(found)]:
            raise Lost("an expression was moved")
        return self.original(text)

    @property
    def holds(self) -> bool:
        """Whether anything is hidden."""
        return bool(self._kept)

    def sequence(self, html: str) -> list[str]:
        """Start tags and what stands between elements, in order: what a parser must not change."""
        wanted = {f"{self._mark}{n}z" for n in self._between}
        said: list[str] = []
        for piece in pieces(html):
            if piece.kind == Kind.OPEN:
                said.append(piece.name)
            elif piece.kind in (Kind.COMMENT, Kind.TEXT):
                said += [m[0] for m in self._number.finditer(piece.text) if m[0] in wanted]
        return said

    def original(self, text: str) -> str:
        """Any part of the text with its expressions back in it, unchecked."""
        number = self._number.pattern
        return re.sub(
            rf'<!--{number}-->|{number}=""|{number}',  # the longer forms first
            lambda match: self._kept[int(next(filter(None, match.groups())))],
            text,
        )

    def _merged(self, text: str) -> str:
        if not self._styles:
            return text
        tag = re.compile(r"<[a-zA-Z][^\s>]*(?:\s+[^\s=>]+(?:=\"[^\"]*\")?)*+\s*/?>")
        return tag.sub(lambda match: self._with_style(match[0]), text)

    def _with_style(self, tag: str) -> str:
        """What the parser added goes before what the tag says itself: in CSS the later one wins."""
        for number in map(int, self._number.findall(tag)):
            if number in self._styles:
                quote = self._kept[number][0]
                own, added = self._kept[number][1:-1], re.search(r'\s+style="([^"]*)"', tag)
                before = f"{added[1].rstrip('; ')};" if added and added[1].strip() else ""
                value = f"style={quote}{before.replace(quote, '&#39;')}{own}{quote}"
                tag = tag.replace(added[0], "") if added else tag
                return tag.replace(f'{self._mark}{number}z=""', value)
        return tag


def shielded(html: str, shield: Shield) -> str:
    """`html` with its expressions behind comments, words and attributes."""
    return "".join(_hidden(piece, shield) for piece in pieces(html))


def shielded_from_css(html: str, shield: Shield) -> str:
    """The same for a parser that copies style sheets into `style` attributes.

    Attributes of that name with expressions are hidden whole. A value of a sheet will stand in elements that a loop may
    repeat, so its path begins at the root; a sheet with blocks or helpers in it, or inside of a block, is hidden whole.
    """
    return "".join(_hidden(piece, shield, styles=True) for piece in _with_sheets(html))


def _with_sheets(html: str) -> Iterator[Piece]:
    """The pieces; a sheet that must not be copied is one expression, of all others the paths begin at the root."""
    found = list(pieces(html))
    place = blocks = 0
    while place < len(found):
        element = found[place : place + 3]
        if element[0].kind == Kind.EXPRESSION:
            blocks += 1 if _OPENS.match(element[0].text) else -1 if _CLOSES.match(element[0].text) else 0
        if not _is_style(element) or not EXPRESSIONS.search(element[1].text):
            yield element[0]
            place += 1
            continue
        if blocks or any(
            m["expression"] and not _PATH.fullmatch(m[0]) for m in EXPRESSIONS.finditer(element[1].text)
        ):
            yield Piece(Kind.EXPRESSION, "".join(piece.text for piece in element))
        else:
            rooted = EXPRESSIONS.sub(_from_root, element[1].text)
            yield from (element[0], Piece(Kind.RAW, rooted, "style"), element[2])
        place += 3


def _from_root(match: re.Match[str]) -> str:
    path = _PATH.fullmatch(match[0])
    return f"{path[1]}@root.{path[2]}{path[3]}" if path else match[0]


def _is_style(element: list[Piece]) -> bool:
    kinds = [piece.kind for piece in element]
    return element[0].name == "style" and kinds == [Kind.OPEN, Kind.RAW, Kind.CLOSE]


def _hidden(piece: Piece, shield: Shield, *, styles: bool = False) -> str:
    match piece.kind:
        case Kind.EXPRESSION:
            return f"<!--{shield.between(piece.text)}-->"
        case Kind.OPEN:
            return hidden_tag(piece.text, shield, styles=styles)
        case Kind.RAW | Kind.COMMENT | Kind.BROKEN:
            return shield.words(piece.text)
        case _:
            return piece.text


def hidden_tag(tag: str, shield: Shield, *, styles: bool = False) -> str:
    """A tag without expressions.

    All that stands between the first and the last loose one becomes one attribute.
    """
    name = _TAG.match(tag)
    if name is None or "{{" not in tag:
        return tag
    parts = list(_PART.finditer(tag, name.end()))
    loose = [place for place, part in enumerate(parts) if part["loose"]]
    first, last = (loose[0], loose[-1]) if loose else (len(parts), len(parts))
    said = [name[0]]
    for place, part in enumerate(parts):
        if place == first:
            chunk = "".join(part[0] for part in parts[first : last + 1])
            said.append(f" {shield.attribute(chunk)}")
        elif first < place <= last:
            continue
        elif styles and (part["name"] or "").lower() == "style" and EXPRESSIONS.search(part["value"]):
            value = part["value"] if part["value"][0] in "\"'" else f'"{part["value"]}"'
            said.append(f" {shield.style(value)}")
        else:
            said.append(shield.words(part[0]))
    return "".join(said)
