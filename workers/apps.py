"""The workers as a Django app: commands, and Celery's default app."""

from django.apps import AppConfig


class WorkersConfig(AppConfig):
    name = "workers"

    def ready(self) -> None:
        from workers.celery import app

        app.set_default()
