"""The real embedded process, started as a user starts it: for clients over HTTP, and to be killed.

    with LiveMailgrid(tmp_path) as mailgrid:
        post(f"{mailgrid.url}/api/emails", ...)   # mailgrid.api_key, mailgrid.sender
        mailgrid.kill()
        mailgrid.start()
        assert len(mailgrid.journal()) == 1

Only the process group that was started here is ever signalled.
"""

import contextlib
import json
import os
import random
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from mailgrid.env import BASE_DIR, VARIABLES

_WELCOME: Final = "Mailgrid is ready."
# Below the kernel's ephemeral range, so that no outgoing connection takes the port between two starts.
PORTS: Final = range(20_000, 32_768)
PATIENCE: Final = (
    60.0  # seconds for what takes three; a test that needs them all runs on a machine in trouble
)


class NotReady(Exception):
    """The process ended, or did not answer in time; the message ends with its log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped:
    """How a process ended: its exit code, and the seconds from the signal to the end."""

    code: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Captured:
    """A row of the sandbox's journal: one mail that was handed over."""

    message_id: str
    delivery_id: str
    fence: int
    sender: str
    recipients: list[str]
    subject: str
    html: str | None
    text: str | None
    headers: dict[str, str]
    attachments: list[dict[str, Any]]


def environment(var_dir: Path, **variables: object) -> dict[str, str]:
    """This process's environment with no setting of Mailgrid's but those given."""
    own = {variable.name for variable in VARIABLES} | {f"{variable.name}_FILE" for variable in VARIABLES}
    inherited = {name: value for name, value in os.environ.items() if name not in own}
    given = {name: str(value) for name, value in variables.items()}
    return (
        inherited | {"DJANGO_SETTINGS_MODULE": "mailgrid.settings.embedded", "VAR_DIR": str(var_dir)} | given
    )


def manage(var_dir: Path, *words: str, **variables: object) -> subprocess.CompletedProcess[str]:
    """Run `manage.py` with these words to its end."""
    return subprocess.run(
        [sys.executable, "manage.py", *words],
        cwd=BASE_DIR,
        env=environment(var_dir, **variables),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )


def free_port() -> int:
    """A port nobody listens on right now."""
    while True:
        port = random.choice(PORTS)
        with closing(socket.socket()) as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def wait_until(true: Callable[[], Any], *, seconds: float = PATIENCE, every: float = 0.05) -> Any:
    """Ask until the answer is true, and return it. Raises TimeoutError with the last answer."""
    deadline = time.monotonic() + seconds
    while not (answer := true()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"still {answer!r} after {seconds:g} s")
        time.sleep(every)
    return answer


class LiveMailgrid:
    """`manage.py up` in a process group of its own, over a VAR_DIR that outlives it."""

    def __init__(self, directory: Path, **variables: object) -> None:
        self.var_dir = directory / "var"
        self.log_path = directory / "mailgrid.log"
        self.port = free_port()
        self._variables = variables
        self._process: subprocess.Popen[bytes] | None = None
        self._served = False

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    @property
    def url(self) -> str:
        """Where it answers; API clients add `/api`."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def demo(self) -> dict[str, str]:
        """What the first start wrote down: url, api_key, from, admin_username, admin_password."""
        access: dict[str, str] = json.loads((self.var_dir / "demo.json").read_text())
        return access

    @property
    def api_key(self) -> str:
        return self.demo["api_key"]

    @property
    def sender(self) -> str:
        return self.demo["from"]

    @property
    def admin(self) -> tuple[str, str]:
        """User name and password of the console."""
        return self.demo["admin_username"], self.demo["admin_password"]

    @property
    def log(self) -> str:
        """Everything it has written, standard output and error, over all starts."""
        return self.log_path.read_text() if self.log_path.exists() else ""

    @property
    def running(self) -> bool:
        """Whether it was started and neither stopped nor killed since."""
        return self._process is not None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> float:
        """Start it, or start it again; returns the seconds until it was ready. Raises `NotReady`.

        A first start whose port somebody else just took chooses another one.
        """
        assert not self.running, "it runs already"
        while True:
            try:
                seconds = self._start()
            except NotReady:
                if self._served or "Cannot listen on" not in self.log:
                    raise
                self.port = free_port()
            else:
                self._served = True
                return seconds

    def kill(self) -> None:
        """kill -9 of the whole group; nothing happens when it does not run."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(PATIENCE)
            self._process = None

    def stop(self) -> Stopped:
        """Ctrl-C."""
        assert self._process is not None
        began = time.monotonic()
        self._process.send_signal(signal.SIGINT)
        code = self._process.wait(PATIENCE)
        self._process = None
        return Stopped(code=code, seconds=time.monotonic() - began)

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        """A plain request with the demo key: status and body."""
        request = urllib.request.Request(f"{self.url}{path}", method=method)
        request.add_header("Authorization", f"Bearer {self.api_key}")
        for name, value in headers.items():
            request.add_header(name.replace("_", "-"), value)
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as response:
                return response.status, json.loads(response.read())
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.loads(error.read())

    def rows(
        self, sql: str, parameters: Sequence[object] | Mapping[str, object] = ()
    ) -> list[tuple[Any, ...]]:
        """What a statement finds in the database file, read beside the process or after its death."""
        with closing(sqlite3.connect(self.var_dir / "mailgrid.sqlite3", timeout=PATIENCE)) as database:
            return database.execute(sql, parameters).fetchall()

    def journal(self, *email_ids: str) -> list[Captured]:
        """The mail that the sandbox took, in order; of these emails only, where any are given."""
        found = self.rows(
            "SELECT message_id, delivery_id, fence, sender, recipients, subject, html, text, headers, attachments"
            " FROM emails_capturedmail ORDER BY id"
        )
        wanted = {email_id.replace("-", "") for email_id in email_ids}
        return [
            Captured(
                message_id=row[0],
                delivery_id=row[1],
                fence=row[2],
                sender=row[3],
                recipients=json.loads(row[4]),
                subject=row[5],
                html=row[6],
                text=row[7],
                headers=dict(json.loads(row[8])),
                attachments=json.loads(row[9]),
            )
            for row in found
            if not wanted or row[0] in wanted
        ]

    def captured(self, email_id: str) -> Captured:
        """The mail of this email, once it was handed over."""
        (mail,) = wait_until(lambda: self.journal(email_id))
        return mail

    def settled(self, email_id: str, *, status: str = "delivered") -> dict[str, Any]:
        """The email as the API shows it, once it has this status."""

        def read() -> dict[str, Any] | None:
            code, email = self.call("GET", f"/api/emails/{email_id}")
            assert code == 200, email
            return email if email["status"] == status else None

        email: dict[str, Any] = wait_until(read)
        return email

    def _start(self) -> float:
        began = time.monotonic()
        self.log_path.parent.mkdir(parents=True, exist_ok=True)
        welcomes = self.log.count(_WELCOME)
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "manage.py", "up", "--port", str(self.port)],
                cwd=BASE_DIR,
                env=environment(self.var_dir, PORT=self.port, **self._variables),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            wait_until(lambda: self._is_ready() and self.log.count(_WELCOME) > welcomes)
        except (NotReady, TimeoutError) as error:
            self.kill()
            raise NotReady(f"{error}\n{self.log[-4_000:]}") from None
        return time.monotonic() - began

    def _is_ready(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise NotReady(f"it ended with exit code {self._process.returncode}")
        try:
            with urllib.request.urlopen(f"{self.url}/readyz", timeout=5) as response:
                return bool(response.status == 200)
        except urllib.error.HTTPError as error:
            error.close()
            return False
        except OSError:
            return False
