"""A Redis that tests may kill, and a process that begins anew."""

import signal
import subprocess
from contextlib import ExitStack
from pathlib import Path

from mailgrid.core import ratelimit, shared
from mailgrid.core.cache import forget_everything
from tenants.quotas.counters import counters
from tests.live import free_port
from tests.services.private import listens, running


class OwnRedis:
    """A server that a test may kill, hang and start again on its port."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._port = folder, free_port()
        self._stack = ExitStack()
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"redis://127.0.0.1:{self._port}/0"

    def start(self) -> None:
        words = ["redis-server", "--port", str(self._port), "--bind", "127.0.0.1"]
        words += ["--save", "", "--appendonly", "no"]
        server = running(words, ready=lambda: listens(self._port), log=self._folder / "log")
        self._process = self._stack.enter_context(server)

    def kill(self) -> None:
        """As if the machine had lost its power."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(10)

    def hang(self) -> None:
        """It keeps its connections and answers nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def wake(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def close(self) -> None:
        self._stack.close()


def restart() -> None:
    """A process that has just begun: it remembers nothing and has no connections."""
    forget_everything()
    counters.cache_clear()
    ratelimit._limiter.cache_clear()
    shared._of_process.cache_clear()
