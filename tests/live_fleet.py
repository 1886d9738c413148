"""The real fleet, process by process as deploy/Procfile has them, on the services of the environment.

    with LiveFleet(tmp_path) as fleet:
        fleet.call("POST", "/api/emails", ...)
        fleet.stop("worker-send")        # as systemd does it: TERM, and wait
        fleet.start("worker-send")

It has a database, a key prefix and a folder of its own; the broker's queues it shares with nobody, so tests with a
fleet run one after another. Only process groups that were started here are ever signalled.
"""

import contextlib
import json
import os
import secrets
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlsplit, urlunsplit

import psycopg

from mailgrid.env import BASE_DIR, VARIABLES
from mailgrid.settings.secrets import load_or_create
from tests.live import PATIENCE, free_port, wait_until

PROCFILE: Final = BASE_DIR / "deploy" / "Procfile"


def procfile() -> dict[str, str]:
    """The shell command of each process, by its name."""
    lines = [line for line in PROCFILE.read_text().splitlines() if line and not line.startswith("#")]
    return {name: command.strip() for name, _, command in (line.partition(":") for line in lines)}


@contextlib.contextmanager
def own_database(server_url: str) -> Iterator[str]:
    """The URL of a new database on the server, dropped at the end."""
    name = f"mailgrid_fleet_{secrets.token_hex(4)}"
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    try:
        yield urlunsplit(urlsplit(server_url)._replace(path=f"/{name}"))
    finally:
        with psycopg.connect(server_url, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


class LiveFleet:
    """Every process of the Procfile, or those of `only`; `variables` are added to their environment.

    `services` says where PostgreSQL, RabbitMQ and Redis are, as the environment does otherwise.
    """

    def __init__(
        self,
        directory: Path,
        *,
        only: tuple[str, ...] = (),
        services: Mapping[str, str] = os.environ,
        **variables: object,
    ) -> None:
        self.directory = directory
        self.var_dir = directory / "var"
        self.port, self.flower_port = free_port(), free_port()
        self.names = only or tuple(procfile())
        self._services = services
        self._variables = {name: str(value) for name, value in variables.items()}
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._open = contextlib.ExitStack()

    def __enter__(self) -> Self:
        self.database_url = self._open.enter_context(own_database(self._services["DATABASE_URL"]))
        self.secrets = load_or_create(self.var_dir / "secrets.json")
        self.manage("migrate", "--verbosity", "0", "--no-input")
        made = json.loads(self.manage("bootstrap", "--name", "Acme", "--domain", "acme.test").stdout)
        self.api_key, self.tenant_id = made["api_key"], made["tenant_id"]
        self.sender = "Acme <hello@acme.test>"
        for name in self.names:
            self.start(name)
        if "web" in self.names:
            self.wait_for_web()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self._processes.values():
            _signal(process, signal.SIGKILL)
        for process in self._processes.values():
            process.wait(PATIENCE)
        self._open.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """What every process gets; nothing of Mailgrid's is inherited but where the services are."""
        own = {variable.name for variable in VARIABLES} | {"DJANGO_SETTINGS_MODULE"}
        inherited = {name: value for name, value in os.environ.items() if name not in own}
        services = {name: self._services[name] for name in ("BROKER_URL", "REDIS_URL")}
        path = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))
        given = {
            "DJANGO_SETTINGS_MODULE": "tests.settings_fleet",
            "DATABASE_URL": self.database_url,
            "REDIS_PREFIX": f"{self.directory.name}:",
            "VAR_DIR": str(self.var_dir),
            "HOST": "127.0.0.1",
            "PORT": str(self.port),
            "FLOWER_PORT": str(self.flower_port),
            "PATH": path,
            "PYTHONUNBUFFERED": "1",
            "PYTHONWARNINGS": "ignore",
        }
        return inherited | services | given | self._variables

    def start(self, name: str, *, command: str | None = None, **variables: object) -> None:
        """Start a process; it need not be ready when this returns.

        One that is not in the Procfile needs a `command`; `variables` are for this process alone.
        """
        assert name not in self._processes, f"{name} runs already"
        command = command or procfile()[name]
        with (self.directory / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(
                ["sh", "-c", f"exec env {command}"],
                cwd=BASE_DIR,
                env=self.environment | {key: str(value) for key, value in variables.items()},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def stop(self, name: str) -> int:
        """TERM to the process itself, as systemd with KillMode=mixed; its exit code."""
        process = self._processes.pop(name)
        process.terminate()
        code = process.wait(PATIENCE)
        _signal(process, signal.SIGKILL)  # nothing of its group outlives it
        return code

    def kill(self, name: str) -> None:
        """kill -9 of its whole group."""
        process = self._processes.pop(name)
        _signal(process, signal.SIGKILL)
        process.wait(PATIENCE)

    def wait_for_web(self) -> None:
        """Until it answers."""
        wait_until(self._answers)

    def log(self, name: str) -> str:
        """What a process has written so far."""
        return (self.directory / f"{name}.log").read_text(errors="replace")

    def manage(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run `manage.py` with these words to its end, which must be a good one."""
        done = self.run(*words)
        assert done.returncode == 0, done.stdout + done.stderr
        return done

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run `manage.py` with these words to its end, whatever that is."""
        return subprocess.run(
            [sys.executable, "manage.py", *words],
            cwd=BASE_DIR,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )

    def call(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, Any]:
        """A plain request with the tenant's admin key: status and body."""
        request = urllib.request.Request(f"{self.url}{path}", method=method)
        for name, value in {"Authorization": f"Bearer {self.api_key}", **(headers or {})}.items():
            request.add_header(name, value)
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as response:
                return response.status, json.loads(response.read())
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.loads(error.read())

    def rows(self, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        """What a statement finds in the fleet's database."""
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            return connection.execute(sql, parameters).fetchall()  # type: ignore[arg-type]

    def _answers(self) -> bool:
        process = self._processes["web"]
        assert process.poll() is None, self.log("web")
        with (
            contextlib.suppress(OSError),
            urllib.request.urlopen(f"{self.url}/healthz", timeout=5) as response,
        ):
            return bool(response.status == 200)
        time.sleep(0.1)
        return False


def _signal(process: "subprocess.Popen[bytes]", number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)
