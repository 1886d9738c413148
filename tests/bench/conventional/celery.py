"""`celery -A tests.bench.conventional.celery` finds the application here."""

from celery import Celery

app = Celery("conventional")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["tests.bench.conventional"])
