"""Times as people write them in requests: ISO 8601, `now`, or `in N unit`."""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, ValidationInfo, WithJsonSchema
from pydantic_core import PydanticCustomError

_UNITS = {
    **dict.fromkeys(("second", "seconds", "sec", "s"), 1),
    **dict.fromkeys(("minute", "minutes", "min", "mins", "m"), 60),
    **dict.fromkeys(("hour", "hours", "hr", "h"), 3600),
    **dict.fromkeys(("day", "days", "d"), 86_400),
    **dict.fromkeys(("week", "weeks", "w"), 604_800),
}
_RELATIVE = re.compile(r"in\s+(\d{1,4}|an?)\s+([a-z]+)", re.IGNORECASE | re.ASCII)
_ABSOLUTE = re.compile(
    r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}([.,]\d{1,6})?)?(Z|[+-]\d{2}:?\d{2})?)?",
    re.IGNORECASE | re.ASCII,
)


def parse_time(text: str, *, now: datetime) -> datetime:
    """The moment that `text` names, in UTC (no zone means UTC); raises ValueError for anything else."""
    text = text.strip()
    if text.lower() == "now":
        return now
    if match := _RELATIVE.fullmatch(text):
        count, unit = match[1].lower(), match[2].lower()
        if unit in _UNITS:
            return now + timedelta(seconds=(1 if count in {"a", "an"} else int(count)) * _UNITS[unit])
    elif _ABSOLUTE.fullmatch(text):
        moment = datetime.fromisoformat(text.upper().replace(",", "."))
        return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
    raise ValueError("expected ISO 8601, 'now', or 'in N minutes|hours|days|weeks'")


def _read(value: Any, info: ValidationInfo) -> Any:
    if value is None or isinstance(value, datetime):
        return value
    try:
        return parse_time(value, now=(info.context or {})["now"])
    except (ValueError, OverflowError, AttributeError, TypeError):
        raise PydanticCustomError(
            "invalid_time", "Write an ISO 8601 time, 'now', or 'in N minutes|hours|days|weeks'."
        ) from None


WireTime = Annotated[
    datetime,
    BeforeValidator(_read),
    WithJsonSchema({"type": "string", "examples": ["2026-11-22T09:30:00.000Z", "in 1 hour"]}),
]
