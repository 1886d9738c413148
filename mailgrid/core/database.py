"""The database's own time, and connections that outlive its restarts."""

from datetime import UTC, datetime

from django.db import connection

from mailgrid.core.clock import now


def database_now() -> datetime:
    """The time by which leases and doubts are counted: a machine whose clock is wrong changes nothing.

    SQLite's clock is the machine's.
    """
    if connection.vendor != "postgresql":
        return now()
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        told: datetime = cursor.fetchone()[0]
        return told.astimezone(UTC)


def renew_connection() -> None:
    """After an error outside of a transaction: let go of a connection that died, so that the next query opens one."""
    if not connection.in_atomic_block:
        connection.close_if_unusable_or_obsolete()
