"""Where a fake runs: in a thread of the test process, or in a process that can be killed."""

import asyncio
import json
import os
import subprocess
import sys
import threading
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.fakes.smtp.options import Options
from tests.fakes.smtp.server import Server
from tests.fakes.smtp.state import State

_ROOT = Path(__file__).parents[3]  # where the package `tests` is found, whatever the working directory
_PATIENCE_SECONDS = 3.0  # a process that is stopped (SIGSTOP) does not hear SIGTERM


class InThread:
    """An event loop in a daemon thread."""

    def __init__(self, options: Options) -> None:
        self._options = options

    def start(self) -> dict[str, Any]:
        ready = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(ready,), name="fake-smtp", daemon=True)
        self._error: BaseException | None = None
        self._thread.start()
        ready.wait()
        if self._error is not None:
            raise self._error
        return self._place

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join()

    def _run(self, ready: threading.Event) -> None:
        try:
            asyncio.run(self._serve(ready))
        except OSError as error:
            self._error = error
        finally:
            ready.set()

    async def _serve(self, ready: threading.Event) -> None:
        self._loop, self._ended = asyncio.get_running_loop(), asyncio.Event()
        state = State(self._options)
        server = Server(state)
        try:
            self._place = await server.start()
            ready.set()
            await self._ended.wait()
        finally:
            await server.stop()
            state.close()


class InProcess:
    """`python -m tests.fakes.smtp` with the same options."""

    def __init__(self, options: Options) -> None:
        self._options = options

    def start(self) -> dict[str, Any]:
        command = [sys.executable, "-m", "tests.fakes.smtp", *_arguments(self._options)]
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env=os.environ | {"PYTHONPATH": str(_ROOT)},
        )
        assert self.process.stdout is not None
        ready = self.process.stdout.readline()
        if not ready:
            raise RuntimeError(f"the fake SMTP server ended with {self.process.wait()}")
        place: dict[str, Any] = json.loads(ready)
        return place

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(timeout=_PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()


def _arguments(options: Options) -> list[str]:
    """Options as the command line of `__main__` takes them."""
    given = asdict(options)
    arguments = [f"--credential={user}:{password}" for user, password in given.pop("credentials").items()]
    if not given.pop("keep_content"):
        arguments.append("--drop-content")
    for name, value in given.items():
        flag = f"--{name.replace('_', '-')}"
        if value is True:
            arguments.append(flag)
        elif value is not None and value is not False:
            arguments.append(f"{flag}={value}")
    return arguments
