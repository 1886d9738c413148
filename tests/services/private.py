"""A server of our own: started in a temporary folder on a free port, ended by the pid we started."""

import contextlib
import os
import pwd
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from tests.services.installing import Missing

START_SECONDS = 60.0
STOP_SECONDS = 10.0


@contextlib.contextmanager
def running(
    words: Sequence[str | Path],
    *,
    ready: Callable[[], bool],
    log: Path,
    environment: Mapping[str, str] | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """The process in a group of its own, from the time it is ready until the end of the block."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            [str(word) for word in words],
            env=environment,
            cwd=log.parent,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        _await(process, ready, log)
        yield process
    finally:
        _end(process)


def listens(port: int) -> bool:
    """Whether somebody answers on this port of the machine."""
    with contextlib.closing(socket.socket()) as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def unprivileged(folder: Path, *names: str) -> str | None:
    """An account for servers that refuse to run as root, who then owns the folder. None when we are not root."""
    if os.geteuid() != 0:
        return None
    for name in (*names, "nobody"):
        with contextlib.suppress(KeyError):
            account = pwd.getpwnam(name)
            os.chown(folder, account.pw_uid, account.pw_gid)
            return name
    raise Missing("The tests need an account for a server that does not run as root.")


def _await(process: "subprocess.Popen[bytes]", ready: Callable[[], bool], log: Path) -> None:
    until = time.monotonic() + START_SECONDS
    while not ready():
        if process.poll() is not None or time.monotonic() > until:
            said = log.read_text(errors="replace").strip().splitlines()[-5:]
            raise Missing(f"{process.args[0]} did not start: {' / '.join(said)}")  # type: ignore[index]
        time.sleep(0.05)


def _end(process: "subprocess.Popen[bytes]") -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)
            return
