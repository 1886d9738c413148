"""One line to the broker, for one thread: opened when first used, declared on, confirmed, and closed at any trouble.

A confirmed bell is not yet a routed one: `mandatory` makes the broker return (312 NO_ROUTE) what no queue took, as
after somebody deleted it; then the queues are declared again and the bell goes out once more.
"""

from contextlib import suppress
from typing import Any, Final

from kombu import Connection, Producer
from kombu.exceptions import ChannelError

from mailgrid.core import failpoints
from mailgrid.core.logging import get_logger
from workers.celery import app
from workers.queues import DEAD, QUEUES
from workers.routing import BELLS

log = get_logger(__name__)

CONFIRM_SECONDS: Final = 3.0


def declare_all(connection: Connection) -> None:
    """Declare every queue, the dead one included. A queue with other arguments stays as it is, and is told."""
    for queue in (*QUEUES, DEAD):
        channel: Any = connection.channel()
        try:
            queue(channel).declare()
        except ChannelError as error:  # 406: the broker has closed this channel
            log.error("workers.queue.not_ours", queue=queue.name, error=str(error))
        else:
            channel.close()


class Unroutable(Exception):
    """The broker has no queue for this bell, even after declaring it."""


class Line:
    """Publishes bells. Not for several threads."""

    def __init__(self) -> None:
        self._connection: Connection | None = None
        self._producer: Producer | None = None
        self._returned = False

    def send(self, queue: str) -> None:
        """Publish one bell and wait for its confirmation.

        Raises `Unroutable`, or whatever the connection raises; then the line is to be closed.
        """
        if self._publish(queue):
            return
        log.warning("workers.bell.unroutable", queue=queue)
        declare_all(self._open())
        if not self._publish(queue):
            raise Unroutable(queue)

    def close(self) -> None:
        """Hang up; the next bell opens a new line."""
        connection, self._connection, self._producer = self._connection, None, None
        if connection is not None:
            with suppress(Exception):
                connection.close()

    def _publish(self, queue: str) -> bool:
        """Whether the broker took it into a queue."""
        task, arguments = BELLS[queue]
        self._returned = False
        failpoints.reach("bell.before_publish")
        app.send_task(
            task,
            kwargs=arguments,
            queue=queue,
            producer=self._ready_producer(),
            retry=False,
            mandatory=True,
            confirm_timeout=CONFIRM_SECONDS,
            declare=[],  # done once for each connection
        )
        failpoints.reach("bell.after_publish")
        return not self._returned

    def _ready_producer(self) -> Producer:
        if self._producer is None:
            declare_all(self._open())
            self._producer = Producer(self._open().default_channel, on_return=self._note_return)
        return self._producer

    def _open(self) -> Connection:
        if self._connection is None:
            self._connection = app.connection_for_write()
            self._connection.ensure_connection(max_retries=1, interval_start=0, interval_max=0, timeout=4)
        return self._connection

    def _note_return(self, *_returned: Any) -> None:
        self._returned = True
