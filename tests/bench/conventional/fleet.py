"""The conventional mailer as processes: granian and a Celery worker, each with as many children as Mailgrid's."""

import contextlib
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Final, Self
from urllib.parse import urlsplit

from amqp import Connection

from mailgrid.env import BASE_DIR
from tests.bench.mailer import Sizes
from tests.live import PATIENCE, free_port, wait_until
from tests.live_fleet import own_database

_BIN: Final = Path(sys.executable).parent
_QUEUE: Final = "conventional"


class ConventionalFleet:
    """Web has its turn, and the worker while mail waits."""

    name = "conventional"
    sizes = Sizes(near=1_000, far=120, batches=20)
    of_mail: Mapping[str, str] = {"sender": "Acme <hello@acme.test>", "sender_field": "from_email"}
    single_path = batch_path = "/emails"

    def __init__(self, directory: Path, *, provider_url: str) -> None:
        self._directory = directory
        self._port = free_port()
        self._variables = {
            "DJANGO_SETTINGS_MODULE": "tests.bench.conventional.settings",
            "BROKER_URL": os.environ["BROKER_URL"],
            "PROVIDER_URL": provider_url,
            "PYTHONWARNINGS": "ignore",
        }
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._open = ExitStack()

    def __enter__(self) -> Self:
        self.database_url = self._open.enter_context(own_database(os.environ["DATABASE_URL"]))
        self._variables["DATABASE_URL"] = self.database_url
        self._token = subprocess.run(
            [sys.executable, "-m", "tests.bench.conventional.bootstrap"],
            cwd=BASE_DIR,
            env=os.environ | self._variables,
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self._running.values():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(PATIENCE)
        self._open.close()

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def headers(self) -> Mapping[str, str]:
        """Of each request."""
        return {"Authorization": f"Token {self._token}"}

    @contextmanager
    def turn(self) -> Iterator[None]:
        """The web server, started as Mailgrid's is."""
        options = f"--interface wsgi --host 127.0.0.1 --port {self._port} --workers 2 --blocking-threads 4"
        words = f"{options} --backlog 1024 --no-ws tests.bench.conventional.wsgi:application"
        with self._process("web", [str(_BIN / "granian"), *words.split()]):
            wait_until(self._answers)
            yield

    @contextmanager
    def sending(self, priority: str) -> Iterator[int]:
        """One worker for everything."""
        words = "-A tests.bench.conventional.celery worker --concurrency 2 --without-gossip --without-mingle"
        with self._process("worker", [str(_BIN / "celery"), "--quiet", *words.split()]) as pid:
            yield pid

    def parts(self) -> Mapping[str, int]:
        """`web`."""
        return {"web": self._running["web"].pid}

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

    def last_words(self) -> str:
        """The ends of the logs."""
        return "\n".join(f"{path.name}: {path.read_text()[-2000:]}" for path in self._directory.glob("*.log"))

    @contextmanager
    def _process(self, name: str, words: list[str]) -> Iterator[int]:
        with (self._directory / f"{name}.log").open("ab") as log:
            process = self._running[name] = subprocess.Popen(
                words,
                cwd=BASE_DIR,
                env=os.environ | self._variables,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            yield process.pid
        finally:
            process.terminate()
            process.wait(PATIENCE)
            del self._running[name]

    def _answers(self) -> bool:
        if self._running["web"].poll() is not None:
            raise RuntimeError(self.last_words())
        try:
            urllib.request.urlopen(f"{self.url}/emails", timeout=5)
        except urllib.error.HTTPError as error:
            error.close()
            return error.code == 401
        except OSError:
            return False
        return True
