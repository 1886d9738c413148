"""A source to its tree. Pure; its depth and size are limited, and it takes linear time."""

from dataclasses import dataclass
from typing import Final, cast

from templates.handlebars.errors import Place, TemplateSyntaxError
from templates.handlebars.expressions import parse_print, parse_subject
from templates.handlebars.tags import Cutter, Tag, Token
from templates.handlebars.tree import BLOCKS, Block, BlockKind, Branch, Comment, Literal, Node, Print, Text

MAX_SOURCE: Final = 2 * 1024 * 1024  # bytes in UTF-8
MAX_NESTING: Final = 20  # blocks in blocks; a chain of `else if` is one block


def parse(source: str) -> list[Node]:
    """The nodes of a template, with whitespace as written. Raises TemplateSyntaxError."""
    if len(source) > MAX_SOURCE or len(source.encode(errors="surrogatepass")) > MAX_SOURCE:
        raise TemplateSyntaxError("a template has at most 2 MB", Place(1, 1))
    parser = _Parser()
    for piece in Cutter(source).pieces():
        if isinstance(piece, str):
            parser.body.append(Text(piece))
        else:
            parser.add(piece)
    return parser.finish()


@dataclass(frozen=True, slots=True)
class _Open:
    """A block whose end has not come yet."""

    name: str
    block: Block
    around: list[Node]
    place: Place


class _Parser:
    """Grows a tree by a tag at a time; `body` is where the next node goes."""

    def __init__(self) -> None:
        self.body: list[Node] = []
        self._open: list[_Open] = []

    def add(self, tag: Tag) -> None:
        """Take one tag in."""
        if tag.kind == "open":
            self._begin(tag)
        elif tag.kind == "else":
            self._branch(tag)
        elif tag.kind == "close":
            self._end(tag)
        elif tag.kind == "comment":
            self.body.append(Comment(tag.strip))
        else:
            raw = tag.kind == "raw"
            self.body.append(Print(expression=parse_print(tag), raw=raw, strip=tag.strip, place=tag.place))

    def finish(self) -> list[Node]:
        """The whole tree."""
        if self._open:
            last = self._open[-1]
            raise TemplateSyntaxError(f"#{last.name} is not closed", last.place)
        return self.body

    def _begin(self, tag: Tag) -> None:
        if len(self._open) >= MAX_NESTING:
            raise TemplateSyntaxError(f"blocks nest at most {MAX_NESTING} deep", tag.place)
        first = _branch(tag, tag.tokens)
        block = Block(branches=[first])
        self.body.append(block)
        self._open.append(_Open(first.kind, block, self.body, tag.place))
        self.body = first.body

    def _branch(self, tag: Tag) -> None:
        if not self._open:
            raise TemplateSyntaxError("else stands outside of a block", tag.place)
        branches = self._open[-1].block.branches
        if branches[-1].kind == "else":
            raise TemplateSyntaxError("nothing but the end of the block can follow its else", tag.place)
        if tag.tokens:
            branch = _branch(tag, tag.tokens)
        else:
            branch = Branch(kind="else", subject=Literal(None), strip=tag.strip, place=tag.place)
        branches.append(branch)
        self.body = branch.body

    def _end(self, tag: Tag) -> None:
        name = str(tag.tokens[0].value) if len(tag.tokens) == 1 else ""
        if not self._open:
            raise TemplateSyntaxError(f"/{name} closes nothing", tag.place)
        opened = self._open.pop()
        if name != opened.name:
            raise TemplateSyntaxError(
                f"/{name} stands where #{opened.name} of line {opened.place.line} must be closed", tag.place
            )
        opened.block.close = tag.strip
        self.body = opened.around


def _branch(tag: Tag, tokens: tuple[Token, ...]) -> Branch:
    """The branch that a block's opening tag, or an `else` with a condition, begins."""
    name = str(tokens[0].value) if tokens and tokens[0].kind == "path" else ""
    if name not in BLOCKS:
        raise TemplateSyntaxError(f"there is no block {name or 'without a name'}", tag.place)
    subject = parse_subject(tokens[1:], tag.place, name)
    return Branch(kind=cast(BlockKind, name), subject=subject, strip=tag.strip, place=tag.place)
