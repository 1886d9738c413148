"""One flat Django app: its noun is the template."""

from django.apps import AppConfig


class TemplatesConfig(AppConfig):
    name = "templates"
    default_auto_field = "django.db.models.BigAutoField"
