"""One process, SQLite, no other service: `make run`."""

from mailgrid.settings import secrets
from mailgrid.settings.base import *  # noqa: F403
from mailgrid.settings.storage import VAR_DIR

_secrets = secrets.load_or_create(VAR_DIR / "secrets.json")
SECRET_KEY = SECRET_KEY or _secrets["SECRET_KEY"]  # noqa: F405
KEY_PEPPER = KEY_PEPPER or _secrets["KEY_PEPPER"]  # noqa: F405
ENCRYPTION_KEYS = ENCRYPTION_KEYS or (_secrets["ENCRYPTION_KEYS"],)  # noqa: F405
