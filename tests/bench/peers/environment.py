"""An environment for each peer, made once."""

import subprocess
import sys
from pathlib import Path
from typing import Final

from mailgrid.env import BASE_DIR

_FOLDER: Final = BASE_DIR / "var" / "bench" / "peers"
_PATIENCE: Final = 600  # seconds for a slow line


class Unavailable(Exception):
    """The peer cannot be installed here; the message is for the table."""


def python_of(name: str, *packages: str) -> Path:
    """The Python that has exactly these packages; raises `Unavailable`."""
    home, wanted = _FOLDER / name, "\n".join(packages)
    done = home / "installed"
    if not done.exists() or done.read_text() != wanted:
        _run(sys.executable, "-m", "venv", "--clear", str(home))
        _run(str(home / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check", *packages)
        done.write_text(wanted)
    return home / "bin" / "python"


def _run(*words: str) -> None:
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=_PATIENCE, check=False)
    except subprocess.TimeoutExpired:
        raise Unavailable(f"not installed within {_PATIENCE} seconds") from None
    if done.returncode:
        raise Unavailable((done.stderr.strip().splitlines() or ["pip failed"])[-1])
