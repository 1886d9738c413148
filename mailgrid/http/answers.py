"""From values to response bytes."""

from datetime import datetime
from typing import Any

import orjson
from django.http import HttpResponse

from mailgrid.core.clock import to_wire


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return to_wire(value)
    if isinstance(value, frozenset | set):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} cannot be answered")


def encode(body: dict[str, Any]) -> bytes:
    """The JSON bytes of an answer; times get three decimals and a `Z`."""
    return orjson.dumps(body, default=_plain, option=orjson.OPT_PASSTHROUGH_DATETIME)


def answer(body: dict[str, Any], *, status: int = 200) -> HttpResponse:
    """A JSON response."""
    return HttpResponse(encode(body), status=status, content_type="application/json")
