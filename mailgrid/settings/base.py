"""Everything that holds however Mailgrid runs."""

from pathlib import Path
from typing import Any

from mailgrid.env import env
from mailgrid.settings.apps import *  # noqa: F403
from mailgrid.settings.celery import *  # noqa: F403
from mailgrid.settings.logging import *  # noqa: F403
from mailgrid.settings.mail import *  # noqa: F403
from mailgrid.settings.security import *  # noqa: F403
from mailgrid.settings.shared import *  # noqa: F403
from mailgrid.settings.storage import *  # noqa: F403

DEBUG = env("DEBUG")
ROOT_URLCONF = "mailgrid.urls"
WSGI_APPLICATION = "mailgrid.wsgi.application"
ASGI_APPLICATION = "mailgrid.asgi.application"

USE_TZ = True
TIME_ZONE = "UTC"
USE_I18N = False
LANGUAGE_CODE = "en"

STATIC_URL = "static/"

PUBLIC_URL = (env("PUBLIC_URL") or f"http://{env('HOST')}:{env('PORT')}").rstrip("/")
# Behind a proxy that ends TLS a log-in comes from another origin than the one we see.
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = PUBLIC_URL.startswith("https://")

METRICS_DIR: Path | None = None  # each process counts for itself

# For fault tests alone (mailgrid.core.failpoints, mailgrid.core.durations); no environment variable reaches them.
FAILPOINTS: dict[str, Any] = {}
TIME_SCALE = 1.0
