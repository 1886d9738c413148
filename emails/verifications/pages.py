"""`/v/<token>`: the page behind a magic link. GET changes nothing, as scanners follow links; POST approves, once."""

from urllib.parse import urlsplit, urlunsplit
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.csrf import csrf_exempt

from emails.verifications.models import Verification
from emails.verifications.selectors import find_link, state_of
from emails.verifications.services import approve_link
from mailgrid.core.clock import now
from mailgrid.core.ratelimit import limiter
from mailgrid.http.public import public_page

PER_MINUTE = 20  # looks at one link; a person needs two


@method_decorator(csrf_exempt, name="dispatch")  # the token is the proof, and there is no session to ride on
class MagicLink(View):
    """Bad, used and expired tokens get one same page."""

    http_method_names = ["get", "head", "post"]

    def get(self, request: HttpRequest, token: str) -> HttpResponse:
        """A page with a button."""
        row = find_link(token)
        if row is None or not _may_look(row) or state_of(row, now=now()) != Verification.Status.PENDING:
            return _does_not_work(request)
        targets = [_origin(row.redirect_url)] if row.redirect_url else []
        return public_page(request, "link.html", {"tenant": row.tenant.name}, form_targets=targets)

    def post(self, request: HttpRequest, token: str) -> HttpResponse:
        """Approve, and lead to where the tenant wanted people to come back to."""
        found = find_link(token)
        row = approve_link(token, now=now()) if found and _may_look(found) else None
        if row is None:
            return _does_not_work(request)
        if not row.redirect_url:
            return public_page(request, "link_approved.html", {"tenant": row.tenant.name})
        response = public_page(request, "link_approved.html", {"tenant": row.tenant.name}, status=303)
        response["Location"] = _with_id(row.redirect_url, row.pk)
        return response


def _may_look(row: Verification) -> bool:
    name = f"verification-link:{row.pk}"
    return bool(limiter().take(name, tokens=1, rate=PER_MINUTE / 60, burst=PER_MINUTE).granted)


def _does_not_work(request: HttpRequest) -> HttpResponse:
    return public_page(request, "link_used.html", {}, status=404)


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _with_id(url: str, verification_id: UUID) -> str:
    """What the tenant wrote stays as it is written."""
    parts = urlsplit(url)
    query = f"{parts.query}&" if parts.query else ""
    return urlunsplit(parts._replace(query=f"{query}verification={verification_id}"))


routes = [path("v/<str:token>", MagicLink.as_view(), name="magic-link")]
