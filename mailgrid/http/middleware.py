"""Every request gets an id, every answer carries it; machines take a short way; allowed origins get CORS."""

import re
import uuid
from collections.abc import Callable
from functools import lru_cache

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.template.response import SimpleTemplateResponse
from django.urls import resolve
from django.utils.cache import patch_vary_headers
from structlog.contextvars import bound_contextvars

from mailgrid.http.errors import answer_error

MACHINE_PATHS = ("/api/", "/hooks/", "/t/", "/u/", "/f/", "/healthz", "/readyz", "/metrics")
# Django tries one route after the other, for 28 µs until it comes to `/api/emails`. What leads nowhere is not kept.
_resolved = lru_cache(maxsize=1_000)(resolve)
_OWN_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class RequestMiddleware:
    """Outermost: `request.request_id`, `X-Request-Id`, CORS for the origins the operator lists."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        given = request.headers.get("X-Request-Id", "")
        request_id = given if _OWN_ID.fullmatch(given) else str(uuid.uuid4())
        request.request_id = request_id  # type: ignore[attr-defined]
        with bound_contextvars(request_id=request_id):
            response = self._answer(request)
        response["X-Request-Id"] = request_id
        origin = request.headers.get("Origin")
        if origin and origin in settings.CORS_ORIGINS:
            _allow_origin(response, origin)
        return response

    def _answer(self, request: HttpRequest) -> HttpResponseBase:
        if not request.path_info.startswith(MACHINE_PATHS):
            return self.get_response(request)
        if request.method == "OPTIONS" and request.headers.get("Origin") in settings.CORS_ORIGINS:
            return HttpResponse(b"{}", content_type="application/json")
        response = _call_view(request)
        response["X-Content-Type-Options"] = "nosniff"
        if isinstance(response, HttpResponse):  # without a length the server has to close the connection
            response.headers.setdefault("Content-Length", str(len(response.content)))
        return response


def _call_view(request: HttpRequest) -> HttpResponseBase:
    """Straight to the view: machines have no session, no CSRF token and no messages, and pay for none of them."""
    try:
        match = request.resolver_match = _resolved(request.path_info)
        response: HttpResponseBase = match.func(request, *match.args, **match.kwargs)
        if isinstance(response, SimpleTemplateResponse):
            response.render()
        return response
    except Exception as error:  # noqa: BLE001 - answer_error logs what nobody planned for
        return answer_error(error, request)


def _allow_origin(response: HttpResponseBase, origin: str) -> None:
    response["Access-Control-Allow-Origin"] = origin
    response["Access-Control-Allow-Headers"] = (
        "Authorization, Content-Type, Idempotency-Key, X-Batch-Validation"
    )
    response["Access-Control-Allow-Methods"] = "GET, POST, PATCH, PUT, DELETE"
    response["Access-Control-Expose-Headers"] = (
        "X-Request-Id, RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset, Retry-After, Idempotent-Replayed"
    )
    patch_vary_headers(response, ("Origin",))
