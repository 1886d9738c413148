"""Expressions to closures that work out their values. Pure.

`lenient` marks what may be missing: the tests of `#if`, `#unless`, `and`, `or` and `not`, with everything in them,
and what `default` has a fallback for.
"""

from typing import Any

from templates.handlebars.errors import HelperError, MissingVariable, TemplateSyntaxError
from templates.handlebars.formats import Refused, check_pattern
from templates.handlebars.functions import COSTS, FUNCTIONS, REFUSALS
from templates.handlebars.lookups import compile_path
from templates.handlebars.running import CHARACTERS_A_STEP, Frame, Get, Run
from templates.handlebars.scopes import Scopes
from templates.handlebars.tree import Call, Expression, Literal, Path
from templates.handlebars.values import MISSING, Unprintable, is_true, lookup, to_text

_LONGEST_NAME = 100  # characters of a key in a message


def compile_expression(expression: Expression, scopes: Scopes, *, lenient: bool = False) -> Get:
    """The closure of an expression. Raises TemplateSyntaxError for a path or an argument that can never work."""
    if isinstance(expression, Literal):
        value = expression.value
        return lambda _run, _frame: value
    if isinstance(expression, Path):
        return compile_path(expression, scopes, lenient=lenient)
    if expression.name in {"and", "or"}:
        return _junction(expression, scopes, until=expression.name == "or")
    if expression.name == "not":
        test = compile_expression(_given(expression, 0), scopes, lenient=True)
        return lambda run, frame: not is_true(test(run, frame))
    if expression.name == "default":
        return _default(expression, scopes, lenient=lenient)
    if expression.name == "lookup":
        return _lookup(expression, scopes, lenient=lenient)
    return _function(expression, scopes, lenient=lenient)


def weigh(expression: Expression) -> int:
    """How many steps an expression takes, at most, apart from long texts."""
    if isinstance(expression, Literal):
        return 0
    if isinstance(expression, Path):
        return 1 + expression.up + len(expression.parts)
    return COSTS.get(expression.name, 1) + sum(
        weigh(argument) for argument in expression.arguments if argument
    )


def _given(call: Call, at: int) -> Expression:
    """An argument that the parser saw to."""
    argument = call.arguments[at]
    assert argument is not None
    return argument


def _junction(call: Call, scopes: Scopes, *, until: bool) -> Get:
    """`and`, `or`: the first value that decides, else the last one."""
    tests = [compile_expression(test, scopes, lenient=True) for test in call.arguments if test]

    def decide(run: Run, frame: Frame) -> Any:
        value = None
        for test in tests:
            value = test(run, frame)
            if is_true(value) is until:
                return value
        return value

    return decide


def _default(call: Call, scopes: Scopes, *, lenient: bool) -> Get:
    """The first value, unless it is missing, null or an empty text."""
    first = compile_expression(_given(call, 0), scopes, lenient=True)
    fallback = compile_expression(_given(call, 1), scopes, lenient=lenient)

    def choose(run: Run, frame: Frame) -> Any:
        value = first(run, frame)
        return fallback(run, frame) if value is None or value == "" else value

    return choose


def _lookup(call: Call, scopes: Scopes, *, lenient: bool) -> Get:
    """A field whose name is a value."""
    holder = _given(call, 0)
    get_holder = compile_expression(holder, scopes, lenient=lenient)
    get_key = compile_expression(_given(call, 1), scopes, lenient=lenient)
    written = holder.text if isinstance(holder, Path) else "lookup"

    def field(run: Run, frame: Frame) -> Any:
        key = get_key(run, frame)
        value = lookup(get_holder(run, frame), key)
        if value is not MISSING:
            return value
        if lenient:
            return None
        raise MissingVariable(f"{written}.{_shown_key(key, call)}", call.place)

    return field


def _shown_key(key: Any, call: Call) -> str:
    """A key in a message."""
    if type(key) is list or type(key) is dict or key is None:
        raise HelperError("lookup: a key is a text or a number", call.place)
    try:
        return to_text(key, 0)[:_LONGEST_NAME]
    except Unprintable as refusal:
        raise HelperError(f"lookup: {refusal}", call.place) from None


def _function(call: Call, scopes: Scopes, *, lenient: bool) -> Get:
    """A helper that is a function of its values. Long texts cost steps."""
    name, place, function = call.name, call.place, FUNCTIONS[call.name]
    _check_literals(call)
    arguments = [
        compile_expression(argument or Literal(None), scopes, lenient=lenient) for argument in call.arguments
    ]

    def value(run: Run, frame: Frame) -> Any:
        values = [argument(run, frame) for argument in arguments]
        for one in values:
            _pay(run, one)
        if run.steps < 0:
            raise run.exceeded(place)
        try:
            result = function(*values)
        except REFUSALS as refusal:
            raise HelperError(f"{name}: {refusal}", place) from None
        _pay(run, result)
        return result

    return value


def _pay(run: Run, value: Any) -> None:
    """Take the steps for a long text that is read or made; the next to count sees that they are used up."""
    if type(value) is str and len(value) > CHARACTERS_A_STEP:
        run.steps -= len(value) // CHARACTERS_A_STEP


def _check_literals(call: Call) -> None:
    """A pattern that stands in the template is judged with the template."""
    pattern = call.arguments[1] if call.name == "date" else None
    if isinstance(pattern, Literal) and pattern.value is not None:
        try:
            check_pattern(pattern.value)
        except Refused as refusal:
            raise TemplateSyntaxError(f"date: {refusal}", call.place) from None
