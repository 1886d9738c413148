"""One machine's own secrets: made once, kept in VAR_DIR. `python -m mailgrid.settings.secrets` makes them."""

import base64
import json
import os
import secrets
from pathlib import Path

from mailgrid.env import env


def load_or_create(path: Path) -> dict[str, str]:
    """The secrets in `path` (mode 0600); those that are missing are made and written first."""
    known = load(path)
    made = {name: value for name, value in _fresh().items() if name not in known}
    if made:
        _write(path, known | made)
    return known | made


def load(path: Path) -> dict[str, str]:
    """The secrets in `path`; none where there is no such file."""
    try:
        return dict(json.loads(path.read_text()))
    except FileNotFoundError:
        return {}


def _fresh() -> dict[str, str]:
    return {
        "SECRET_KEY": secrets.token_urlsafe(48),
        "KEY_PEPPER": secrets.token_urlsafe(48),
        "ENCRYPTION_KEYS": f"k1:{base64.b64encode(secrets.token_bytes(32)).decode()}",
        "FLOWER_PASSWORD": secrets.token_urlsafe(12),
    }


def _write(path: Path, values: dict[str, str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    scratch = path.with_suffix(".new")
    with os.fdopen(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(values, file, indent=2)
        file.flush()
        os.fsync(file.fileno())
    scratch.replace(path)


if __name__ == "__main__":
    load_or_create(Path(env("VAR_DIR")) / "secrets.json")
