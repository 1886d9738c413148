"""How processes keep out of each other's way, and what to do when they could not."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

from django.db import OperationalError, connection, transaction

from mailgrid.core.logging import get_logger
from mailgrid.core.sql import run

log = get_logger(__name__)

Result = TypeVar("Result")

TRIES: Final = 4
_AGAIN: Final = frozenset({"40001", "40P01"})  # serialization failure, deadlock: nothing of it has happened


@contextmanager
def alone(name: str) -> Iterator[bool]:
    """Keep work that others may do, too, to one process at a time; yields False when somebody else has it.

    On PostgreSQL a transaction, and the name is free again at its end, however it ends. SQLite has one process and one
    writer: there it yields True and opens none, so that work that only looks takes no lock.
    """
    if connection.vendor != "postgresql":
        yield True
        return
    with transaction.atomic():
        ((taken,),) = run("SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))", [name])
        yield bool(taken)


def until_done(work: Callable[[], Result]) -> Result:
    """The result of a unit of work, begun anew when the database sacrificed it for another transaction.

    `work` owns its transaction. Inside of somebody else's it runs once: only the whole can begin anew.
    """
    for tries in range(1, TRIES):
        try:
            return work()
        except OperationalError as error:
            if connection.in_atomic_block or sqlstate(error) not in _AGAIN:
                raise
            log.warning("database.conflict", sqlstate=sqlstate(error), tries=tries)
            time.sleep(0.01 * 2**tries)
    return work()


def sqlstate(error: Exception) -> str:
    """PostgreSQL's code for what went wrong, or empty."""
    return str(getattr(error.__cause__, "sqlstate", None) or "")
