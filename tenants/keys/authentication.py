"""DRF's view of keys: who calls, and whether they may. `tenants.keys.access` decides.

DRF loads this module while it loads its own views: nothing that needs those may be imported here.
"""

from typing import Any, cast

from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from mailgrid.core.callers import ANY_KEY, Caller
from mailgrid.core.clock import now
from tenants.keys.access import MissingApiKey, authenticate_token, require
from tenants.keys.sources import client_ip


class ApiKeyAuthentication(BaseAuthentication):
    """`Authorization: Bearer mg_…` becomes the `Caller` in `request.auth`. There is no user."""

    def authenticate(self, request: Request) -> tuple[None, Caller]:
        """Raises `MissingApiKey` without a bearer token, and whatever `authenticate_token` raises."""
        scheme, _, token = request.META.get("HTTP_AUTHORIZATION", "").strip().partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise MissingApiKey("Send your API key as: Authorization: Bearer mg_live_…")
        caller = authenticate_token(
            token.strip(), client_ip(request.META), now(), request_id=getattr(request, "request_id", "")
        )
        return None, caller


class HasScope(BasePermission):
    """The scope that the view names for the method. A method without one passes, and DRF answers 405."""

    def has_permission(self, request: Request, view: Any) -> bool:
        """Raises what `require` raises."""
        scope = view.scopes.get(request.method)
        if scope is not None:
            require(
                cast(Caller, request.auth),
                None if scope == ANY_KEY else scope,
                reads=request.method == "GET",
                operator=view.operator,
            )
        return True
