"""Makes templates with data that fits them, of everything the language has.

A random generator decides, which hypothesis seeds: drawing each word through hypothesis takes thirty times as long.
Left out is what docs/templates.md lists as different from handlebars.js: missing variables outside of tests, scopes
that equal the one around them (a loop over texts inside of one) or are null, fields whose names are numbers.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

from hypothesis import strategies as st

CHARACTERS = "abcXYZ019 <>&\"'`=/\\{}.,~\n\r\té ß ñ Σ σ € 😀 \u00a0"
TEXTS = [
    "",
    " ",
    "  ",
    "\t",
    "\n",
    "\r\n",
    "\n\n",
    " \n",
    "\n  ",
    "a",
    "a\n",
    "\nb",
    " c ",
    "<b>&'\"",
    " }",
    " } ",
    "{ ",
    "\u00a0\n",
    "\ufeff",
    "\\ ",
    "\v\n",
]

NUMBERS = [
    0,
    0.0,
    -0.0,
    1.0,
    1e-7,
    1.5e-6,
    1e21,
    1.5e300,
    123456789012345680000.0,
    5e-324,
    0.1,
    100.0,
    -2.5e-10,
]
KEYS = ["a", "key", "first-name", "x_y", "z"]


class _Values:
    """Draws what data and templates are made of."""

    def __init__(self, random: Random) -> None:
        self.random = random

    def pick(self, options: Iterable[Any]) -> Any:
        return self.random.choice(list(options))

    def upto(self, most: int) -> range:
        return range(self.random.randint(0, most))

    def text(self) -> str:
        return "".join(self.pick(CHARACTERS) for _ in self.upto(8))

    def number(self) -> int | float:
        kind = self.random.randrange(4)
        if kind == 0:
            return self.random.randint(-(2**53), 2**53)
        if kind == 1:
            return float(f"{self.random.randint(-999, 999)}e{self.random.randint(-30, 30)}")
        return self.pick(NUMBERS) if kind == 2 else self.random.randint(-3, 12)

    def thing(self) -> Any:
        return self.pick([self.text(), self.text(), self.number(), True, False])

    def scalar(self) -> Any:
        return self.pick([self.thing(), self.thing(), self.thing(), None])

    def person(self) -> dict[str, Any]:
        return {
            "label": self.scalar(),
            "amount": self.number(),
            "tags": [self.thing() for _ in self.upto(3)],
            "place": {"city": self.scalar(), "open": self.pick([True, False])},
        }

    def world(self) -> dict[str, Any]:
        """Data with every kind of value at known names."""
        return {
            "name": self.text(),
            "number": self.number(),
            "maybe": self.scalar(),
            "first-name": self.text(),
            "two words": self.scalar(),
            "user": self.person(),
            "rows": [self.person() for _ in self.upto(3)],
            "words": [self.thing(), *(self.thing() for _ in self.upto(2))],
            "map": {key: self.thing() for key in self.random.sample(KEYS, self.random.randint(0, 3))},
            "none": [],
            "hollow": {},
        }


@dataclass(frozen=True)
class Level:
    """A scope: what `this` is, and where it comes from; two of one origin may be the same value."""

    this: Any
    origin: str
    in_loop: bool


@dataclass(frozen=True)
class Found:
    """A path that has a value."""

    text: str
    value: Any
    origin: str


def _below(value: Any, text: str, origin: str, depth: int = 3) -> Iterator[Found]:
    """A value and everything in it that a path can name in every round."""
    yield Found(text or "this", value, origin)
    if isinstance(value, dict) and depth and origin != "map":
        for key, inner in value.items():
            part = f"[{key}]" if " " in key else key
            yield from _below(
                inner,
                f"{text}{'' if not text or text.endswith('/') else '.'}{part}",
                f"{origin}.{key}",
                depth - 1,
            )


def _reachable(levels: list[Level]) -> list[Found]:
    found = list(_below(levels[-1].this, "", levels[-1].origin))
    for hops, level in enumerate(reversed(levels)):
        if hops:
            above = "/".join([".."] * hops)
            found += [Found(above, level.this, level.origin)]
            found += list(_below(level.this, f"{above}/", level.origin))[1:]
    found += list(_below(levels[0].this, "@root", "top"))[1:]
    return found


def _is_scalar(value: Any) -> bool:
    return not isinstance(value, dict | list)


def _prints(value: Any) -> bool:
    """An object has no text; what handlebars.js makes of it nobody wants."""
    if isinstance(value, list):
        return all(_is_scalar(item) for item in value)
    return _is_scalar(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _items_are_scalars(value: Any) -> bool:
    return any(map(_is_scalar, value.values() if isinstance(value, dict) else value))


def _same_shape(item: Any, first: Any) -> bool:
    """Whether what is written for one item can be rendered for another."""
    if isinstance(first, dict):
        return isinstance(item, dict) and item.keys() == first.keys()
    return type(item) is type(first) or (_is_scalar(item) and _is_scalar(first) and not _is_number(first))


class _Maker(_Values):
    """Draws one template; `levels` are the scopes around the place that is being written.

    handlebars.js adds up what is printed unescaped: `{{{1}}}{{{2}}}` is 3. `marks` puts a text before every value.
    """

    def __init__(self, random: Random, data: dict[str, Any], *, marks: bool) -> None:
        super().__init__(random)
        self.marks = marks
        self.levels = [Level(data, "top", False)]

    def body(self, depth: int) -> str:
        pieces = []
        for _ in self.upto(3):
            pieces.append(self.pick(TEXTS))
            pieces.append(self.piece(depth))
        pieces.append(self.pick(TEXTS))
        return "".join(pieces)

    def piece(self, depth: int) -> str:
        kinds = ["print", "print", "raw", "comment", "escaped", "text"]
        if depth:
            kinds += ["if", "unless", "each", "with"] * 2
        kind = self.pick(kinds)
        if kind == "text":
            return self.text().replace("{", "(").lstrip("}").rstrip("\\")
        if kind == "escaped":
            return self.pick(
                ["\\{{name}}", "\\{{#if}}", "\\\\{{name}}" if "name" in self.names() else "\\{{", "\\{{{a}}}"]
            )
        if kind == "comment":
            inside = self.pick(["! c ", "!-- {{c}} --", "!", "!----", "!-- \n --", "! - "])
            return self.tag(inside)
        if kind in {"print", "raw"}:
            return self.printed(kind == "raw")
        return self.block(kind, depth - 1)

    def names(self) -> set[str]:
        this = self.levels[-1].this
        return set(this) if isinstance(this, dict) else set()

    def tag(self, inside: str, *, braces: str = "") -> str:
        left, right = self.pick(["", "", "", "~"]), self.pick(["", "", "", "~"])
        ends = {"{": "}"}.get(braces, "")
        return "{{" + left + braces + inside + ends + right + "}}"

    def printed(self, raw: bool) -> str:
        space = self.pick(["", " ", "\n"])
        braces = self.pick(["{", "&"]) if raw else ""
        mark = "|" if raw or self.marks else ""
        return mark + self.tag(f"{space}{self.printable()}{space}", braces=braces)

    def printable(self) -> str:
        kind = self.pick(["path", "path", "path", "loop", "call"])
        if kind == "call":
            return self.call(2)
        loop = self.loop_name()
        if kind == "loop" and loop:
            return loop
        options = [one for one in _reachable(self.levels) if _prints(one.value)]
        return self.pick(options).text if options else self.call(1)

    def loop_name(self) -> str | None:
        loops = sum(level.in_loop for level in self.levels)
        if not loops:
            return None
        up = "../" * self.random.randrange(loops)
        return f"@{up}{self.pick(['index', 'first', 'last', 'key'])}"

    def literal(self) -> str:
        text = "".join(self.pick("ab '\"}{<") for _ in self.upto(4))
        value = self.pick([text, text, self.random.randint(-9, 99), 1.5, True, False])
        if isinstance(value, str):
            quote = self.pick("\"'")
            return f"{quote}{value.replace(quote, chr(92) + quote)}{quote}"
        return json.dumps(value)

    def value(self, depth: int) -> str:
        """An argument of any kind that prints."""
        kind = self.pick(["path", "path", "literal", "call"])
        options = [one for one in _reachable(self.levels) if _prints(one.value)]
        if kind == "call" and depth:
            return f"({self.call(depth - 1)})"
        if kind == "literal" or not options:
            return self.literal()
        return str(self.pick(options).text)

    def operand(self, want: Callable[[Any], bool] = _is_scalar) -> str:
        options = [one.text for one in _reachable(self.levels) if want(one.value)]
        return self.pick([*options, self.literal()]) if want is _is_scalar else self.pick(options or ["1"])

    def call(self, depth: int) -> str:
        """A helper that gives something printable."""
        name = self.pick(
            [
                "uppercase",
                "lowercase",
                "capitalize",
                "default",
                "eq",
                "ne",
                "gt",
                "lookup",
                "and",
                "or",
                "not",
            ]
        )
        if name in {"uppercase", "lowercase", "capitalize"}:
            return f"{name} {self.operand()}"
        if name == "gt":
            name = self.pick(["gt", "gte", "lt", "lte"])
            if self.pick([True, False]):
                return f"{name} {self.operand(_is_number)} {self.pick([1, -2, 3.5])}"
            return f"{name} {self.pick([5, 0])} {self.operand(_is_number)}"
        if name == "lookup":
            return self.lookup()
        if name == "not":
            return f"not {self.test(depth)}"
        if name in {"and", "or"}:
            more = f" {self.value(0)}" if self.pick([True, False]) else ""
            return f"{name} {self.value(depth)} {self.value(depth)}{more}"
        if name == "default":
            first = self.pick([self.value(depth), "absent", "absent.too"])
            return f"default {first} {self.value(depth)}"
        return f"{name} {self.value(depth)} {self.value(depth)}"

    def lookup(self) -> str:
        options = []
        for one in _reachable(self.levels):
            if isinstance(one.value, dict):
                options += [
                    f"lookup {one.text} {json.dumps(key)}" for key in one.value if _prints(one.value[key])
                ]
            elif isinstance(one.value, list):
                options += [
                    f"lookup {one.text} {at}" for at in range(len(one.value)) if _prints(one.value[at])
                ]
        return self.pick(options) if options else f"uppercase {self.literal()}"

    def test(self, depth: int) -> str:
        """Anything at all, missing or not."""
        kind = self.pick(["path", "path", "missing", "call", "loop", "literal"])
        if kind == "missing":
            return self.pick(["absent", "absent.a.b", "name.none", "@root.absent", "maybe.x"])
        if kind == "call" and depth:
            return f"({self.call(depth - 1)})"
        if kind == "literal":
            return self.literal()
        loop = self.loop_name()
        if kind == "loop" and loop:
            return loop
        return str(self.pick(_reachable(self.levels)).text)

    def subject(self, kind: str) -> Found | None:
        """Something to open a scope for, that is not the scope it stands in."""
        here = self.levels[-1]
        allowed = dict | list if kind == "each" else dict
        found = [
            one
            for one in _reachable(self.levels)
            if isinstance(one.value, allowed) and one.origin != here.origin
        ]
        if kind == "each":
            found = [one for one in found if f"{one.origin}[]" != here.origin]
            if _is_scalar(here.this):
                found = [one for one in found if not _items_are_scalars(one.value)]
        elif not _is_scalar(here.this):
            found += [one for one in _reachable(self.levels) if one.value and _is_scalar(one.value)]
        return self.pick(found) if found else None

    def block(self, kind: str, depth: int) -> str:
        opening, body = self.part(kind, depth)
        pieces = [self.tag(f"#{opening}"), body]
        for _ in range(self.pick([0, 0, 0, 1, 2, 3])):
            also, body = self.part(self.pick(["if", "if", "unless", "each", "with"]), depth)
            pieces += [self.tag(f"{self.pick(['', ' '])}else {also}"), body]
        if self.pick([True, False]):
            pieces += [self.tag(self.pick(["else", " else "])), self.body(depth)]
        pieces.append(self.tag(f"/{opening.split()[0]}"))
        return "".join(pieces)

    def part(self, kind: str, depth: int) -> tuple[str, str]:
        """What stands in a branch's tag, and its body."""
        found = self.subject(kind) if kind in {"each", "with"} else None
        if found is None:
            return f"{'if' if kind in {'each', 'with'} else kind} {self.test(2)}", self.body(depth)
        this: Any = found.value
        origin = found.origin
        if kind == "each":
            items = list(this.values()) if isinstance(this, dict) else this
            if any(item is None or not _same_shape(item, items[0]) for item in items):
                return f"if {found.text}", self.body(depth)
            # The body must fit every round: it is written for the first item.
            this, origin = (items[0] if items else ""), f"{found.origin}[]"
        self.levels.append(Level(this, origin, kind == "each"))
        body = self.body(depth)
        self.levels.pop()
        return f"{kind} {found.text}", body


def make(random: Random, *, marks: bool = False) -> tuple[str, dict[str, Any]]:
    """A template and data that it can be rendered with."""
    data = _Values(random).world()
    return _Maker(random, data, marks=marks).body(3), data


_randoms = st.randoms(use_true_random=True)
templates = _randoms.map(make)
marked_templates = _randoms.map(lambda random: make(random, marks=True))

SOUP = [
    *[
        "{{",
        "}}",
        "{{{",
        "}}}",
        "{",
        "}",
        "~",
        " ",
        "\n",
        "\r\n",
        "\\",
        "\\\\",
        "a",
        "name",
        "b.c",
        "this",
        ".",
        "..",
        "/",
    ],
    *[
        "{{#if a}}",
        "{{#unless b}}",
        "{{/if}}",
        "{{/unless}}",
        "{{else}}",
        "{{else if b}}",
        "{{~else~}}",
        "{{#each l}}",
    ],
    *[
        "{{/each}}",
        "{{#with o}}",
        "{{/with}}",
        "{{a}}",
        "{{~a~}}",
        "{{{a}}}",
        "{{&a}}",
        "{{! c }}",
        "{{!-- }} --}}",
    ],
    *[
        "{{~! c ~}}",
        "\\{{a}}",
        "\\\\{{a}}",
        "{{@index}}",
        "{{../a}}",
        "{{eq a 1}}",
        '"',
        "'",
        "(",
        ")",
        "=",
        "@root.a",
    ],
    *[
        "{{~/if~}}",
        "{{~/each}}",
        "{{o.x}}",
        "{{l.[0]}}",
        "{{l.0.length}}",
        "{{l.length}}",
        "{{[a]}}",
        "1",
        "true",
        "null",
        "!",
        "!--",
        "--",
    ],
]
SOUP_DATA: dict[str, Any] = {"a": "<1>", "b": "", "name": "n", "l": ["p", "q"], "o": {"x": 1, "a": 2}}

soups = st.lists(st.sampled_from(SOUP), max_size=14).map("".join)
