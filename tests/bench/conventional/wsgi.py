"""For granian."""

from django.core.wsgi import get_wsgi_application

from tests.bench.conventional.celery import app as celery_app

application = get_wsgi_application()

__all__ = ["application", "celery_app"]
