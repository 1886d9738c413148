"""A fleet: many processes on PostgreSQL, RabbitMQ and Redis.

Secrets come from the environment; processes that share a VAR_DIR may share its `secrets.json` instead (`make fleet`).
Start-up stops with one sentence that names everything missing.
"""

import os

from mailgrid.env import WrongSetting, env
from mailgrid.settings import secrets
from mailgrid.settings.base import *  # noqa: F403
from mailgrid.settings.storage import VAR_DIR

_kept = secrets.load(VAR_DIR / "secrets.json")
SECRET_KEY = SECRET_KEY or _kept.get("SECRET_KEY")  # noqa: F405
KEY_PEPPER = KEY_PEPPER or _kept.get("KEY_PEPPER")  # noqa: F405
ENCRYPTION_KEYS = ENCRYPTION_KEYS or tuple(filter(None, [_kept.get("ENCRYPTION_KEYS")]))  # noqa: F405
FLOWER_PASSWORD = env("FLOWER_PASSWORD") or _kept.get("FLOWER_PASSWORD", "")

_needed = {
    "DATABASE_URL (postgres://…)": env("DATABASE_URL").startswith("postgres"),
    "BROKER_URL": env("BROKER_URL"),
    "REDIS_URL": env("REDIS_URL"),
    "SECRET_KEY": SECRET_KEY,
    "KEY_PEPPER": KEY_PEPPER,
    "ENCRYPTION_KEYS": ENCRYPTION_KEYS,
}
if _missing := [name for name, value in _needed.items() if not value]:
    raise WrongSetting(f"A fleet needs {', '.join(_missing)}: see docs/operations.md.")

# Processes of one machine count in files of this folder, and its web processes answer /metrics for all of them.
METRICS_DIR = VAR_DIR / "metrics"
METRICS_DIR.mkdir(parents=True, exist_ok=True)
os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(
    METRICS_DIR
)  # read when prometheus_client is imported, which is later
