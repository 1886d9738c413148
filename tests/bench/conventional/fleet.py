"""The conventional mailer as processes: granian and a Celery worker, each with as many children as Mailgrid's."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from amqp import Connection

from tests.bench.django_fleet import BIN, DjangoFleet
from tests.bench.stage import Stage

_QUEUE: Final = "conventional"


class ConventionalFleet(DjangoFleet):
    """Web has its turn, and the worker while mail waits."""

    name = "conventional"
    settings = "tests.bench.conventional.settings"
    wsgi = "tests.bench.conventional.wsgi:application"
    of_mail: Mapping[str, str] = {"sender": "Acme <hello@acme.test>", "sender_field": "from_email"}
    single_path = batch_path = "/emails"
    share = 0.15

    def __init__(self, stage: Stage, directory: Path) -> None:
        super().__init__(directory, PROVIDER_URL=stage.provider.url)

    def prepare(self) -> None:
        self._token = self.run("-m", "tests.bench.conventional.bootstrap")

    @property
    def headers(self) -> Mapping[str, str]:
        """Of each request."""
        return {"Authorization": f"Token {self._token}"}

    @contextmanager
    def sending(self, priority: str) -> Iterator[int]:
        """One worker for everything."""
        words = "-A tests.bench.conventional.celery worker --concurrency 2 --without-gossip --without-mingle"
        with self.running("worker", [str(BIN / "celery"), "--quiet", *words.split()]) as pid:
            yield pid

    def drop_waiting(self, waiting: int) -> int:
        """All tasks: it would send them for a minute. The rows stay behind and cost nothing."""
        broker = urlsplit(self._variables["BROKER_URL"])
        with Connection(
            f"{broker.hostname}:{broker.port or 5672}",
            broker.username or "guest",
            broker.password or "guest",
            virtual_host=broker.path[1:] or "/",
        ) as connection:
            connection.channel().queue_purge(_QUEUE)
        return 0
