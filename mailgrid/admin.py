"""The operator console: Django's admin with a menu in the order in which people look for things."""

from collections.abc import Callable
from functools import update_wrapper
from typing import Any, Final
from urllib.parse import quote

from django.conf import settings
from django.contrib.admin.apps import AdminConfig
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from unfold.sites import UnfoldAdminSite

from mailgrid.core.ratelimit import Grant, limiter
from tenants.keys.sources import client_ip

FAILURES_PER_MINUTE: Final = 10  # log-ins, of one address
View = Callable[..., HttpResponse]


class OperatorSite(UnfoldAdminSite):  # type: ignore[misc]
    """For people who run the installation (`is_staff`)."""

    index_title = "Overview"

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The log-in page; an address that failed too often within a minute has to wait."""
        failures = f"failed-log-ins:{client_ip(request.META)}"
        if request.method == "POST" and _bucket(failures, tokens=0).remaining < 1:
            return HttpResponse(
                "Too many failed log-ins. Try again in a minute.", status=429, headers={"Retry-After": "60"}
            )
        response: HttpResponse = super().login(request, extra_context)
        if request.method == "POST" and response.status_code == 200:  # success redirects
            _bucket(failures, tokens=1)
        return response

    def admin_view(self, view: View, cacheable: bool = False) -> View:
        """Every page knows where its operator sits, for the audit trail: `request.client_ip`."""
        inner: View = super().admin_view(view, cacheable)

        def located(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            request.client_ip = client_ip(request.META)  # type: ignore[attr-defined]
            return inner(request, *args, **kwargs)

        return update_wrapper(located, inner)


def _bucket(name: str, *, tokens: int) -> Grant:
    return limiter().take(name, tokens=tokens, rate=FAILURES_PER_MINUTE / 60, burst=FAILURES_PER_MINUTE)


class OperatorConsoleConfig(AdminConfig):
    """Makes `OperatorSite` Django's default admin site."""

    default_site = "mailgrid.admin.OperatorSite"


# Groups of (title, icon, model); what follows a question mark is the list's filter.
_MENU: Final = {
    "Mail": (
        ("Messages", "mail", "emails.message"),
        ("Dead letters", "report", "emails.message?dead_letter=any"),
        ("Sandbox inbox", "inbox", "emails.capturedmail"),
        ("Events", "bolt", "emails.event"),
        ("Suppressions", "do_not_disturb_on", "emails.suppression"),
        ("Notifications", "notifications", "emails.notification"),
    ),
    "Sending": (
        ("Templates", "article", "templates.template"),
        ("Streams", "alt_route", "emails.stream"),
        ("Transports", "local_shipping", "emails.transport"),
        ("Domains", "language", "tenants.domain"),
        ("Files", "attach_file", "tenants.file"),
    ),
    "Tenants": (
        ("Tenants", "apartment", "tenants.tenant"),
        ("API keys", "key", "tenants.apikey"),
        ("Plans", "speed", "tenants.plan"),
        ("Members", "group", "tenants.membership"),
        ("Users", "person", "tenants.user"),
        ("Audit", "history", "tenants.auditentry"),
    ),
    "Fleet": (
        ("Workers and queues", "hub", "workers.workerprocess"),
        ("Periodic tasks", "schedule", "django_celery_beat.periodictask"),
        ("Intervals", "timer", "django_celery_beat.intervalschedule"),
        ("Crontabs", "calendar_month", "django_celery_beat.crontabschedule"),
    ),
}


_ICON: Final = (
    "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 32 32'><rect width='32' height='32' rx='7' fill='#9810fa'/>"
    "<path d='M7 10h18v12H7zl9 7 9-7' fill='none' stroke='#fff' stroke-width='2.2' stroke-linejoin='round'/></svg>"
)


def favicon(_request: HttpRequest) -> str:
    """The tab's icon, without a file."""
    return f"data:image/svg+xml,{quote(_ICON)}"


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """The side bar: what this operator may see, and Flower where there is one."""
    overview = {"title": "Overview", "icon": "space_dashboard", "link": reverse("admin:index")}
    groups = [
        {
            "title": title,
            "separator": True,
            "items": [_item(request, *entry) for entry in entries if _may_see(request, entry[2])]
            + _elsewhere(title),
        }
        for title, entries in _MENU.items()
    ]
    return [{"items": [overview]}, *(group for group in groups if group["items"])]


def _item(request: HttpRequest, title: str, icon: str, model: str) -> dict[str, Any]:
    name, mark, chosen = model.partition("?")
    address = reverse(f"admin:{name.replace('.', '_')}_changelist")
    filtered = "dead_letter" in request.GET
    active = request.path.startswith(address) and filtered == bool(chosen)
    return {"title": title, "icon": icon, "link": f"{address}{mark}{chosen}", "active": active}


def _elsewhere(title: str) -> list[dict[str, Any]]:
    flower = {"title": "Flower", "icon": "local_florist", "link": settings.FLOWER_URL}
    return [flower] if title == "Fleet" and settings.FLOWER_URL else []


def _may_see(request: HttpRequest, model: str) -> bool:
    app, _, name = model.partition("?")[0].partition(".")
    user: Any = request.user
    return bool(user.has_perm(f"{app}.view_{name}") or user.has_perm(f"{app}.change_{name}"))
