"""Redis for tests. Tests use keys under a prefix of their own."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.live import free_port
from tests.services.installing import binary
from tests.services.private import listens, running


@contextlib.contextmanager
def redis() -> Iterator[str]:
    """The URL of a server that writes nothing to disk; raises `Missing`."""
    if named := os.environ.get("TEST_REDIS_URL"):
        yield named
        return
    server = binary("Redis", package="redis-server", find=find_server, instead="TEST_REDIS_URL")
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="mailgrid-redis-") as folder:
        words = [server, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        with running(words, ready=lambda: listens(port), log=Path(folder) / "log"):
            yield f"redis://127.0.0.1:{port}/0"


def find_server() -> Path | None:
    """The one on the path."""
    found = shutil.which("redis-server")
    return Path(found) if found else None
