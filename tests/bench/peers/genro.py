"""genro-mail-proxy: a service that takes mail over HTTP and sends it from one process.

0.5.0 on SQLite, because no wheel from 0.5.8 to 0.7.0 can be imported, each lacking a package of its own, and this one
can add no account on PostgreSQL: its statement has an unquoted column `user`. Tried in November 2026.
"""

import http.client
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from tests.bench.django_fleet import DjangoFleet
from tests.bench.load import Load
from tests.bench.mails import mail
from tests.bench.peers.environment import python_of
from tests.bench.peers.peer import Enqueued
from tests.bench.stage import Stage
from tests.live import wait_until

_TOKEN: Final = "benchmark"
_TENANT: Final = "acme"
_AT_ONCE: Final = 500
_RUN: Final = f"/commands/run-now?tenant_id={_TENANT}"


class GenroMailProxy(DjangoFleet):
    """Its server has its turn. It sends when it is told to, and then until nothing waits."""

    name = "genro-mail-proxy"
    settings = ""
    packages = ("genro-mail-proxy==0.5.0",)

    def __init__(self, stage: Stage, directory: Path) -> None:
        self.python = python_of(self.name, *self.packages)
        super().__init__(directory, GMP_API_TOKEN=_TOKEN, GMP_DB_PATH=str(directory / "mail.db"))
        self._stage = stage
        self._sent = 0
        self._sending = False

    def prepare(self) -> None:
        """It makes its own tables when it starts."""

    @contextmanager
    def turn(self) -> Iterator[None]:
        """The server, with an account at the sink."""
        words = f"-m uvicorn tests.bench.peers.inside.genro:app --host 127.0.0.1 --port {self._port}"
        quiet = ["--log-level", "warning", "--no-access-log"]
        with self.running("web", [str(self.python), *words.split(), *quiet]):
            wait_until(self._answers)
            account = {"host": "127.0.0.1", "port": self._stage.provider.smtp_port, "use_tls": False}
            self._call("/tenant", {"id": _TENANT, "name": "Acme"})
            self._call("/account", {"id": "main", "tenant_id": _TENANT, "batch_size": 1_000, **account})
            yield

    def enqueue(self, emails: int) -> Enqueued:
        """Five hundred in a request, over two connections."""
        first, self._sent = self._sent, self._sent + emails
        numbers = range(first, first + emails)
        bodies = [
            json.dumps(
                {"messages": [_message(number) for number in numbers[place : place + _AT_ONCE]]}
            ).encode()
            for place in range(0, emails, _AT_ONCE)
        ]
        load = Load(
            url=f"{self.url}/commands/add-messages",
            headers={"X-API-Token": _TOKEN},
            bodies=bodies,
            connections=min(2, len(bodies)),
            requests=len(bodies),
        )
        taken = self._stage.load.run(load)
        return Enqueued(seconds=taken.seconds, cpu_seconds=taken.cpu_seconds)

    @contextmanager
    def sending(self, priority: str) -> Iterator[int]:
        """The same process does it."""
        self._sending = True
        self._call(_RUN)
        try:
            yield self._running["web"].pid
        finally:
            self._sending = False

    def parts(self) -> Mapping[str, int]:
        """While it sends it counts as the worker."""
        return {} if self._sending else super().parts()

    @property
    def environment(self) -> dict[str, str]:
        return os.environ | self._variables

    def _call(self, path: str, body: Any = None) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        headers = {"X-API-Token": _TOKEN, "Content-Type": "application/json"}
        connection.request("POST", path, json.dumps(body or {}), headers)
        answer = connection.getresponse()
        said = answer.read()
        connection.close()
        if answer.status != 200:
            raise RuntimeError(f"{path}: {answer.status} {said[:500]!r}")

    def _answers(self) -> bool:
        if self._running["web"].poll() is not None:
            raise RuntimeError(self.last_words())
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=5)
        try:
            connection.request("GET", "/health")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()


def _message(number: int) -> dict[str, Any]:
    """It takes one body, and so sends less than the others: the HTML part alone."""
    one = mail(number, sender="Acme <hello@acme.test>", priority="high")
    return {
        "id": f"m{number}",
        "account_id": "main",
        "from": one["from"],
        "to": one["to"],
        "subject": one["subject"],
        "body": one["html"],
        "content_type": "html",
    }
