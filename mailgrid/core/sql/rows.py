"""Rows in: inserts, and tables of values to update from.

SQLite gets a parameter for each value. PostgreSQL gets all rows as one JSON document, so that the text of a statement
is the same for every number of rows and is planned once. Measured on PostgreSQL 15, 100 rows of 17 columns: a VALUES
list 8.5 ms, arrays through unnest 3.6 ms, COPY 1.4 ms, a document 1.2 ms, of which the client's share is 0.3 ms
against 0.8 ms for COPY. It answers RETURNING and ON CONFLICT, too, and several tables fit into one statement.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, TypeAlias, TypeVar

from django.db import connection, models, transaction

from mailgrid.core.sql.columns import adapters, as_document, from_document, quoted
from mailgrid.core.sql.running import run

Row = Sequence[Any]
Beginnings: TypeAlias = tuple[tuple[str, Literal[False, 0, "", None]], ...]
Item = TypeVar("Item")

_MAX_PARAMETERS = 30_000  # SQLite's default limit is 32,766
# Always true, and taken for rare: PostgreSQL then expects few rows and looks each one up in an index of the table that
# is updated. It would expect a hundred, and read the whole table for them until that has some 40,000 rows.
_FEW = " WHERE jsonb_typeof(r) = 'array'"
_MAX_ROWS = 500  # of one document, which may have 256 MB: a row's content stays far below 500 KB


@dataclass(frozen=True, slots=True)
class Insert:
    """Rows for one table, as tuples of field values in the order of `columns` (attnames).

    `beginning` holds further columns, which begin with the same value in every row: that stands in the statement and
    need not travel with each of them.
    """

    model: type[models.Model]
    columns: tuple[str, ...]
    rows: Sequence[Row]
    beginning: Beginnings = ()


def insert_rows(
    model: type[models.Model],
    columns: tuple[str, ...],
    rows: Sequence[Row],
    *,
    beginning: Beginnings = (),
    ignore_conflicts: bool = False,
    returning: str = "",
) -> list[Any]:
    """Insert rows given as tuples of field values in the order of `columns` (attnames).

    One statement for any usual number of rows. With `returning`, a column's stored value for each row that was really
    inserted.
    """
    ending = " ON CONFLICT DO NOTHING" if ignore_conflicts else ""
    ending += f" RETURNING {returning}" if returning else ""
    inserted: list[Any] = []
    for chunk in batched(rows, _rows_at_once(len(columns))):
        if connection.vendor == "postgresql":
            found = run(_insert_document(model, columns, beginning) + ending, [as_document(chunk)])
        else:
            sql = _insert_values(model, columns, beginning, len(chunk))
            found = run(sql + ending, _values(model, columns, chunk))
        inserted += [row[0] for row in found]
    return inserted


def insert_all(inserts: Sequence[Insert]) -> None:
    """Insert rows into several tables: all of them or, when it raises, none.

    One statement on PostgreSQL, which is a transaction of its own where none is open.
    """
    wanted = [insert for insert in inserts if insert.rows]
    if connection.vendor == "postgresql" and all(len(insert.rows) <= _MAX_ROWS for insert in wanted):
        if wanted:
            sql = _insert_documents(tuple((one.model, one.columns, one.beginning) for one in wanted))
            run(sql, [as_document(insert.rows) for insert in wanted])
        return
    with transaction.atomic():
        for insert in wanted:
            insert_rows(insert.model, insert.columns, insert.rows, beginning=insert.beginning)


def values_table(
    name: str, model: type[models.Model], columns: Mapping[str, str], rows: Sequence[Row]
) -> tuple[str, list[Any]]:
    """`name(aliases) AS (…)` for a WITH clause, and its parameters.

    `columns` maps each alias to the column (attname) of `model` whose type it has.
    """
    head = f"{name} ({', '.join(columns)}) AS"
    if connection.vendor == "postgresql":
        return f"{head} MATERIALIZED ({_document(model, tuple(columns.values()))}{_FEW})", [as_document(rows)]
    one = _one(len(columns))
    return f"{head} (VALUES {', '.join([one] * len(rows))})", _values(model, tuple(columns.values()), rows)


def batched(rows: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    """The items in runs of `size`."""
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


def _rows_at_once(columns: int) -> int:
    return _MAX_ROWS if connection.vendor == "postgresql" else max(1, _MAX_PARAMETERS // columns)


@lru_cache(maxsize=64)
def _insert_documents(tables: tuple[tuple[type[models.Model], tuple[str, ...], Beginnings], ...]) -> str:
    *others, last = [_insert_document(model, columns, beginning) for model, columns, beginning in tables]
    parts = ", ".join(f"i{place} AS ({insert})" for place, insert in enumerate(others))
    return f"WITH {parts} {last}" if parts else last


@lru_cache(maxsize=256)
def _insert_document(model: type[models.Model], columns: tuple[str, ...], beginning: Beginnings) -> str:
    return f"{_insert_into(model, columns, beginning)} {_document(model, columns, beginning)}"


@lru_cache(maxsize=256)
def _document(model: type[models.Model], columns: tuple[str, ...], beginning: Beginnings = ()) -> str:
    values = [from_document(model, column, place) for place, column in enumerate(columns)]
    values += [_literal(value) for _, value in beginning]
    return f"SELECT {', '.join(values)} FROM jsonb_array_elements(%s::jsonb) AS r"


def _insert_values(
    model: type[models.Model], columns: tuple[str, ...], beginning: Beginnings, count: int
) -> str:
    one = _one(len(columns), *(_literal(value) for _, value in beginning))
    return f"{_insert_into(model, columns, beginning)} VALUES {', '.join([one] * count)}"


def _insert_into(model: type[models.Model], columns: tuple[str, ...], beginning: Beginnings) -> str:
    names = quoted(model, [*columns, *(column for column, _ in beginning)])
    return f"INSERT INTO {model._meta.db_table} ({names})"


def _one(columns: int, *literals: str) -> str:
    return f"({', '.join(['%s'] * columns + list(literals))})"


def _literal(value: bool | int | str | None) -> str:
    return "NULL" if value is None else "''" if value == "" else str(value).upper()


def _values(model: type[models.Model], columns: tuple[str, ...], rows: Sequence[Row]) -> list[Any]:
    own = adapters(model, columns, connection.vendor)
    return [adapt(value) for row in rows for adapt, value in zip(own, row, strict=True)]
