"""From request bytes to values: JSON that means one thing only, then a pydantic model.

orjson and pydantic accept duplicate keys, and pydantic NaN; the standard library lets us refuse both at a cost of about
2 µs a mail.
"""

import json
import math
from collections.abc import Iterable
from datetime import datetime
from typing import Any, NoReturn, TypeVar

from pydantic import BaseModel, ConfigDict, RootModel, ValidationError
from pydantic_core import ErrorDetails

from mailgrid.core.errors import FieldError, Invalid, MissingField
from mailgrid.http.errors import TooLarge, Unreadable, UnsupportedMediaType

MAX_DEPTH = 32
MAX_KEYS = 10_000
MAX_ERRORS = 1_000  # beyond it nobody reads them, and a sentence for each of a million costs ten seconds
MEGABYTE = 1024 * 1024

# SDKs repeat values of the path in their bodies; these alone are ignored when a model does not know them.
FILLERS = frozenset({"id", "email", "broadcast_id", "webhook_id", "contact_id", "segment_id", "audience_id"})

_CONTAINERS = frozenset({dict, list})  # as json makes them

Model = TypeVar("Model", bound=BaseModel)


class Body(BaseModel):
    """The base of every request model: unknown fields are refused and nothing is converted."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class NoBody(Body):
    """Verbs that take nothing; an empty body or `{}` is fine, and SDKs may repeat what the path says."""


def read_json(request: Any, *, limit: int, max_keys: int = MAX_KEYS) -> Any:
    """The body as plain Python values; an empty one is `{}`.

    Raises `UnsupportedMediaType`, `TooLarge` (over `limit` bytes) or `Unreadable`.
    """
    raw = _read_bytes(request, limit)
    if not raw.strip():
        return {}
    value = _parse(raw, max_keys)
    if raw.count(b"{") + raw.count(b"[") > MAX_DEPTH and _deeper_than(value, MAX_DEPTH):
        raise Unreadable(f"The body is nested deeper than {MAX_DEPTH} levels.")
    if b"\\u0000" in raw or b"\\ud" in raw.lower():
        _refuse_broken_text(value)
    return value


def validate(model: type[Model], value: Any, *, now: datetime) -> Model:
    """`value` as the model; raises `Invalid` or `MissingField` with every field that is to blame."""
    if isinstance(value, dict):
        if not FILLERS.isdisjoint(value):
            ignored = FILLERS - model.model_fields.keys()
            value = {key: item for key, item in value.items() if key not in ignored}
    elif not issubclass(model, RootModel):
        raise Invalid("The body must be a JSON object.")
    try:
        return model.model_validate(value, context={"now": now})
    except ValidationError as error:
        if error.error_count() > MAX_ERRORS:
            raise Invalid(f"The body has {error.error_count():,} wrong values.") from None
        raise _refusal(error.errors(include_url=False)) from None


def _read_bytes(request: Any, limit: int) -> bytes:
    if request.META.get("HTTP_CONTENT_ENCODING", "identity").lower() not in {"", "identity"}:
        raise UnsupportedMediaType("Compressed request bodies are not accepted.")
    if int(request.META.get("CONTENT_LENGTH") or 0) > limit:
        raise TooLarge(f"The body may have at most {limit:,} bytes here.")
    raw: bytes = request.body
    if len(raw) > limit:
        raise TooLarge(f"The body may have at most {limit:,} bytes here.")
    media_type = (request.META.get("CONTENT_TYPE") or "").partition(";")[0].strip().lower()
    if raw and media_type not in {"application/json", ""}:
        raise UnsupportedMediaType("Send JSON, with Content-Type: application/json.")
    return raw


def _parse(raw: bytes, max_keys: int) -> Any:
    keys = 0

    def as_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal keys
        keys += len(pairs)
        if keys > max_keys:
            raise Unreadable(f"The body has more than {max_keys:,} keys.")
        made = dict(pairs)
        if len(made) < len(pairs):
            raise Unreadable("The body has the same key twice in one object.")
        return made

    try:
        return json.loads(
            raw.decode("utf-8-sig"),  # json would guess UTF-16 and let halves of characters pass
            object_pairs_hook=as_object,
            parse_constant=_refuse_constant,
            parse_float=_finite,
            parse_int=_whole,
        )
    except (ValueError, RecursionError):
        raise Unreadable("The body is not valid JSON.") from None


def _refuse_constant(name: str) -> NoReturn:
    raise Unreadable(f"{name} is not JSON.")


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise Unreadable("A number is out of range.")
    return number


def _whole(text: str) -> int:
    if len(text) > 20 or not -(2**63) <= (number := int(text)) < 2**63:
        raise Unreadable("A number is out of range.")
    return number


def _children(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _deeper_than(value: Any, limit: int) -> bool:
    """Level by level, of which a batch has many values and few levels."""
    level = [value]
    for _ in range(limit):
        level = [child for parent in level for child in _children(parent) if type(child) in _CONTAINERS]
        if not level:
            return False
    return True


def _refuse_broken_text(value: Any) -> None:
    """NUL and lone surrogates are legal in JSON and nowhere else: no database stores them."""
    rest = [value]
    while rest:
        item = rest.pop()
        if isinstance(item, dict):
            rest.extend(item)
        rest.extend(_children(item))
        if isinstance(item, str) and ("\0" in item or not _encodable(item)):
            raise Unreadable("The body has text that is not valid Unicode, or a NUL character.")


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


_CODES = {
    "extra_forbidden": "unknown_field",
    "missing": "missing_required_field",
    "string_too_long": "too_long",
    "enum": "invalid_choice",
    "literal_error": "invalid_choice",
    "string_pattern_mismatch": "invalid_choice",
    "string_too_short": "out_of_range",
    "too_short": "out_of_range",
    "greater_than": "out_of_range",
    "greater_than_equal": "out_of_range",
    "less_than": "out_of_range",
    "less_than_equal": "out_of_range",
    "finite_number": "out_of_range",
}
# Names that pydantic adds to a path: of tried union members, and of a dict's key.
_NO_FIELDS = frozenset({"str", "int", "float", "bool"})
# Errors that a validator of ours raised carry their code as pydantic's error type.
OUR_CODES = frozenset(
    {
        "invalid_email",
        "invalid_time",
        "too_many_recipients",
        "mutually_exclusive",
        "reserved_header",
        "reserved_name",
        "forbidden_host",
        "out_of_range",
        "too_long",
        "too_many",
        "invalid_choice",
        "invalid_type",
        "not_found",
        "invalid_attachment",
    }
)


def _refusal(details: list[ErrorDetails]) -> Invalid:
    items = [_field_error(detail) for detail in details]
    items = list({(item.field, item.code): item for item in items}.values())[:100]
    missing = [item for item in items if item.code == "missing_required_field"]
    first = (missing or items)[0]
    message = f"{first.field}: {first.message}" if first.field else first.message
    return (MissingField if missing else Invalid)(message, errors=items)


def _field_error(detail: ErrorDetails) -> FieldError:
    kind = detail["type"]
    if kind == "too_long" and "actual_length" in detail.get("ctx", {}):  # pydantic's word for a list
        kind = "too_many"
    if kind.endswith("_type") and detail["input"] is None and len(detail["loc"]) == 1:
        kind = "missing"  # null means "not given"
    code = kind if kind in OUR_CODES else _CODES.get(kind, "invalid_type")
    return FieldError(_path(detail["loc"]), code, _sentence(code, detail["msg"]))


def _sentence(code: str, message: str) -> str:
    return {
        "unknown_field": "This field is not known here.",
        "missing_required_field": "This field is required.",
        "out_of_range": message.replace(" after validation, not 0", ""),
    }.get(code, message)


def _path(location: tuple[int | str, ...]) -> str:
    """`("to", 1)` as `to[1]`. Pydantic adds the names of tried union members, which mean nothing to a caller."""
    path = ""
    for step in location:
        if isinstance(step, int):
            path += f"[{step}]"
        elif step not in _NO_FIELDS and (step.isidentifier() or "-" in step):
            path += f".{step}" if path else step
    return path
