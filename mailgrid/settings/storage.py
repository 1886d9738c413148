"""Where bytes and rows are kept."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from environ import Env

from mailgrid.env import WrongSetting, env

VAR_DIR = Path(env("VAR_DIR"))


def blob_store(url: str) -> dict[str, Any]:
    """The value of STORAGES["blobs"] for a BLOB_STORE; raises `WrongSetting`."""
    if not url:
        return {
            "BACKEND": "mailgrid.core.blobs_on_disk.DurableFileStorage",
            "OPTIONS": {"location": str(VAR_DIR / "blobs")},
        }
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    known = {"region": "region_name", "endpoint_url": "endpoint_url"}
    if (
        parts.scheme != "s3"
        or not parts.hostname
        or parts.netloc != parts.hostname
        or set(query) - set(known)
    ):
        raise WrongSetting("BLOB_STORE: expected s3://bucket/prefix?region=…&endpoint_url=…, or nothing.")
    return {
        "BACKEND": "mailgrid.core.blobs_in_s3.S3BlobStorage",
        "OPTIONS": {
            "bucket_name": parts.hostname,
            "location": parts.path.strip("/"),
            **{known[name]: value for name, value in query.items()},
        },
    }


STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    "blobs": blob_store(env("BLOB_STORE")),
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


# Nothing waits for ever: not for a lock (then somebody else is at it), and not in the middle of a transaction.
_TIMEOUTS: Final = "-c lock_timeout=2s -c idle_in_transaction_session_timeout=30s"
# Hot rows are in memory, where a page out of order costs no more than the next one. One plan of a prepared statement
# serves all its values: a plan for each execution was measured to cost as much as the execution.
_PLANNING: Final = "-c random_page_cost=1.1 -c plan_cache_mode=force_generic_plan -c jit=off"
_STATEMENT_SECONDS: Final = {"web": 5}
_STATEMENT_SECONDS_OF_OTHERS: Final = 15  # workers move more rows at a time


def database(url: str, *, role: str = "", pool_size: int = 8) -> dict[str, Any]:
    """The value of DATABASES["default"] for a DATABASE_URL; raises `WrongSetting`.

    On PostgreSQL a web process (`role`) lends its threads connections of a pool, every other process keeps one for each
    thread: Celery would close a pool after each task, under the threads that still use it. Options in the URL win over
    ours: `options` for the server's settings, `prepare_threshold=off` behind a pgbouncer that shares connections
    between transactions.
    """
    if url == "sqlite":
        return SQLITE
    if not url.startswith(("postgres://", "postgresql://")):
        raise WrongSetting("DATABASE_URL: expected `sqlite` or a postgres:// URL.")
    parsed: dict[str, Any] = Env.db_url_config(url)
    own = {"ENGINE": "mailgrid.core.postgresql"}
    return parsed | own | _held(role, pool_size=pool_size, given=parsed.get("OPTIONS", {}))


def _held(role: str, *, pool_size: int, given: Mapping[str, Any]) -> dict[str, Any]:
    statement = _STATEMENT_SECONDS.get(role, _STATEMENT_SECONDS_OF_OTHERS)
    settings = f"{_TIMEOUTS} -c statement_timeout={statement}s {_PLANNING}"
    options = {
        "application_name": f"mailgrid-{role}" if role else "mailgrid",
        "prepare_threshold": 2,  # a statement of mailgrid.core.sql that comes a third time is prepared
        **given,
        "options": f"{settings} {given.get('options', '')}".strip(),
    }
    if options["prepare_threshold"] == "off":
        options["prepare_threshold"] = None
    if role != "web":
        return {"CONN_MAX_AGE": 60, "CONN_HEALTH_CHECKS": True, "OPTIONS": options}
    pool = {
        "min_size": min(2, pool_size),
        "max_size": pool_size,
        "timeout": 5,  # seconds; then the request is refused as one that the database could not serve
    }
    return {"CONN_MAX_AGE": 0, "OPTIONS": options | {"pool": pool}}  # the engine looks at what it lends


DATABASES = {
    "default": database(env("DATABASE_URL"), role=env("ROLE"), pool_size=env("DB_POOL_SIZE")),
}
