"""The Celery application: bells in, summaries out. `celery -A workers` finds it here."""

import os

from celery import Celery

from workers.queues import QUEUES
from workers.schedule import ENTRIES

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mailgrid.settings.embedded")

app = Celery("mailgrid")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.task_queues = QUEUES
app.conf.beat_schedule = ENTRIES
app.conf.imports = (
    "workers.children",
    "workers.tasks.delivery",
    "workers.tasks.events",
    "workers.tasks.fetching",
    "workers.tasks.maintenance",
)
