"""The broker's queues, by hand: look, delete, publish what no publisher of ours would."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from kombu import Connection
from kombu.exceptions import ChannelError

from workers.queues import QUEUES

NAMES: Final = tuple(queue.name for queue in QUEUES)


class Broker:
    """A RabbitMQ by its URL; every call opens a connection of its own."""

    def __init__(self, url: str) -> None:
        self._url = url

    def depth(self, queue: str) -> int | None:
        """Messages ready in it; None where there is no such queue."""
        with self._channel() as channel:
            try:
                return int(channel.queue_declare(queue, passive=True).message_count)
            except ChannelError:
                return None

    def missing(self) -> list[str]:
        """Queues of ours that are not declared; all of them while nobody answers."""
        try:
            return [name for name in NAMES if self.depth(name) is None]
        except OSError:
            return list(NAMES)

    def delete(self, queue: str) -> None:
        """The queue, and what is in it."""
        with self._channel() as channel:
            channel.queue_delete(queue)

    def peek(self, queue: str) -> str:
        """The messages in it, headers and all, as text; they stay."""
        with self._channel() as channel:
            found = []
            while (message := channel.basic_get(queue)) is not None:
                found.append(f"{message.properties} {message.body}")
            return "\n".join(found)

    def publish(self, queue: str, body: bytes, **properties: Any) -> None:
        """Any message, past everything that publishers check."""
        with self._channel() as channel:
            message = channel.prepare_message(
                body, content_type="application/json", content_encoding="utf-8", **properties
            )
            channel.basic_publish(message, exchange="bells", routing_key=queue)

    def ring(self, queue: str, task: str, count: int, **arguments: Any) -> None:
        """So many bells at once."""
        body = json.dumps([[], arguments, {}]).encode()
        with self._channel() as channel:
            for number in range(count):
                message = channel.prepare_message(
                    body,
                    content_type="application/json",
                    content_encoding="utf-8",
                    headers={"task": task, "id": f"by-hand-{number}", "lang": "py"},
                )
                channel.basic_publish(message, exchange="bells", routing_key=queue)

    @contextmanager
    def _channel(self) -> Iterator[Any]:
        with Connection(self._url, connect_timeout=4) as connection:
            yield connection.channel()
