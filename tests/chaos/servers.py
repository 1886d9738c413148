"""PostgreSQL, RabbitMQ and Redis of the run's own, to be killed, frozen, emptied and started again.

Each keeps its port and folder over its whole life, and is ended by the pid that was started here.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import psycopg

from tests.live import free_port
from tests.services.installing import binary, run
from tests.services.postgres import USER, find_initdb
from tests.services.private import listens, running, unprivileged
from tests.services.rabbitmq import answers, find_server, node_environment
from tests.services.redis import find_server as find_redis

_CONNECTIONS = 300  # a whole fleet, and processes that a row adds


class Postgres:
    """A server that keeps its commits over a crash (`fsync`), as the guarantee asks for."""

    def __init__(self, folder: Path) -> None:
        initdb = binary(
            "PostgreSQL's server", package="postgresql", find=find_initdb, instead="TEST_DATABASE_URL"
        )
        self._port, data = free_port(), folder / "data"
        self._owner = unprivileged(folder, "postgres")
        run([initdb, "-D", data, "-A", "trust", "-U", USER, "--no-sync", "-E", "UTF8"], user=self._owner)
        self._control = [initdb.parent / "pg_ctl", "-D", data, "-w", "-l", folder / "log"]
        self._settings = (
            f"-p {self._port} -k {folder} -c listen_addresses=127.0.0.1 -c max_connections={_CONNECTIONS}"
        )
        self._runs = False
        self.url = f"postgres://{USER}@127.0.0.1:{self._port}/postgres"

    @property
    def port(self) -> int:
        return self._port

    def start(self) -> None:
        """Start, recovering first where it crashed."""
        if not self._runs:
            run([*self._control, "-o", self._settings, "start"], user=self._owner)
            self._runs = True

    def crash(self) -> None:
        """Every process of it ends at once, nothing is flushed: what is not in the log on disk is gone."""
        if self._runs:
            run([*self._control, "-m", "immediate", "stop"], user=self._owner)
            self._runs = False

    def activity(self) -> str:
        """Every session that is not idle: since when, waiting for whom, with which statement."""
        question = """SELECT pid, application_name, state, now() - state_change, wait_event, pg_blocking_pids(pid),
            left(query, 200) FROM pg_stat_activity WHERE state <> 'idle' AND pid <> pg_backend_pid()"""
        try:
            with psycopg.connect(self.url, autocommit=True, connect_timeout=5) as connection:
                return "\n".join(str(row) for row in connection.execute(question))
        except psycopg.OperationalError as error:
            return str(error)

    close = crash


class RabbitMq:
    """A node whose broker may be killed, frozen, alarmed, or lose everything it kept."""

    def __init__(self, folder: Path) -> None:
        self._server = binary(
            "RabbitMQ", package="rabbitmq-server", find=find_server, instead="TEST_BROKER_URL"
        )
        self._folder, self.port, self._epmd = folder, free_port(), free_port()
        self._environment = node_environment(
            folder, port=self.port, distribution=free_port(), epmd=self._epmd
        )
        self._log = folder / "log"
        self._mapper = ExitStack()
        self._mapper.enter_context(
            running(
                ["epmd", "-port", str(self._epmd), "-address", "127.0.0.1"],
                ready=lambda: listens(self._epmd),
                log=self._log,
            )
        )
        self._node = _Process()
        self.url = f"amqp://guest:guest@127.0.0.1:{self.port}//"

    def start(self) -> None:
        """Start; returns when it takes log-ins."""
        self._node.start(
            [self._server], lambda: answers(self.port), log=self._log, environment=self._environment
        )

    def kill(self) -> None:
        """As if its machine had lost power."""
        self._node.kill()

    def wipe(self) -> None:
        """Killed, and everything it kept is gone."""
        self.kill()
        shutil.rmtree(self._folder / "data")

    def freeze(self) -> None:
        """It keeps its connections and says nothing."""
        self._node.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._node.signal(signal.SIGCONT)

    def control(self, *words: str) -> str:
        """What `rabbitmqctl` with these words prints; raises CalledProcessError."""
        done = subprocess.run(
            [self._server.with_name("rabbitmqctl"), *words],
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        return done.stdout

    def close(self) -> None:
        self.kill()
        self._mapper.close()


class Redis:
    """A server that writes nothing to disk: when it is killed, everything in it is gone."""

    def __init__(self, folder: Path) -> None:
        server = binary("Redis", package="redis-server", find=find_redis, instead="TEST_REDIS_URL")
        self.port, self._log = free_port(), folder / "log"
        self._words = [server, "--port", str(self.port), "--bind", "127.0.0.1"]
        self._words += ["--save", "", "--appendonly", "no"]
        self._process = _Process()
        self.url = f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        self._process.start(self._words, lambda: listens(self.port), log=self._log)

    def kill(self) -> None:
        self._process.kill()

    close = kill


Server = TypeVar("Server", Postgres, RabbitMq, Redis)


class Servers:
    """One of each, started together while the context is open."""

    def __enter__(self) -> Self:
        self._open = ExitStack()
        try:
            self.postgres = self._own(Postgres)
            self.rabbitmq = self._own(RabbitMq)
            self.redis = self._own(Redis)
            self.all_up()
        except BaseException:
            self._open.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def all_up(self) -> None:
        """Whatever a row did to them, they run again."""
        self.rabbitmq.thaw()
        for server in (self.postgres, self.rabbitmq, self.redis):
            server.start()

    @property
    def variables(self) -> dict[str, str]:
        """Where they are, as the environment variables of Mailgrid."""
        return {
            "DATABASE_URL": self.postgres.url,
            "BROKER_URL": self.rabbitmq.url,
            "REDIS_URL": self.redis.url,
        }

    def _own(self, kind: Callable[[Path], Server]) -> Server:
        folder = Path(self._open.enter_context(tempfile.TemporaryDirectory(prefix="mailgrid-chaos-")))
        server = kind(folder)
        self._open.callback(server.close)
        return server


class _Process:
    """A process in a group of its own, or none."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._process: subprocess.Popen[bytes] | None = None

    def start(
        self,
        words: list[str | Path],
        ready: Callable[[], bool],
        *,
        log: Path,
        environment: dict[str, str] | None = None,
    ) -> None:
        if self._process is None:
            self._process = self._stack.enter_context(
                running(words, ready=ready, log=log, environment=environment)
            )

    def kill(self) -> None:
        """kill -9 of the group; nothing happens when it does not run."""
        if self._process is not None:
            self.signal(signal.SIGKILL)
            self._process.wait(10)
            self._process = None
            self._stack.close()

    def signal(self, number: int) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)
