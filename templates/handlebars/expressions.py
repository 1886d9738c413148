"""Tokens of a tag to an expression. Pure."""

from collections.abc import Sequence
from typing import Final

from templates.handlebars.errors import Place, TemplateSyntaxError
from templates.handlebars.paths import parse_path
from templates.handlebars.signatures import SIGNATURES, Signature
from templates.handlebars.tags import Tag, Token
from templates.handlebars.tree import BLOCKS, Call, Expression, Literal

MAX_NESTING: Final = 20  # parentheses in parentheses


def parse_print(tag: Tag) -> Expression:
    """What `{{…}}` prints: a path, or a helper with at least one argument. Raises TemplateSyntaxError."""
    tokens = _Tokens(tag.tokens, tag.place)
    first = tokens.take("a variable or a helper")
    if first.kind == "literal":
        raise TemplateSyntaxError("a literal is no variable; it can only be an argument", first.place)
    if first.kind == "sign":
        raise TemplateSyntaxError("a tag begins with a variable or a helper", first.place)
    if first.value in BLOCKS:
        raise TemplateSyntaxError(f"{first.value} is a block: write {{{{#{first.value} …}}}}", first.place)
    if tokens.done:
        return parse_path(str(first.value), first.place)
    call = _call(first, tokens, depth=0)
    if not tokens.done:
        raise TemplateSyntaxError("this parenthesis closes nothing", tokens.take("").place)
    return call


def parse_subject(tokens: Sequence[Token], place: Place, block: str) -> Expression:
    """The one argument of a block. Raises TemplateSyntaxError."""
    rest = _Tokens(tokens, place)
    if rest.done:
        raise TemplateSyntaxError(f"#{block} needs something to look at", place)
    subject = _argument(rest, depth=0)
    if not rest.done:
        raise TemplateSyntaxError(f"#{block} takes one argument", rest.take("").place)
    return subject


class _Tokens:
    """What is left of a tag."""

    def __init__(self, tokens: Sequence[Token], place: Place) -> None:
        self._tokens = tokens
        self._at = 0
        self.place = place

    @property
    def done(self) -> bool:
        return self._at >= len(self._tokens)

    def take(self, wanted: str) -> Token:
        if self.done:
            raise TemplateSyntaxError(f"{wanted} is missing", self.place)
        self._at += 1
        return self._tokens[self._at - 1]

    def sign(self, sign: str, *, after: int = 0) -> bool:
        """Whether this sign comes next, or after so many tokens."""
        at = self._at + after
        return at < len(self._tokens) and self._tokens[at][:2] == ("sign", sign)


def _argument(tokens: _Tokens, *, depth: int) -> Expression:
    token = tokens.take("an argument")
    if token.kind == "literal":
        return Literal(token.value)
    if token.kind == "path":
        return parse_path(str(token.value), token.place)
    if token.value != "(":
        raise TemplateSyntaxError(f"{token.value!r} cannot stand here", token.place)
    if depth >= MAX_NESTING:
        raise TemplateSyntaxError(f"parentheses nest at most {MAX_NESTING} deep", token.place)
    name = tokens.take("a helper")
    call = _call(name, tokens, depth=depth + 1)
    tokens.take("a closing parenthesis")
    return call


def _call(name: Token, tokens: _Tokens, *, depth: int) -> Call:
    """A helper's arguments, up to the closing parenthesis or the end of the tag."""
    if name.kind == "literal":
        raise TemplateSyntaxError("a literal is no helper", name.place)
    signature = SIGNATURES.get(str(name.value))
    if signature is None:
        raise TemplateSyntaxError(f"there is no helper {name.value}", name.place)
    positional: list[Expression] = []
    named: dict[str, Expression] = {}
    while not (tokens.done or tokens.sign(")")):
        if tokens.sign("=", after=1):
            key = tokens.take("a name")
            if key.kind != "path" or str(key.value) in named:
                raise TemplateSyntaxError("an argument's name stands before =, and once only", key.place)
            tokens.take("=")
            named[str(key.value)] = _argument(tokens, depth=depth)
        elif named:
            raise TemplateSyntaxError("arguments with names come last", tokens.take("").place)
        else:
            positional.append(_argument(tokens, depth=depth))
    arguments = _arranged(name, signature, positional, named)
    return Call(name=str(name.value), place=name.place, arguments=arguments)


def _arranged(
    name: Token, signature: Signature, positional: list[Expression], named: dict[str, Expression]
) -> tuple[Expression | None, ...]:
    """The arguments in the order of the parameters."""
    parameters = signature.parameters
    if len(positional) < signature.required:
        raise TemplateSyntaxError(f"{name.value} needs {_counted(signature.required)}", name.place)
    if len(positional) > len(parameters):
        if signature.more:
            return tuple(positional)
        raise TemplateSyntaxError(f"{name.value} takes at most {_counted(len(parameters))}", name.place)
    arranged: list[Expression | None] = [*positional, *[None] * (len(parameters) - len(positional))]
    for key, value in named.items():
        at = parameters.index(key) if key in parameters else -1
        if at < signature.required:
            raise TemplateSyntaxError(f"{name.value} has no argument with the name {key}", name.place)
        if at < len(positional):
            raise TemplateSyntaxError(f"{key} is given twice", name.place)
        arranged[at] = value
    return tuple(arranged)


def _counted(count: int) -> str:
    return "1 argument" if count == 1 else f"{count} arguments"
