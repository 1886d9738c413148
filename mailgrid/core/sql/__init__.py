"""Hand-written SQL for the hot path: many rows in one statement, on SQLite and on PostgreSQL alike.

Django's ORM costs 5 to 20 times more per row than the statement it makes. This package keeps Django's knowledge of how
a value is stored and leaves the rest to the database.

`running`   one statement, planned once per connection on PostgreSQL
`rows`      rows in: inserts, and tables of values to update from
`columns`   how the values of a column are written and read
"""

from mailgrid.core.sql.columns import adapted, read_time, read_uuid, storable
from mailgrid.core.sql.rows import Beginnings, Insert, batched, insert_all, insert_rows, values_table
from mailgrid.core.sql.running import any_of, delete_oldest, run

__all__ = [
    "Beginnings",
    "Insert",
    "adapted",
    "any_of",
    "batched",
    "delete_oldest",
    "insert_all",
    "insert_rows",
    "read_time",
    "read_uuid",
    "run",
    "storable",
    "values_table",
]
