"""Django's PostgreSQL backend with a pool whose connections are looked at before they are lent, not asked.

A connection that the server has closed, by its restart for one, must not fail a request. psycopg's pool finds out with
an empty query: for every request one more way to the server and back, a tenth of what an accept costs. A server that
goes says so on the socket, and to look there is a system call of 1 µs. What says nothing, such as a cut network, holds
up a query of any kind.
"""

import select
from typing import Any

from django.db.backends.postgresql import base


class DatabaseWrapper(base.DatabaseWrapper):
    """One connection; from the pool, where there is one."""

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """A connection that the server has not closed."""
        connection = super().get_new_connection(conn_params)
        if self.pool:
            for _ in range(self.pool.max_size):
                if not _has_news(connection):
                    break
                connection.close()
                self.pool.putconn(connection)  # which opens another one in its place
                connection = self.pool.getconn()
        return connection


def _has_news(connection: Any) -> bool:
    """Whether something has come in on an idle connection: its end, as a rule."""
    looking = select.poll()
    looking.register(connection.fileno(), select.POLLIN)
    return bool(looking.poll(0))
