"""Where bytes and rows are kept."""

from pathlib import Path

from mailgrid.env import env

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
