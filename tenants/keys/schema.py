"""How the OpenAPI document describes a key. Loaded with the routes, where drf-spectacular finds it."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension


class ApiKeySecurity(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """A bearer token (RFC 6750)."""

    target_class = "tenants.keys.authentication.ApiKeyAuthentication"
    name = "apiKey"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        """The security scheme object."""
        return {"type": "http", "scheme": "bearer", "description": "An API key: `mg_live_…` or `mg_test_…`."}
