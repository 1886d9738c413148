"""The OpenAPI document, drawn from the endpoints themselves: docstrings, request models, filters, scopes."""

from typing import Any, Final

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse
from pydantic import BaseModel

from mailgrid.core.callers import ANY_KEY
from mailgrid.http.errors import STATUSES

_PAGING: Final = ("limit", "after", "before")


class ErrorItem(BaseModel):
    """One field to blame."""

    field: str
    code: str
    message: str


class ErrorBody(BaseModel):
    """Every error under /api."""

    statusCode: int  # noqa: N815 - Resend's name, which its SDKs read
    name: str
    message: str
    request_id: str
    errors: list[ErrorItem] | None = None


class EndpointSchema(AutoSchema):
    """Reads what `Endpoint` declares."""

    def get_operation_id(self) -> str:
        """`get_emails_id_events`: unique, because method and path are."""
        words = self.path.removeprefix("/api/").replace("{", "").replace("}", "")
        return f"{self.method.lower()}_{words.replace('/', '_').replace('-', '_').replace('.', '_')}"

    def get_tags(self) -> list[str]:
        """The first word of the path."""
        return [self.path.removeprefix("/api/").split("/")[0]]

    def get_summary(self) -> str | None:
        """The first line of the method's docstring."""
        doc = getattr(self.view, self.method.lower()).__doc__
        return doc.strip().splitlines()[0] if doc else None

    def get_description(self) -> str:  # type: ignore[override]
        """What the route is, and the scope it takes."""
        scope = getattr(self.view, "scopes", {}).get(self.method, ANY_KEY)
        needs = "Any key may call it." if scope == ANY_KEY else f"Scope: `{scope}`."
        return f"{(self.view.__doc__ or '').strip()}\n\n{needs}"

    def get_request_serializer(self) -> Any:
        return self.view.bodies.get(self.method) if hasattr(self.view, "bodies") else None

    def get_response_serializers(self) -> Any:
        return {
            200: OpenApiResponse(OpenApiTypes.OBJECT, description="See docs/api.md."),
            "4XX": OpenApiResponse(ErrorBody, description=f"One of: {', '.join(sorted(STATUSES))}."),
        }

    def get_override_parameters(self) -> list[Any]:
        if self.method != "GET":
            return []
        filters = getattr(self.view, "filters", ())
        names = (*_PAGING, *filters) if filters and getattr(self.view, "paged", True) else filters
        return [OpenApiParameter(name, OpenApiTypes.STR, OpenApiParameter.QUERY) for name in names]

    def _is_list_view(self, serializer: Any = None) -> bool:
        return False


def only_api(endpoints: list[Any], **_kwargs: Any) -> list[Any]:
    """Leave out what is not an endpoint of ours."""
    return [entry for entry in endpoints if entry[0].startswith("/api/") and hasattr(entry[3].cls, "scopes")]
