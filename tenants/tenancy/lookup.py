"""Find one row by an id that somebody wrote."""

from typing import TypeVar
from uuid import UUID

from django.db.models import Model, QuerySet

from mailgrid.core.errors import NotFound
from mailgrid.core.ids import parse_uuid

Row = TypeVar("Row", bound=Model)


def one(rows: QuerySet[Row], row_id: UUID | str) -> Row:
    """The row among `rows` with this id; unknown, foreign and malformed ids are the same `NotFound`."""
    parsed = parse_uuid(row_id)
    row = None if parsed is None else rows.filter(pk=parsed).first()
    if row is None:
        raise NotFound("The requested resource was not found.")
    return row
