"""Every request gets an id, every answer carries it; unknown API addresses answer JSON; allowed origins get CORS."""

import re
import uuid
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from structlog.contextvars import bound_contextvars

from mailgrid.http.errors import not_found, server_error

_OWN_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class RequestMiddleware:
    """Outermost: `request.request_id`, `X-Request-Id`, CORS for the origins the operator lists."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
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

    def _answer(self, request: HttpRequest) -> HttpResponse:
        if request.method == "OPTIONS" and request.headers.get("Origin") in settings.CORS_ORIGINS:
            return HttpResponse(b"{}", content_type="application/json")
        response = self.get_response(request)
        if request.path.startswith("/api/") and response.get("Content-Type", "").startswith("text/html"):
            if response.status_code == 404:
                return not_found(request)
            if response.status_code >= 500:
                return server_error(request)
        return response


def _allow_origin(response: HttpResponse, origin: str) -> None:
    response["Access-Control-Allow-Origin"] = origin
    response["Access-Control-Allow-Headers"] = "Authorization, Content-Type, Idempotency-Key, X-Batch-Validation"
    response["Access-Control-Allow-Methods"] = "GET, POST, PATCH, PUT, DELETE"
    response["Access-Control-Expose-Headers"] = "X-Request-Id, RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset"
    response["Vary"] = "Origin"
