"""Where bytes and rows are kept."""

from pathlib import Path
from typing import Any

from environ import Env

from mailgrid.env import WrongSetting, env

VAR_DIR = Path(env("VAR_DIR"))

STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    "blobs": {
        "BACKEND": "mailgrid.core.blobs.DurableFileStorage",
        "OPTIONS": {"location": str(VAR_DIR / "blobs")},
    },
}
WHITENOISE_USE_FINDERS = True

# One process, one writer. IMMEDIATE takes the write lock at BEGIN, so that no transaction fails half way for a lock;
# FULL makes a commit survive a power cut, which NORMAL in WAL mode does not promise.
SQLITE = {
    "ENGINE": "mailgrid.core.sqlite",
    "NAME": str(VAR_DIR / "mailgrid.sqlite3"),
    "CONN_MAX_AGE": None,
    "OPTIONS": {
        "transaction_mode": "IMMEDIATE",
        "timeout": 5,
        # Checkpoints at 16 MB of log: each one is paid for by the commit that reaches it.
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-16000;"
        " PRAGMA wal_autocheckpoint=4000;",
    },
}


def database(url: str) -> dict[str, Any]:
    """The value of DATABASES["default"] for a DATABASE_URL; raises `WrongSetting`.

    On PostgreSQL nothing waits for ever: a lock for two seconds (then somebody else is at it), a statement for fifteen.
    """
    if url == "sqlite":
        return SQLITE
    parsed: dict[str, Any] = Env.db_url_config(url)
    if parsed.get("ENGINE") != "django.db.backends.postgresql":
        raise WrongSetting(f"DATABASE_URL={url!r}: expected `sqlite` or a postgres:// URL.")
    timeouts = "-c lock_timeout=2s -c statement_timeout=15s -c idle_in_transaction_session_timeout=30s"
    return parsed | {
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {**parsed.get("OPTIONS", {}), "options": timeouts},
    }


DATABASES = {"default": database(env("DATABASE_URL"))}
