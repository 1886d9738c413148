"""Binaries of the services: what is installed, or what Debian offers when we are root."""

import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

_one_at_a_time = threading.Lock()  # so is apt


class Missing(Exception):
    """A service cannot be had here; the message is one line for people."""


def binary(name: str, *, package: str, find: Callable[[], Path | None], instead: str) -> Path:
    """Where a program is, after installing its package if need be; raises `Missing`."""
    if (found := find()) is None and os.geteuid() == 0 and shutil.which("apt-get"):
        with _one_at_a_time:
            run(["apt-get", "update", "-qq"])
            run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", package])
        found = find()
    if found is None:
        raise Missing(f"The tests need {name}: install it, or name a running one in {instead}.")
    return found


def run(words: Sequence[str | Path], *, user: str | None = None) -> None:
    """Run a program to its end; raises `Missing` with its last words if it fails."""
    done = subprocess.run(
        [str(word) for word in words],
        user=user,
        cwd="/",
        env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        timeout=600,
        check=False,
    )
    if done.returncode:
        words_said = done.stderr.decode(errors="replace").strip().splitlines()
        raise Missing(
            f"{Path(words[0]).name} ended with exit code {done.returncode}: {words_said[-1] if words_said else ''}"
        )
