"""The operator console: Django's admin with a menu in the order in which people look for things."""

from typing import Any

from django.contrib.admin.apps import AdminConfig
from django.http import HttpRequest
from unfold.sites import UnfoldAdminSite


class OperatorSite(UnfoldAdminSite):
    """For people who run the installation (`is_staff`)."""


class OperatorConsoleConfig(AdminConfig):
    """Makes `OperatorSite` Django's default admin site."""

    default_site = "mailgrid.admin.OperatorSite"


def navigation(_request: HttpRequest) -> list[dict[str, Any]]:
    """The side bar."""
    return []
