"""A Django project with one peer in it, the one that PEER names."""

import os
from urllib.parse import urlsplit

_PEER = os.environ["PEER"]
_DATABASE = urlsplit(os.environ["DATABASE_URL"])
_SMTP = "django.core.mail.backends.smtp.EmailBackend"

SECRET_KEY = "benchmark"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth"]
EMAIL_HOST = "127.0.0.1"
EMAIL_PORT = int(os.environ["SMTP_PORT"])
LOGGING = {"version": 1, "root": {"level": "WARNING"}}

if _PEER != "django-celery-email":
    DATABASES = {
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "HOST": _DATABASE.hostname,
            "PORT": _DATABASE.port,
            "USER": _DATABASE.username,
            "PASSWORD": _DATABASE.password,
            "NAME": _DATABASE.path[1:],
            "CONN_MAX_AGE": None,
        }
    }

match _PEER:
    case "django-post-office":
        INSTALLED_APPS += ["post_office"]
        EMAIL_BACKEND = "post_office.EmailBackend"
        TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates"}]
        POST_OFFICE = {
            "BACKENDS": {"default": _SMTP},
            "BATCH_SIZE": 1_000,
            "THREADS_PER_PROCESS": 10,
            "LOG_LEVEL": 1,  # rows for failures only
        }
    case "django-mailer":
        INSTALLED_APPS += ["mailer"]
        EMAIL_BACKEND = "mailer.backend.DbBackend"
        MAILER_EMAIL_BACKEND = _SMTP
        MAILER_USE_FILE_LOCK = False  # so that two processes share the queue
        MAILER_EMPTY_QUEUE_SLEEP = 1
        MAILER_MESSAGES_BATCH_SIZE = 1_000
    case "django-celery-email":
        INSTALLED_APPS += ["djcelery_email"]
        EMAIL_BACKEND = "djcelery_email.backends.CeleryEmailBackend"
        CELERY_EMAIL_BACKEND = _SMTP
        CELERY_EMAIL_CHUNK_SIZE = 50
        CELERY_EMAIL_TASK_CONFIG = {"queue": "peers", "ignore_result": True}
        CELERY_BROKER_URL = os.environ["BROKER_URL"]
        CELERY_TASK_DEFAULT_QUEUE = "peers"
