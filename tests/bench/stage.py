"""What stands around whoever is measured: services, load, provider; and the contestants, each started once."""

import os
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

import psycopg

from mailgrid.env import BASE_DIR
from tests.bench.figures import machine
from tests.bench.load import Generator, generator
from tests.bench.mailer import Contestant, load_average
from tests.bench.processes import Reading, listener, read
from tests.bench.provider import StandIn
from tests.services import postgres, rabbitmq, redis

_SERVICES: Final = {"database": "DATABASE_URL", "broker": "BROKER_URL", "redis": "REDIS_URL"}
_CONTESTANTS_DATABASES: Final = "SELECT datname FROM pg_database WHERE datname LIKE 'mailgrid_fleet_%'"
_PATIENCE: Final = 120.0  # seconds
_LOOK: Final = 0.05

Factory = Callable[["Stage", Path], AbstractContextManager[Any]]


@dataclass(slots=True, kw_only=True)
class Stage:
    """`services` are their processes by name, where they are to be seen. `n` replaces every row's own size."""

    load: Generator
    provider: StandIn
    services: Mapping[str, int]
    n: int | None
    _open: ExitStack
    _contestants: dict[str, Any] = field(default_factory=dict)

    def size(self, usual: int) -> int:
        """How many emails a row takes."""
        return self.n or usual

    def contestant(self, name: str, factory: Factory) -> Any:
        """Started when it is needed first; stopped with the stage."""
        if name not in self._contestants:
            folder = Path(self._open.enter_context(TemporaryDirectory(prefix="mailgrid-bench-")))
            self._contestants[name] = self._open.enter_context(factory(self, folder))
        return self._contestants[name]

    def read(self, contestant: Contestant, **more: int) -> Reading:
        """CPU time of everything that takes part."""
        return read({**contestant.parts(), **more, **self.services, "provider": self.provider.pid})

    def await_mails(self, count: int) -> None:
        """Until the provider has so many; raises RuntimeError when none has come for two minutes."""
        seen, until = 0, time.monotonic() + _PATIENCE
        while (arrived := self.provider.count()) < count:
            if arrived > seen:
                seen, until = arrived, time.monotonic() + _PATIENCE
            if time.monotonic() > until:
                raise RuntimeError(f"{arrived} of {count} mails, and no more for {_PATIENCE:.0f} seconds")
            time.sleep(_LOOK)

    def tidy(self) -> None:
        """Nobody pays for what another one has left to clean up or to write.

        Not while the tables are empty: a foreign key's check that is planned then reads the whole of what they become.
        """
        server = os.environ["DATABASE_URL"]
        with psycopg.connect(server, autocommit=True) as connection:
            names = [row[0] for row in connection.execute(_CONTESTANTS_DATABASES)]
        for name in names:
            url = urlunsplit(urlsplit(server)._replace(path=f"/{name}"))
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute("VACUUM (ANALYZE)")
                connection.execute("CHECKPOINT")

    def facts(self) -> dict[str, str]:
        """The machine and its load average before the run, the code, and how the database keeps its promises."""
        with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
            names = ("server_version", "fsync", "synchronous_commit", "shared_buffers")
            values = [connection.execute(f"SHOW {name}").fetchone()[0] for name in names]  # type: ignore[index]
        settings = ", ".join(f"{name} {value}" for name, value in zip(names, values, strict=True))
        return {
            "machine": machine(),
            "database": f"PostgreSQL {settings}",
            "load": f"{load_average():.1f}",
            "commit": commit(),
            "at": time.strftime("%Y-%m-%d %H:%M", time.gmtime()),
        }


@contextmanager
def stage(*, n: int | None = None) -> Iterator[Stage]:
    """Everything started; stopped at the end. Raises `Missing`."""
    with _services() as services, ExitStack() as running:
        yield Stage(
            load=running.enter_context(generator()),
            provider=running.enter_context(StandIn()),
            services=services,
            n=n,
            _open=running,
        )


def wal_bytes(database_url: str) -> int:
    """What the database's server has written to its log so far."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        row = connection.execute("SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')").fetchone()
    assert row is not None
    return int(row[0])


def commit() -> str:
    """The code that is measured; empty where there is no repository, with a `+` where it was changed."""
    words = ["git", "describe", "--always", "--dirty=+", "--exclude=*"]
    said = subprocess.run(words, cwd=BASE_DIR, capture_output=True, text=True, check=False)
    return said.stdout.strip()


@contextmanager
def _services() -> Iterator[dict[str, int]]:
    """PostgreSQL that flushes its commits to disk, RabbitMQ and Redis."""
    with postgres(durable=True) as database, rabbitmq() as broker, redis() as shared:
        os.environ |= {"DATABASE_URL": database, "BROKER_URL": broker, "REDIS_URL": shared}
        ports = {name: urlsplit(os.environ[variable]).port or 0 for name, variable in _SERVICES.items()}
        found = {name: listener(port) for name, port in ports.items()}
        yield {name: pid for name, pid in found.items() if pid is not None}
