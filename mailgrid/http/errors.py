"""From an exception to the error body of docs/api.md. The only place that knows HTTP statuses of errors."""

import math
from typing import Any

import orjson
from django.core.exceptions import RequestDataTooBig
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from rest_framework import exceptions

from mailgrid.core.errors import FieldError, MailgridError, NotFound, Unavailable
from mailgrid.core.logging import get_logger

log = get_logger(__name__)

STATUSES = {
    "validation_error": 422,
    "missing_required_field": 422,
    "invalid_parameter": 422,
    "invalid_from_address": 422,
    "invalid_attachment": 422,
    "invalid_region": 422,
    "template_render_error": 422,
    "invalid_idempotency_key": 400,
    "missing_api_key": 401,
    "invalid_api_key": 403,
    "restricted_api_key": 403,
    "tenant_suspended": 403,
    "not_found": 404,
    "method_not_allowed": 405,
    "invalid_idempotent_request": 409,
    "concurrent_idempotent_requests": 409,
    "conflict": 409,
    "payload_too_large": 413,
    "unsupported_media_type": 415,
    "rate_limit_exceeded": 429,
    "daily_quota_exceeded": 429,
    "monthly_quota_exceeded": 429,
    "security_error": 451,
    "application_error": 500,
    "provider_error": 502,
    "service_unavailable": 503,
}
_RETRY_SECONDS = {"concurrent_idempotent_requests": 1.0, "service_unavailable": 5.0}


class Unreadable(MailgridError):
    """A body that is refused before it becomes values."""

    name = "validation_error"


class TooLarge(MailgridError):
    """A body over the route's cap."""

    name = "payload_too_large"


class UnsupportedMediaType(MailgridError):
    """A body that is not JSON, or is compressed."""

    name = "unsupported_media_type"


class MethodNotAllowed(MailgridError):
    """The route exists, for other methods."""

    name = "method_not_allowed"


def answer_exception(error: Exception, context: dict[str, Any]) -> HttpResponse:
    """DRF's exception handler."""
    return answer_error(error, context["request"])


def answer_error(error: Exception, request: Any) -> HttpResponse:
    """The error body for any exception; what nobody planned for is logged and says nothing internal."""
    known = _translate(error)
    if known is None:
        log.error("http.request.crashed", path=request.path, exc_info=error)
        known = MailgridError("Something went wrong on our side. Quote the request_id when you report it.")
    status = 400 if isinstance(known, Unreadable) else STATUSES[known.name]
    response = HttpResponse(
        orjson.dumps(_body(known, status, request)), status=status, content_type="application/json"
    )
    retry_after = known.retry_after or _RETRY_SECONDS.get(known.name)
    if retry_after is not None:
        response["Retry-After"] = str(max(1, math.ceil(retry_after)))
    if isinstance(error, exceptions.MethodNotAllowed) and (view := _view(request)):
        response["Allow"] = ", ".join(view.allowed_methods)
    return response


def _translate(error: Exception) -> MailgridError | None:
    match error:
        case MailgridError():
            return error
        case Http404() | exceptions.NotFound():
            return NotFound("The requested resource was not found.")
        case exceptions.MethodNotAllowed():
            return MethodNotAllowed(str(error.detail))
        case RequestDataTooBig():
            return TooLarge("The request body is too large.")
        case OperationalError() | InterfaceError():
            log.error("http.database.unavailable", exc_info=error)
            return Unavailable("The database is not available right now.")
    return None


def _body(error: MailgridError, status: int, request: Any) -> dict[str, Any]:
    body: dict[str, Any] = {
        "statusCode": status,
        "name": error.name,
        "message": error.message,
        "request_id": getattr(request, "request_id", ""),
    }
    if error.errors:
        body["errors"] = [_item(item) for item in error.errors]
    return body


def _item(item: FieldError) -> dict[str, str]:
    return {"field": item.field, "code": item.code, "message": item.message}


def _view(request: Any) -> Any:
    return (getattr(request, "parser_context", None) or {}).get("view")


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """404 for addresses that no route takes."""
    return answer_error(NotFound("The requested resource was not found."), request)


def server_error(request: HttpRequest) -> HttpResponse:
    """500 outside of any endpoint."""
    return answer_error(MailgridError("Something went wrong on our side."), request)
