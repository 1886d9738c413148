"""Any Django project as processes: a database of its own, granian, and what else it starts."""

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
from typing import ClassVar, Final, Self

from mailgrid.env import BASE_DIR
from tests.live import PATIENCE, free_port, wait_until
from tests.live_fleet import own_database

_GRACE: Final = 10.0  # seconds to end; genro-mail-proxy does not
BIN: Final = Path(sys.executable).parent


class DjangoFleet:
    """Web has its turn; it is served as Mailgrid's is. `settings` and `wsgi` are the project's modules."""

    name: ClassVar[str]
    settings: ClassVar[str]
    wsgi: ClassVar[str] = ""
    python: Path = Path(sys.executable)

    def __init__(self, directory: Path, **variables: str) -> None:
        self._directory = directory
        self._port = free_port()
        self._variables = {
            "DJANGO_SETTINGS_MODULE": self.settings,
            "BROKER_URL": os.environ["BROKER_URL"],
            "PYTHONWARNINGS": "ignore",
            **variables,
        }
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._open = ExitStack()

    def __enter__(self) -> Self:
        self.database_url = self._open.enter_context(own_database(os.environ["DATABASE_URL"]))
        self._variables["DATABASE_URL"] = self.database_url
        self.prepare()
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

    def prepare(self) -> None:
        """Make the tables, and whatever a request needs."""
        raise NotImplementedError

    @contextmanager
    def turn(self) -> Iterator[None]:
        """The web server, with as many children and threads as Mailgrid's."""
        options = f"--interface wsgi --host 127.0.0.1 --port {self._port} --workers 2 --blocking-threads 4"
        words = f"{options} --backlog 1024 --no-ws {self.wsgi}"
        with self.running("web", [str(BIN / "granian"), *words.split()]):
            wait_until(self._answers)
            yield

    def parts(self) -> Mapping[str, int]:
        """`web`."""
        return {"web": self._running["web"].pid} if "web" in self._running else {}

    def last_words(self) -> str:
        """The ends of the logs."""
        return "\n".join(f"{path.name}: {path.read_text()[-2000:]}" for path in self._directory.glob("*.log"))

    def run(self, *words: str) -> str:
        """What the project's Python says when it runs these words to their end."""
        done = subprocess.run(
            [str(self.python), *words],
            cwd=BASE_DIR,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{' '.join(words)}: {done.stderr[-2000:]}")
        return done.stdout.strip()

    @property
    def environment(self) -> dict[str, str]:
        """Of each process."""
        return os.environ | self._variables

    @contextmanager
    def running(self, name: str, words: list[str]) -> Iterator[int]:
        """A process until the end of the block."""
        with (self._directory / f"{name}.log").open("ab") as log:
            process = self._running[name] = subprocess.Popen(
                words,
                cwd=BASE_DIR,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            yield process.pid
        finally:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_GRACE)
            with contextlib.suppress(ProcessLookupError):  # nothing of its group outlives it
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(PATIENCE)
            del self._running[name]

    def _answers(self) -> bool:
        """It refuses whoever brings no key."""
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
