"""Dates and amounts of money for readers of a language, with the data of Babel (Unicode CLDR). Pure."""

import re
from datetime import UTC, date, datetime, tzinfo
from decimal import Decimal
from functools import lru_cache
from math import isfinite
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_datetime
from babel.numbers import format_currency, list_currencies

MAX_PATTERN: Final = 100  # characters
_MAX_TIME: Final = 64  # characters; an ISO 8601 time has about 35
_MAX_AMOUNT: Final = Decimal(10) ** 15
_MAX_DIGITS: Final = 40

_NAMED_FORMATS: Final = frozenset({"short", "medium", "long", "full"})
_QUOTED: Final = re.compile("'[^']*'?")
_NO_FIELD: Final = re.compile("[A-Za-z](?<![GyQqMLwdEecaBhHKkmsSzZvXx])")
_TOO_WIDE: Final = re.compile(r"([A-Za-z])\1{6}")  # the widest with a meaning are six S, for microseconds
_INSTEAD: Final = {"Y": "y for the year", "D": "d for the day of the month"}
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d")
_LOCALE: Final = re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{2,8}){0,3}")
_ZONE: Final = re.compile(r"[A-Za-z0-9_+-]+(?:/[A-Za-z0-9_+-]+){0,2}")
_AMOUNT: Final = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")


class Refused(ValueError):
    """An argument that cannot be used, with a sentence that says why."""


def print_date(value: Any, pattern: Any = None, zone: Any = None, language: Any = None) -> str:
    """A date or time of ISO 8601, in a pattern of Unicode TR 35 or a length of `_NAMED_FORMATS`.

    A time is told in `zone` (default UTC; without an offset it is UTC already), a date alone is the same everywhere.
    Null prints empty. Raises Refused.
    """
    if value is None:
        return ""
    pattern = "medium" if pattern is None else pattern
    check_pattern(pattern)
    at, locale = _moment(value), read_locale("en_US" if language is None else language)
    in_zone = read_zone("UTC" if zone is None else zone)
    if isinstance(at, datetime):
        at = (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(in_zone)
    if pattern in _NAMED_FORMATS:
        return format_date(at.date() if isinstance(at, datetime) else at, pattern, locale)
    # A date alone has no zone: midnight in the zone asked for keeps it the day it is.
    moment = at if isinstance(at, datetime) else datetime(at.year, at.month, at.day, tzinfo=in_zone)
    try:
        return format_datetime(moment, pattern, in_zone, locale)
    except (ValueError, KeyError, OverflowError) as error:
        raise Refused(f"{pattern} is no pattern: {error}") from None


def print_currency(value: Any, code: Any = None, language: Any = None) -> str:
    """An amount in a currency (ISO 4217, default USD). Null prints empty. Raises Refused."""
    if value is None:
        return ""
    code = "USD" if code is None else code
    if not isinstance(code, str) or code not in _currencies():
        raise Refused(f"{_shown(code)} is no currency code, such as EUR")
    return format_currency(
        _amount(value), code, locale=read_locale("en_US" if language is None else language)
    )


def check_pattern(pattern: Any) -> None:
    """Refuse what is no pattern of a date. Raises Refused."""
    if type(pattern) is not str or not 0 < len(pattern) <= MAX_PATTERN:
        raise Refused(f"a pattern is a text of 1 to {MAX_PATTERN} characters, such as d MMMM y")
    if pattern in _NAMED_FORMATS:
        return
    fields = _QUOTED.sub("", pattern)
    if found := _TOO_WIDE.search(fields):
        raise Refused(f"{found[0]} is too wide a field in a pattern")
    if found := _NO_FIELD.search(fields):
        hint = _INSTEAD.get(found[0])
        raise Refused(
            f"{found[0]} has no meaning in a pattern: "
            + (f"write {hint}" if hint else "quote it, as in 'at'")
        )


def read_zone(name: Any) -> tzinfo:
    """A time zone by its IANA name. Raises Refused."""
    if type(name) is not str or len(name) > _MAX_TIME or not _ZONE.fullmatch(name):
        raise Refused(f"{_shown(name)} is no time zone, such as Europe/Berlin")
    return _zone(name)


def read_locale(name: Any) -> Locale:
    """A language with its region, `de-DE` or `de_DE`. Raises Refused."""
    if type(name) is not str or not _LOCALE.fullmatch(name):
        raise Refused(f"{_shown(name)} is no locale, such as de-DE")
    return _locale(name.replace("-", "_"))


@lru_cache(maxsize=1_000)
def _zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # a folder's name is an OSError
        raise Refused(f"{name} is no time zone, such as Europe/Berlin") from None


@lru_cache(maxsize=1_000)
def _locale(name: str) -> Locale:
    try:
        return Locale.parse(name)
    except (UnknownLocaleError, ValueError):
        raise Refused(f"{name} is no locale, such as de-DE") from None


@lru_cache(maxsize=1)
def _currencies() -> frozenset[str]:
    return frozenset(list_currencies())


def _moment(value: Any) -> date | datetime:
    if type(value) is str and len(value) <= _MAX_TIME:
        try:
            return date.fromisoformat(value) if _DATE.fullmatch(value) else datetime.fromisoformat(value)
        except ValueError:
            pass
    raise Refused(f"{_shown(value)} is no date or time of ISO 8601, such as 2026-03-01T09:30:00Z")


def _amount(value: Any) -> Decimal:
    amount = None
    if _is_short_integer(value) or (type(value) is float and isfinite(value)):
        amount = Decimal(repr(value))  # a float's shortest digits, not its exact value
    elif type(value) is str and len(value) <= _MAX_DIGITS and _AMOUNT.fullmatch(value):
        amount = Decimal(value)
    if amount is None or abs(amount) >= _MAX_AMOUNT:
        raise Refused(f"{_shown(value)} is no amount, such as 12.5, below 1e15")
    return amount


def _shown(value: Any) -> str:
    """A value in a message: a text or number if it is short, otherwise its kind."""
    if type(value) in (str, float, bool) or _is_short_integer(value):
        written = str(value)
        return f"{written[:40]}…" if len(written) > 40 else written or "an empty text"
    return {dict: "an object", list: "a list", type(None): "null"}.get(type(value), "this")


def _is_short_integer(value: Any) -> bool:
    """Whether an integer is small enough for an amount; printing a very long one would raise."""
    return type(value) is int and abs(value) < _MAX_AMOUNT
