"""Services for tests: what the environment names, else a private instance that ends with the tests.

    python -m tests.services make-this-run-on-postgresql --with --its arguments

runs a command with DATABASE_URL in its environment. A database server is started from installed binaries on a free
port, in a temporary folder; where there are none and we are root, Debian's package is installed first. A database that
`TEST_DATABASE_URL` names is used instead; Django makes its own `test_…` database there and touches no other.
"""

import contextlib
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from tests.live import free_port

USER: Final = "mailgrid"


class Missing(Exception):
    """A service cannot be had here; the message is one line for people."""


@contextlib.contextmanager
def postgres() -> Iterator[str]:
    """The URL of a PostgreSQL server for tests; raises `Missing`."""
    if named := os.environ.get("TEST_DATABASE_URL"):
        yield named
        return
    binaries = _postgres_binaries()
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="mailgrid-pg-") as folder:
        data = Path(folder) / "data"
        owner = _owner(Path(folder))
        _run([binaries / "initdb", "-D", data, "-A", "trust", "-U", USER, "--no-sync", "-E", "UTF8"], owner)
        # A test's database need not survive a power cut.
        options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off -c max_connections=60"
        control = [binaries / "pg_ctl", "-D", data, "-w", "-l", Path(folder) / "log"]
        _run([*control, "-o", options, "start"], owner)
        try:
            yield f"postgres://{USER}@127.0.0.1:{port}/postgres"
        finally:
            _run([*control, "-m", "immediate", "stop"], owner)


def _postgres_binaries() -> Path:
    if (found := _installed()) is None and os.geteuid() == 0 and shutil.which("apt-get"):
        _run(["apt-get", "update", "-qq"], None)
        _run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", "postgresql"], None)
        found = _installed()
    if found is None:
        raise Missing("The tests need PostgreSQL's server: install it, or name one in TEST_DATABASE_URL.")
    return found


def _installed() -> Path | None:
    if (on_path := shutil.which("initdb")) is not None:
        return Path(on_path).resolve().parent
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return versions[-1].parent if versions else None


def _owner(folder: Path) -> str | None:
    """PostgreSQL refuses to run as root; the folder becomes that of whoever runs it."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            account = pwd.getpwnam(name)
            os.chown(folder, account.pw_uid, account.pw_gid)
            return name
    raise Missing("The tests need an account for PostgreSQL, which does not run as root.")


def _run(words: Sequence[str | Path], user: str | None) -> None:
    done = subprocess.run(
        [str(word) for word in words],
        user=user,
        cwd="/",
        stdout=subprocess.DEVNULL,
        stderr=subprocess.STDOUT,
        timeout=600,
        check=False,
    )
    if done.returncode:
        raise Missing(f"{Path(words[0]).name} ended with exit code {done.returncode}.")


def main() -> int:
    """Run the command of the arguments; its exit code."""
    try:
        with postgres() as url:
            return subprocess.run(
                sys.argv[1:], env={**os.environ, "DATABASE_URL": url}, check=False
            ).returncode
    except Missing as error:
        sys.exit(f"tests: {error}")


if __name__ == "__main__":
    sys.exit(main())
