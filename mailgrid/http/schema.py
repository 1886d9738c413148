"""The OpenAPI document, drawn from the endpoints themselves."""

from typing import Any

from drf_spectacular.openapi import AutoSchema


class EndpointSchema(AutoSchema):
    """Reads what `Endpoint` declares: request models, filters, scopes."""


def only_api(endpoints: list[Any], **_kwargs: Any) -> list[Any]:
    """Leave out everything that is not under /api."""
    return [entry for entry in endpoints if entry[0].startswith("/api/")]
