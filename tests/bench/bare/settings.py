"""As little as there can be."""

import os

from environ import Env

SECRET_KEY = "benchmark"
ALLOWED_HOSTS = ["*"]
USE_TZ = True
ROOT_URLCONF = "tests.bench.bare.views"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = ["tests.bench.bare"]
MIDDLEWARE: list[str] = []
DATABASES = {"default": Env.db_url_config(os.environ["DATABASE_URL"]) | {"CONN_MAX_AGE": 600}}
