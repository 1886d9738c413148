"""Hand-written SQL for the hot path: many rows in one statement, on SQLite and on PostgreSQL alike.

Django's ORM costs 5 to 20 times more per row than the statement it makes. These few functions keep Django's knowledge
of how a value is stored (a field's `get_db_prep_save`) and leave the rest to the database.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, TypeVar
from uuid import UUID

import orjson
from django.db import connection, models

Row = Sequence[Any]
Item = TypeVar("Item")

_MAX_PARAMETERS = 30_000  # SQLite's default limit is 32,766, PostgreSQL's 65,535


def insert_rows(
    model: type[models.Model],
    columns: tuple[str, ...],
    rows: Sequence[Row],
    *,
    ignore_conflicts: bool = False,
    returning: str = "",
) -> list[Any]:
    """Insert rows given as tuples of field values in the order of `columns` (attnames).

    One statement for any usual number of rows (a database limits the parameters of one). With `returning`, a
    column's stored value for each row that was really inserted.
    """
    if not rows:
        return []
    names, adapters = _columns(model, columns, connection.vendor)
    ending = " ON CONFLICT DO NOTHING" if ignore_conflicts else ""
    ending += f" RETURNING {returning}" if returning else ""
    one = "(" + ", ".join(["%s"] * len(columns)) + ")"
    inserted: list[Any] = []
    with connection.cursor() as cursor:
        for chunk in batched(rows, max(1, _MAX_PARAMETERS // len(columns))):
            cursor.execute(
                f"INSERT INTO {model._meta.db_table} ({names}) VALUES {', '.join([one] * len(chunk))}{ending}",
                [adapt(value) for row in chunk for adapt, value in zip(adapters, row, strict=True)],
            )
            if returning:
                inserted += [row[0] for row in cursor.fetchall()]
    return inserted


def batched(rows: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    """The items in runs of `size`."""
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


def values_table(
    name: str, model: type[models.Model], columns: Mapping[str, str], rows: Sequence[Row]
) -> tuple[str, list[Any]]:
    """`name(aliases) AS (VALUES …)` for a WITH clause, and its parameters.

    `columns` maps each alias to the column (attname) of `model` whose type it has.
    """
    _, adapters = _columns(model, tuple(columns.values()), connection.vendor)
    first = ", ".join(_typed_hole(model, column, connection.vendor) for column in columns.values())
    rest = ", ".join(["%s"] * len(columns))
    rows_sql = ", ".join([f"({first})"] + [f"({rest})"] * (len(rows) - 1))
    parameters = [adapt(value) for row in rows for adapt, value in zip(adapters, row, strict=True)]
    return f"{name} ({', '.join(columns)}) AS (VALUES {rows_sql})", parameters


def read_uuid(value: Any) -> UUID:
    """A UUID as a raw query returns it: text on SQLite, a UUID on PostgreSQL."""
    return value if isinstance(value, UUID) else UUID(value)


def read_time(value: datetime) -> datetime:
    """A time as a raw query returns it: without a zone on SQLite, where Django stores UTC."""
    return value if value.tzinfo else value.replace(tzinfo=UTC)


def adapted(model: type[models.Model], column: str, values: Iterable[Any]) -> list[Any]:
    """Values as the database stores them in this column."""
    _, (adapt,) = _columns(model, (column,), connection.vendor)
    return [adapt(value) for value in values]


def holes(values: Sequence[Any]) -> str:
    """Placeholders for an IN list."""
    return ", ".join(["%s"] * len(values))


@lru_cache(maxsize=256)
def _columns(
    model: type[models.Model], columns: tuple[str, ...], vendor: str
) -> tuple[str, tuple[Callable[[Any], Any], ...]]:
    fields = [_field(model, column) for column in columns]
    names = ", ".join(connection.ops.quote_name(str(field.column)) for field in fields)
    return names, tuple(_adapter(field, vendor) for field in fields)


def _field(model: type[models.Model], column: str) -> "models.Field[Any, Any]":
    for field in model._meta.concrete_fields:
        if field.attname == column:
            return field
    raise KeyError(f"{model.__name__} has no column {column!r}")


def _adapter(field: "models.Field[Any, Any]", vendor: str) -> Callable[[Any], Any]:
    target = field.target_field if isinstance(field, models.ForeignKey) else field
    if vendor == "sqlite" and isinstance(target, models.UUIDField):
        return lambda value: None if value is None else value.hex
    if vendor == "sqlite" and isinstance(target, models.DateTimeField):
        return _sqlite_time
    if vendor == "sqlite" and isinstance(target, models.JSONField):
        return lambda value: orjson.dumps(value).decode()
    if isinstance(target, models.CharField | models.TextField | models.IntegerField | models.BooleanField):
        return lambda value: value  # stored as Python has it
    return lambda value: target.get_db_prep_save(value, connection=connection)


def _sqlite_time(value: datetime | None) -> str | None:
    """As Django stores it: UTC without saying so. Its own way through the field costs five times as much."""
    if value is None:
        return None
    return str((value if value.tzinfo is UTC else value.astimezone(UTC)).replace(tzinfo=None))


def _typed_hole(model: type[models.Model], column: str, vendor: str) -> str:
    """PostgreSQL takes the types of a VALUES list from its first row; a bare parameter there is text."""
    if vendor != "postgresql":
        return "%s"
    return f"%s::{_field(model, column).db_type(connection)}"


def delete_oldest(rows: models.QuerySet[Any], *, limit: int) -> int:
    """Delete up to `limit` rows, oldest first: short statements, so that nobody waits long."""
    keys = list(rows.order_by("pk").values_list("pk", flat=True)[:limit])
    deleted: int = rows.model._default_manager.filter(pk__in=keys).delete()[0]
    return deleted
