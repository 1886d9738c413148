"""Every address this installation answers."""

from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import include, path
from drf_spectacular.views import SpectacularJSONAPIView, SpectacularSwaggerSplitView

from emails.feedback.api import routes as hooks
from emails.tracking.api import routes as links
from emails.verifications.pages import routes as magic_links
from mailgrid import downloads, health
from mailgrid.http import errors

handler404 = errors.not_found
handler500 = errors.server_error


def home(_request: HttpRequest) -> HttpResponse:
    """The root leads people to the console."""
    return redirect("admin:index")


urlpatterns = [
    path("", home),
    path("healthz", health.healthz),
    path("readyz", health.readyz),
    path("metrics", health.metrics),
    *hooks,
    *links,
    *magic_links,
    *downloads.routes,
    path("api/", include("tenants.urls")),
    path("api/", include("templates.urls")),
    path("api/", include("emails.urls")),
    path("admin/", admin.site.urls),
]

if settings.API_DOCS:
    for prefix in ("", "api/"):
        urlpatterns += [
            path(f"{prefix}openapi.json", SpectacularJSONAPIView.as_view(), name=f"{prefix}openapi"),
            path(f"{prefix}docs", SpectacularSwaggerSplitView.as_view(url_name=f"{prefix}openapi")),
        ]
