"""PostgreSQL for tests. Django makes a `test_…` database of its own on the server and touches no other."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.live import free_port
from tests.services.installing import binary, run
from tests.services.private import unprivileged

USER: Final = "mailgrid"


@contextlib.contextmanager
def postgres(*, durable: bool = False) -> Iterator[str]:
    """The URL of a server; raises `Missing`. `durable` keeps commits over a crash, which most tests need not."""
    if named := os.environ.get("TEST_DATABASE_URL"):
        yield named
        return
    initdb = binary(
        "PostgreSQL's server", package="postgresql", find=find_initdb, instead="TEST_DATABASE_URL"
    )
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="mailgrid-postgres-") as folder:
        data = Path(folder) / "data"
        owner = unprivileged(Path(folder), "postgres")
        run([initdb, "-D", data, "-A", "trust", "-U", USER, "--no-sync", "-E", "UTF8"], user=owner)
        settings = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c max_connections=100"
        if not durable:
            settings += " -c fsync=off"
        control = [initdb.parent / "pg_ctl", "-D", data, "-w", "-l", Path(folder) / "log"]
        run([*control, "-o", settings, "start"], user=owner)
        try:
            yield f"postgres://{USER}@127.0.0.1:{port}/postgres"
        finally:
            run([*control, "-m", "immediate", "stop"], user=owner)


def find_initdb() -> Path | None:
    """The newest one on this machine."""
    if (on_path := shutil.which("initdb")) is not None:
        return Path(on_path).resolve()
    return max(Path("/usr/lib/postgresql").glob("*/bin/initdb"), default=None)
