"""`celery -A tests.bench.peers.inside.celery` finds django-celery-email's application here."""

from celery import Celery

app = Celery("peers")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
