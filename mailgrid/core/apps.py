"""The shared kernel as a Django app: two tables and nothing else."""

from django.apps import AppConfig


class CoreConfig(AppConfig):
    name = "mailgrid.core"
    label = "core"
    default_auto_field = "django.db.models.BigAutoField"
