"""Cuts a source into text and tags, and tags into tokens, as the lexer of handlebars.js does. Pure; linear time."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from templates.handlebars.errors import Place, TemplateSyntaxError
from templates.handlebars.tree import Plain, Strip

MAX_PARTS: Final = 20_000  # tags and the tokens in them; a long newsletter has a few hundred

MAX_NAME: Final = 500  # characters of a path or a helper, so that messages about it stay readable

# What JavaScript's \s matches (ECMA-262 22.2.2.9, WhiteSpace and LineTerminator).
SPACE: Final = "\t\n\v\f\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"

_NAME: Final = rf"[^{SPACE}!\"#%-,./;->@\[-^`{{-~]++"
_FOLLOWS: Final = rf"(?=[=~}}/.)\]|{SPACE}]|\Z)"
_STEP: Final = rf"(?:\.\.|\.{_FOLLOWS}|{_NAME}|\[(?:\\.|[^\]\\])*+\])"
_WORD_ENDS: Final = rf"(?=[~}}){SPACE}]|\Z)"
_TOKEN: Final = re.compile(
    rf"""[{SPACE}]*+(?:
        (?P<close>\}}\}}\}}\}}|\}}?~?\}}\}})
      | (?P<sign>[()=])
      | (?P<string>"(?:\\"|[^"])*+"|'(?:\\'|[^'])*+')
      | (?P<word>(?:true|false|null|undefined){_WORD_ENDS})
      | (?P<number>-?[0-9]++(?:\.[0-9]++)?{_WORD_ENDS})
      | (?P<path>@?{_STEP}(?:[./]{_STEP})*+{_FOLLOWS})
    )""",
    re.VERBOSE | re.DOTALL,
)
_NEXT_TAG: Final = re.compile(r"\\{0,2}\{\{")
_ELSE: Final = re.compile(rf"[{SPACE}]*+else(?=[~}}{SPACE}])(?:[{SPACE}]*+(?P<close>~?}}}}))?")
_COMMENT_END: Final = re.compile(r"--~?\}\}")
_TAG_END: Final = re.compile(r"\}\}")
_BLANK: Final = re.compile(rf"[{SPACE}]*+")
_WORDS: Final[dict[str, Plain]] = {"true": True, "false": False, "null": None}
_EXACT_DIGITS: Final = 15  # beyond, a number in JavaScript is no longer what was written

_UNKNOWN: Final = {
    "#>": "partials are not part of the language",
    ">": "partials are not part of the language",
    "#*": "decorators are not part of the language",
    "*": "decorators are not part of the language",
    "^": "write {{else}} or {{#unless}} instead of ^",
}


class Token(NamedTuple):
    """A piece of a tag. `value` is the sign, the path as written, or the literal's value."""

    kind: Literal["sign", "path", "literal"]
    value: Plain
    place: Place


TagKind = Literal["print", "raw", "open", "close", "else", "comment"]
_KINDS: Final[dict[str, TagKind]] = {"#": "open", "/": "close", "{": "raw", "&": "raw"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tag:
    """Everything between two pairs of braces."""

    kind: TagKind
    tokens: tuple[Token, ...]
    strip: Strip
    place: Place


class _Places:
    """Turns offsets, which must not decrease, into places without looking at any character twice."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._seen = 0
        self._line = 1
        self._line_start = 0

    def at(self, offset: int) -> Place:
        newlines = self._source.count("\n", self._seen, offset)
        if newlines:
            self._line += newlines
            self._line_start = self._source.rindex("\n", self._seen, offset) + 1
        self._seen = offset
        return Place(self._line, offset - self._line_start + 1)


class Cutter:
    """Reads a source once, from its begin to its end."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._at = 0
        self._places = _Places(source)
        self._parts = 0

    def pieces(self) -> Iterator[str | Tag]:
        """Texts, never empty, and tags in their order. Raises TemplateSyntaxError."""
        source = self._source
        while (start := source.find("{{", self._at)) >= 0:
            text = source[self._at : start]
            is_escaped = text.endswith("\\") and not text.endswith("\\\\")
            if text.endswith("\\"):
                text = text[:-1]
            if text:
                yield text
            if is_escaped:
                yield self._escaped(start)
            else:
                yield self._tag(start)
        if self._at < len(source):
            yield source[self._at :]

    def _escaped(self, start: int) -> str:
        """The text of a tag behind a backslash, up to the next tag."""
        self._count(start)
        found = _NEXT_TAG.search(self._source, start + 2)
        self._at = found.start() if found else len(self._source)
        return self._source[start : self._at]

    def _tag(self, start: int) -> Tag:
        place = self._count(start)
        if self._source.startswith("{{{{", start):
            raise TemplateSyntaxError("raw blocks ({{{{) are not part of the language", place)
        opens = self._source.startswith("~", start + 2)
        self._at = start + 2 + opens
        if self._source.startswith("!", self._at):
            return self._comment(place, opens)
        if found := _ELSE.match(self._source, self._at):
            return self._else(found, place, opens)
        kind = self._kind(place)
        tokens, closes = self._tokens(kind, place)
        return Tag(kind=kind, tokens=tokens, strip=Strip(opens, closes), place=place)

    def _else(self, found: re.Match[str], place: Place, opens: bool) -> Tag:
        """A plain `else` is one token for handlebars.js: unlike other tags, a `}` may follow it."""
        self._at = found.end()
        tokens, closes = ((), "~" in found["close"]) if found["close"] else self._tokens("else", place)
        return Tag(kind="else", tokens=tokens, strip=Strip(opens, closes), place=place)

    def _kind(self, place: Place) -> TagKind:
        """What the first sign says the tag is."""
        for sign, complaint in _UNKNOWN.items():
            if self._source.startswith(sign, self._at):
                raise TemplateSyntaxError(complaint, place)
        sign = self._source[self._at : self._at + 1]
        self._at += sign in _KINDS
        return _KINDS.get(sign, "print")

    def _comment(self, place: Place, opens: bool) -> Tag:
        ends = _COMMENT_END if self._source.startswith("!--", self._at) else _TAG_END
        found = ends.search(self._source, self._at + 1)
        if found is None:
            raise TemplateSyntaxError("the comment is not closed", place)
        self._at = end = found.end()
        strip = Strip(opens, self._source[end - 3] == "~")
        return Tag(kind="comment", tokens=(), strip=strip, place=place)

    def _tokens(self, kind: TagKind, place: Place) -> tuple[tuple[Token, ...], bool]:
        """What stands in the tag, and whether a `~` closes it."""
        triple = kind == "raw" and self._source[self._at - 1] == "{"
        tokens: list[Token] = []
        while True:
            found = _TOKEN.match(self._source, self._at)
            if found is None:
                raise self._unreadable(place)
            if found.lastgroup == "close":
                closing = found["close"]
                braces = closing.replace("~", "")
                if braces == "}}}}" or (braces == "}}}" and not triple):
                    raise TemplateSyntaxError("put a space before a } that follows a tag", place)
                if triple and (braces == "}}" or closing.startswith("~")):
                    raise TemplateSyntaxError("{{{ is closed by }}}", place)
                self._at = found.end()
                return tuple(tokens), "~" in closing
            tokens.append(self._token(found))
            self._at = found.end()

    def _token(self, found: re.Match[str]) -> Token:
        group = found.lastgroup or ""
        written = found[group]
        place = self._count(found.start(group))
        if group == "string":
            quote = written[0]
            return Token("literal", written[1:-1].replace(f"\\{quote}", quote), place)
        if group == "number":
            return Token("literal", _number(written), place)
        if group == "word":
            if written not in _WORDS:
                raise TemplateSyntaxError(f"{written} is not part of the language; write null", place)
            return Token("literal", _WORDS[written], place)
        if len(written) > MAX_NAME:
            raise TemplateSyntaxError(f"a name has at most {MAX_NAME} characters", place)
        return Token("path" if group == "path" else "sign", written, place)

    def _unreadable(self, place: Place) -> TemplateSyntaxError:
        """The error where no token begins."""
        blank = _BLANK.match(self._source, self._at)
        at = blank.end() if blank else self._at
        if at >= len(self._source):
            return TemplateSyntaxError("the tag is not closed", place)
        if self._source[at] in "\"'":
            return TemplateSyntaxError("the string is not closed", self._places.at(at))
        if self._source[at] == "|":
            return TemplateSyntaxError("names for items (as |x|) are not part of the language", place)
        return TemplateSyntaxError(f"{self._source[at]!r} cannot stand here", self._places.at(at))

    def _count(self, offset: int) -> Place:
        place = self._places.at(offset)
        self._parts += 1
        if self._parts > MAX_PARTS:
            raise TemplateSyntaxError(f"a template has at most {MAX_PARTS} tags and words in them", place)
        return place


def _number(written: str) -> int | float:
    """As JavaScript reads it: beyond 15 digits the nearest double."""
    return float(written) if "." in written or len(written) > _EXACT_DIGITS else int(written)
