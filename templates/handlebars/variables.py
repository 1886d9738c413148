"""Which variables a template uses, and how. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal as Choice

from templates.handlebars.scopes import TOP, Scopes
from templates.handlebars.tree import Block, Branch, Call, Expression, Literal, Node, Path, Print
from templates.handlebars.values import position

VariableKind = Choice["string", "object", "list"]
_FORGIVING = frozenset({"and", "or", "not"})
# True only if the values in them are there: a comparison with null is false.
_PROVING = frozenset({"gt", "gte", "lt", "lte", "uppercase", "lowercase", "capitalize", "date", "currency"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """A key that a template looks for in its data.

    `required`: some use of it is neither tested nor given a default, so that rendering may fail without it. May: the
    use can stand in a branch that is not taken; only rendering knows. A use inside an `#if` that tests the variable
    does not count. `kind` is None where the template only tests the variable.
    """

    name: str
    required: bool
    kind: VariableKind | None


@dataclass(slots=True)
class _Use:
    required: bool = False
    kind: VariableKind | None = None
    is_loose: bool = True  # the kind is only that of something printed


def find_variables(body: Sequence[Node]) -> tuple[Variable, ...]:
    """The variables of a template in the order of their first use."""
    finder = _Finder()
    finder.body(body, TOP, frozenset())
    return tuple(
        Variable(name=name, required=use.required, kind=use.kind) for name, use in finder.uses.items()
    )


class _Finder:
    """Walks a tree; `present` are the variables that are known to be there at a place."""

    def __init__(self) -> None:
        self.uses: dict[str, _Use] = {}

    def body(self, body: Sequence[Node], scopes: Scopes, present: frozenset[str]) -> None:
        for node in body:
            if isinstance(node, Print):
                kind: VariableKind | None = "string" if isinstance(node.expression, Path) else None
                self.expression(node.expression, scopes, present, kind=kind)
            elif isinstance(node, Block):
                self.block(node, scopes, present)

    def block(self, block: Block, scopes: Scopes, present: frozenset[str]) -> None:
        for branch in block.branches:
            if branch.kind == "each" or branch.kind == "with":
                kind: VariableKind = "list" if branch.kind == "each" else "object"
                self.expression(branch.subject, scopes, present, kind=kind)
                self.body(branch.body, scopes.inside(branch.kind, branch.subject), present)
                continue
            self.expression(branch.subject, scopes, present, lenient=True)
            self.body(branch.body, scopes, present | _proven(branch, scopes, taken=True))
            present |= _proven(branch, scopes, taken=False)

    def expression(
        self,
        expression: Expression,
        scopes: Scopes,
        present: frozenset[str],
        *,
        lenient: bool = False,
        kind: VariableKind | None = None,
    ) -> None:
        if isinstance(expression, Path):
            self.path(expression, scopes, required=not lenient, present=present, kind=kind)
        elif isinstance(expression, Call):
            lenient = lenient or expression.name in _FORGIVING
            for at, argument in enumerate(expression.arguments):
                may_miss = lenient or (expression.name == "default" and at == 0)
                if argument is not None:
                    of_argument = kind or ("string" if expression.name != "lookup" or at else None)
                    self.expression(argument, scopes, present, lenient=may_miss, kind=of_argument)

    def path(
        self,
        path: Path,
        scopes: Scopes,
        *,
        required: bool,
        present: frozenset[str],
        kind: VariableKind | None,
    ) -> None:
        if path.data and path.parts[0] == "key":
            self._has_keys(scopes.levels[-1 - scopes.hops(path)].name)
        name = scopes.variable(path)
        if name is None:
            return
        use = self.uses.setdefault(name, _Use())
        use.required = use.required or (required and name not in present)
        below = scopes.names(path)[1:]
        if below:
            kind = "list" if below[0] == "length" or position(below[0]) is not None else "object"
        if kind is not None and use.is_loose:
            use.kind, use.is_loose = kind, kind == "string"

    def _has_keys(self, name: str | None) -> None:
        """What is gone through by key is an object."""
        if name in self.uses:
            self.uses[name].kind = "object"


def _proven(branch: Branch, scopes: Scopes, *, taken: bool) -> frozenset[str]:
    """Variables that must be there where a branch is taken, or where it is passed over."""
    if branch.kind not in {"if", "unless"}:
        return frozenset()
    return _implied(branch.subject, scopes, truth=taken is (branch.kind == "if"))


def _implied(test: Expression, scopes: Scopes, *, truth: bool) -> frozenset[str]:
    """Variables that must be there where a test comes out so."""
    if isinstance(test, Path):
        name = scopes.variable(test)
        return frozenset({name}) if truth and name else frozenset()
    if isinstance(test, Literal):
        return frozenset()
    arguments = [argument for argument in test.arguments if argument is not None]
    if test.name == "not":
        return _implied(arguments[0], scopes, truth=not truth)
    is_equal_to_something = test.name == "eq" and any(
        isinstance(one, Literal) and one.value is not None for one in arguments
    )
    if truth and (test.name in _PROVING or test.name == "and" or is_equal_to_something):
        return frozenset[str]().union(*(_implied(one, scopes, truth=True) for one in arguments))
    if not truth and test.name == "or":
        return frozenset[str]().union(*(_implied(one, scopes, truth=False) for one in arguments))
    return frozenset()
