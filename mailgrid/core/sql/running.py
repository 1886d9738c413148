"""One statement at a time, planned once per connection on PostgreSQL."""

import time
from collections.abc import Iterable, Sequence
from typing import Any, Final
from weakref import WeakKeyDictionary

import psycopg
from django.db import DEFAULT_DB_ALIAS, connection, connections, models

from mailgrid.core.sql.columns import adapted

# A plan that was made while a table was small reads the whole of it, however large it has become.
PLANS_KEPT_SECONDS: Final = 10.0
_planned_at: WeakKeyDictionary["psycopg.Connection[Any]", float] = WeakKeyDictionary()


class _Cursor(psycopg.Cursor[Any]):
    """Gives values apart from the text. psycopg forgets a text that is prepared, and Django's query log asks for it."""

    def _send_query_prepared(self, name: bytes, pgq: Any, *, binary: bool | None = None) -> None:
        self._query = pgq
        super()._send_query_prepared(name, pgq, binary=binary)


def run(sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    """Execute one statement; the rows it answers, if it answers any.

    Django's cursor writes the values into the text, so that no two statements are alike. Here PostgreSQL gets them
    apart, and psycopg lets it prepare a text that comes again and again: keep the text the same whatever the number of
    rows (`values_table`, `any_of`).
    """
    held = connections[DEFAULT_DB_ALIAS]  # once: `connection` looks for it at each of its attributes
    with held.cursor() as cursor:
        if held.vendor == "postgresql":
            _forget_old_plans(held.connection)
            cursor.cursor = _Cursor(held.connection)
        cursor.execute(sql, parameters)
        return cursor.fetchall() if cursor.description else []


def any_of(
    expression: str, model: type[models.Model], column: str, values: Iterable[Any]
) -> tuple[str, list[Any]]:
    """The condition that `expression` is one of these values of a column, and its parameters."""
    wanted = adapted(model, column, values)
    if connection.vendor == "postgresql":
        return f"{expression} = ANY(%s)", [wanted]
    return f"{expression} IN ({', '.join(['%s'] * len(wanted))})", wanted


def delete_oldest(rows: models.QuerySet[Any], *, limit: int) -> int:
    """Delete up to `limit` rows, oldest first: short statements, so that nobody waits long."""
    keys = list(rows.order_by("pk").values_list("pk", flat=True)[:limit])
    deleted: int = rows.model._default_manager.filter(pk__in=keys).delete()[0]
    return deleted


def _forget_old_plans(held: "psycopg.Connection[Any]") -> None:
    now = time.monotonic()
    if now - _planned_at.setdefault(held, now) > PLANS_KEPT_SECONDS and held.prepare_threshold is not None:
        # Prepared statements stay, their plans go. DEALLOCATE would take names that psycopg goes on using.
        with connection.wrap_database_errors:  # else a lost connection is told in psycopg's own words
            held.execute("DISCARD PLANS", prepare=False)
        _planned_at[held] = now
