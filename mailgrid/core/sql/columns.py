"""How the values of a column are written and read, on each database."""

from base64 import b64encode
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, TypeAlias
from uuid import UUID

import orjson
from django.db import connection, models

Field: TypeAlias = "models.Field[Any, Any]"
Adapter: TypeAlias = Callable[[Any], Any]


def read_uuid(value: Any) -> UUID:
    """A UUID as a raw query returns it: text on SQLite, a UUID on PostgreSQL."""
    return value if isinstance(value, UUID) else UUID(value)


def read_time(value: datetime) -> datetime:
    """A time as a raw query returns it: without a zone on SQLite, where Django stores UTC."""
    return value if value.tzinfo else value.replace(tzinfo=UTC)


def storable(text: str) -> str:
    """Words of others as every database keeps them: without NUL, and without halves of characters."""
    return text.replace("\0", "").encode("utf-8", "replace").decode()


def adapted(model: type[models.Model], column: str, values: Iterable[Any]) -> list[Any]:
    """Values as the database takes them for this column."""
    (adapt,) = adapters(model, (column,), connection.vendor)
    return [adapt(value) for value in values]


@lru_cache(maxsize=256)
def adapters(model: type[models.Model], columns: tuple[str, ...], vendor: str) -> tuple[Adapter, ...]:
    """What makes of a Python value what the database takes for each of these columns."""
    return tuple(_adapter(_target(field_of(model, column)), vendor) for column in columns)


def field_of(model: type[models.Model], column: str) -> Field:
    """The field behind a column (attname); raises KeyError."""
    for field in model._meta.concrete_fields:
        if field.attname == column:
            return field
    raise KeyError(f"{model.__name__} has no column {column!r}")


def quoted(model: type[models.Model], columns: Iterable[str]) -> str:
    """The columns' names for a statement."""
    return ", ".join(connection.ops.quote_name(str(field_of(model, column).column)) for column in columns)


def as_document(rows: Iterable[Iterable[Any]]) -> str:
    """Rows as one JSON array of arrays, for `from_document` to take apart in PostgreSQL."""
    return orjson.dumps(rows, default=_plain).decode()


def from_document(model: type[models.Model], column: str, place: int) -> str:
    """The SQL of one value of a row of a document, in its column's type.

    Text stays text: a cast to varchar(16) would cut what is too long instead of refusing it.
    """
    field = _target(field_of(model, column))
    match field:
        case models.JSONField():
            return f"nullif(r -> {place}, 'null')"
        case models.BinaryField():
            return f"decode(r ->> {place}, 'base64')"
        case models.CharField() | models.TextField():
            return f"r ->> {place}"
    return f"(r ->> {place})::{field.db_type(connection)}"


def _plain(value: Any) -> str:
    """What JSON has no word for."""
    if isinstance(value, bytes | memoryview):
        return b64encode(value).decode()
    if isinstance(value, UUID):  # of a subclass
        return str(value)
    raise TypeError(f"A {type(value).__name__} cannot be written into a row.")


def _target(field: Field) -> Field:
    return field.target_field if isinstance(field, models.ForeignKey) else field


def _adapter(field: Field, vendor: str) -> Adapter:
    if vendor == "sqlite" and isinstance(field, models.UUIDField):
        return lambda value: None if value is None else value.hex
    if vendor == "sqlite" and isinstance(field, models.DateTimeField):
        return _sqlite_time
    if vendor == "sqlite" and isinstance(field, models.JSONField):
        return lambda value: None if value is None else orjson.dumps(value).decode()
    if isinstance(field, models.JSONField | models.BinaryField):
        return lambda value: field.get_db_prep_save(value, connection=connection)
    return lambda value: value  # stored as Python has it


def _sqlite_time(value: datetime | None) -> str | None:
    """As Django stores it: UTC without saying so. Its own way through the field costs five times as much."""
    if value is None:
        return None
    return str((value if value.tzinfo is UTC else value.astimezone(UTC)).replace(tzinfo=None))
