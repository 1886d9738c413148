"""JSON values as JavaScript sees them: what is true, equal, less, and how it prints. Pure.

Only dict, list, str, int, float, bool and None themselves are values; nothing here reads an attribute.
"""

import re
from collections.abc import Callable
from typing import Any, Final

MISSING: Final[Any] = object()
_MAX_LIST_DEPTH: Final = 20
_EXACT_INTEGER: Final = 2**53

_NEEDS_ESCAPE: Final = re.compile("[&<>\"'`=]").search
_ESCAPES: Final = str.maketrans(
    {
        "&": "&amp;",
        "<": "&lt;",
        ">": "&gt;",
        '"': "&quot;",
        "'": "&#x27;",
        "`": "&#x60;",
        "=": "&#x3D;",
    }
)


class Unprintable(ValueError):
    """A value that has no text, with a sentence that says why."""


class TooDeep(ValueError):
    """A list in a list in a list … to be printed."""


class TooLong(ValueError):
    """A list whose text is longer than what is left of the output."""


def escape(text: str) -> str:
    """Text as HTML, in an element or a quoted attribute."""
    return text.translate(_ESCAPES) if _NEEDS_ESCAPE(text) else text


def is_true(value: Any) -> bool:
    """What `#if` takes for true: an object always, a list if it has an item, otherwise as in JavaScript."""
    kind = type(value)
    if kind is float:
        return bool(value == value and value)  # not a number is false
    return kind is dict or bool(value)


def child(value: Any, key: str, index: int | None) -> Any:
    """What a value holds under a key; `index` is the key as a position, if it is one. MISSING if nothing."""
    kind = type(value)
    if kind is dict:
        return value.get(key, MISSING)
    if kind is list or kind is str:
        if index is not None:
            return value[index] if index < len(value) else MISSING
        if key == "length":
            return len(value)
    return MISSING


def position(key: str) -> int | None:
    """A key as a position in a list."""
    if key == "0":
        return 0
    short = len(key) < 9 and key.isascii() and key.isdigit()
    return int(key) if short and key[0] != "0" else None


def to_text(value: Any, room: int) -> str:
    """A value as JavaScript prints it.

    Raises Unprintable for an object or what is no JSON value, TooDeep for lists in lists, and TooLong for a list
    whose text exceeds `room` characters.
    """
    printer = _PRINTERS.get(type(value))
    if printer is not None:
        return printer(value)
    if type(value) is list:
        return _join(value, room, _MAX_LIST_DEPTH)[0]
    if type(value) is dict:
        raise Unprintable("an object has no text; name one of its fields")
    raise Unprintable(f"a value of type {type(value).__name__} is no JSON value")


def _join(items: list[Any], room: int, depth: int) -> tuple[str, int]:
    """Items between commas, and the room that is left."""
    if not depth:
        raise TooDeep
    room -= max(0, len(items) - 1)
    texts = []
    for item in items:
        if room < 0:
            raise TooLong
        if type(item) is list:
            text, room = _join(item, room, depth - 1)
        else:
            text = to_text(item, room)
            room -= len(text)
        texts.append(text)
    if room < 0:
        raise TooLong
    return ",".join(texts), room


def _integer(value: int) -> str:
    try:
        return str(value)
    except ValueError:  # Python prints at most 4300 digits
        raise Unprintable("a number has too many digits") from None


def _number(value: float) -> str:
    """ECMA-262, Number::toString: shortest digits, an exponent below 1e-6 and from 1e21."""
    if value == 0:
        return "0"
    written = repr(value)
    if "e" not in written:
        return written.removesuffix(".0") if value - value == 0 else _not_finite(value)
    sign = "-" if value < 0 else ""
    mantissa, _, exponent = written.removeprefix("-").partition("e")
    digits = (
        mantissa.replace(".", "").removesuffix("0") if mantissa.endswith(".0") else mantissa.replace(".", "")
    )
    point = int(exponent) + 1  # digits before the decimal point
    if len(digits) <= point <= 21:
        return f"{sign}{digits}{'0' * (point - len(digits))}"
    if -6 < point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    fraction = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{sign}{digits[0]}{fraction}e{point - 1:+d}"


def _not_finite(value: float) -> str:
    return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"


_PRINTERS: Final[dict[type, Callable[[Any], str]]] = {
    str: lambda value: value,
    int: _integer,
    float: _number,
    bool: lambda value: "true" if value else "false",
    type(None): lambda _value: "",
}


def are_equal(left: Any, right: Any) -> bool:
    """Strictly, as `===` does: a number never equals a string, and a list or an object only itself."""
    kinds = type(left), type(right)
    if list in kinds or dict in kinds:
        return left is right
    if bool in kinds and kinds[0] is not kinds[1]:
        return False
    return bool(left == right)


def compare(left: Any, right: Any) -> int | None:
    """Less than, equal to or more than 0, for two numbers or two texts; None where one is null.

    Raises Unprintable for anything else: JavaScript would compare `"10"` with `9` as numbers, but `"10"` with `"9"`
    as texts, and a price that comes as a text would be compared wrongly without a word.
    """
    if left is None or right is None:
        return None
    if not (_is_number(left) and _is_number(right)) and not (type(left) is type(right) is str):
        raise Unprintable("only two numbers or two texts can be compared")
    return int(left > right) - int(left < right)


def _is_number(value: Any) -> bool:
    return type(value) is int or type(value) is float


def lookup(value: Any, key: Any) -> Any:
    """What a value holds under a key that is a value itself. MISSING if nothing."""
    if type(key) is float and key.is_integer() and abs(key) < _EXACT_INTEGER:
        key = int(key)
    if type(key) is int and 0 <= key < _EXACT_INTEGER:
        return child(value, str(key), key)
    return child(value, key, position(key)) if type(key) is str else MISSING
