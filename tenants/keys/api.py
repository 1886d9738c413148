"""`/api-keys`, and the operator's way to make a key of any tenant."""

from ipaddress import ip_address, ip_network
from typing import Annotated, Any, Literal, cast

from django.http import HttpResponse
from django.urls import path
from pydantic import AfterValidator, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from mailgrid.core.callers import ADMIN
from mailgrid.http.answers import answer
from mailgrid.http.query import Query, as_list
from mailgrid.http.reading import Body
from mailgrid.http.times import WireTime
from mailgrid.http.views import Endpoint
from tenants.domains.names import normalize
from tenants.keys import scopes, selectors, services
from tenants.keys.models import ApiKey
from tenants.keys.services import KeyChanges, NewKey

READ, WRITE = "keys:read", "keys:write"
MODES = ("live", "test")
_PERMISSIONS = {"full_access": ADMIN, "sending_access": scopes.SENDING}


def _scope(text: str) -> str:
    if not scopes.valid(text):
        raise PydanticCustomError("invalid_choice", "There is no such scope.")
    return text


def _domain(text: str) -> str:
    try:
        return normalize(text)
    except ValueError:
        raise PydanticCustomError("not_found", "This is not a domain of the tenant.") from None


def _network(text: str) -> str:
    try:
        return str(ip_network(text, strict=False) if "/" in text else ip_address(text))
    except ValueError:
        raise PydanticCustomError("invalid_choice", "Write an address or a CIDR network.") from None


Name = Annotated[str, Field(min_length=1, max_length=100)]
Scopes = Annotated[list[Annotated[str, AfterValidator(_scope)]], Field(min_length=1)]
Domains = Annotated[list[Annotated[str, AfterValidator(_domain)]], Field(min_length=1, max_length=50)]
Networks = Annotated[list[Annotated[str, AfterValidator(_network)]], Field(min_length=1, max_length=50)]


class NewKeyBody(Body):
    """A key to issue."""

    name: Name
    scopes: Scopes | None = None
    permission: Literal["full_access", "sending_access"] | None = None
    mode: Literal["live", "test"] | None = None
    domain_id: str | None = None
    allowed_domains: Domains | None = None
    allowed_ips: Networks | None = None
    expires_at: WireTime | None = None

    @field_validator("permission", "allowed_domains")
    @classmethod
    def _alone(cls, value: Any, info: ValidationInfo) -> Any:
        rival = {"permission": "scopes", "allowed_domains": "domain_id"}[info.field_name or ""]
        if value is not None and info.data.get(rival) is not None:
            raise PydanticCustomError("mutually_exclusive", "Not together with {rival}.", {"rival": rival})
        return value

    def as_new_key(self, *, test: bool) -> NewKey:
        """The key as its service knows it; `test` is the caller's mode, and the default."""
        return NewKey(
            name=self.name,
            scopes=frozenset(self.scopes or [_PERMISSIONS[self.permission or "full_access"]]),
            test=test if self.mode is None else self.mode == "test",
            domain_id=self.domain_id,
            allowed_domains=None if self.allowed_domains is None else tuple(self.allowed_domains),
            allowed_ips=None if self.allowed_ips is None else tuple(self.allowed_ips),
            expires_at=self.expires_at,
        )


class KeyChangesBody(Body):
    """What may be changed of a key; null lifts a restriction."""

    name: Name | None = None
    allowed_domains: Domains | None = None
    allowed_ips: Networks | None = None
    expires_at: WireTime | None = None

    def values(self) -> KeyChanges:
        """What is given."""
        given = self.model_dump(exclude_unset=True)
        if self.name is None:
            given.pop("name", None)
        return cast(KeyChanges, given)


class Rotation(Body):
    """How long the old key keeps working, in seconds."""

    overlap_seconds: Annotated[int, Field(ge=0, le=2_592_000)] | None = None


class ApiKeys(Endpoint):
    """The tenant's keys."""

    scopes = {"GET": READ, "POST": WRITE}
    bodies = {"POST": NewKeyBody}
    filters = ("mode", "revoked")

    def get(self, request: Any) -> HttpResponse:
        """List them, newest first; revoked ones only when asked for."""
        query = Query(request.GET, filters=self.filters, now=self.request_time)
        modes = set(query.words("mode", MODES))
        rows = selectors.list_keys(
            self.caller.tenant_id,
            test="test" in modes if len(modes) == 1 else None,
            revoked=query.flag("revoked") or False,
        )
        return answer(as_list(query.page().of(rows), _show))

    def post(self, _request: Any) -> HttpResponse:
        """Issue one; its token is shown here only."""
        return answer(_issue(self, self.caller.tenant_id), status=201)


class OneApiKey(Endpoint):
    """A key of the tenant."""

    scopes = {"GET": READ, "PATCH": WRITE, "DELETE": WRITE}
    bodies = {"PATCH": KeyChangesBody}

    def get(self, _request: Any, key_id: str) -> HttpResponse:
        """Read it."""
        return answer(_show(selectors.get_key(self.caller.tenant_id, key_id)))

    def patch(self, _request: Any, key_id: str) -> HttpResponse:
        """Change its name or restrictions."""
        key = services.update(
            tenant_id=self.caller.tenant_id,
            key_id=key_id,
            changes=self.read(KeyChangesBody).values(),
            by=self.caller,
            now=self.request_time,
        )
        return answer({"object": "api_key", "id": str(key.id)})

    def delete(self, _request: Any, key_id: str) -> HttpResponse:
        """Revoke it."""
        key = services.revoke(
            tenant_id=self.caller.tenant_id, key_id=key_id, by=self.caller, now=self.request_time
        )
        return answer({"object": "api_key", "id": str(key.id), "deleted": True})


class RotateApiKey(Endpoint):
    """A fresh secret for the same purpose."""

    scopes = {"POST": WRITE}
    bodies = {"POST": Rotation}

    def post(self, _request: Any, key_id: str) -> HttpResponse:
        """Issue a key like this one; both work for the overlap, a day unless said."""
        overlap = self.read(Rotation).overlap_seconds
        key, token, old_expires_at = services.rotate(
            tenant_id=self.caller.tenant_id,
            key_id=key_id,
            overlap_seconds=services.DEFAULT_OVERLAP_SECONDS if overlap is None else overlap,
            by=self.caller,
            now=self.request_time,
        )
        fresh = {**_show_once(key, token), "replaces": str(key.replaces_id), "old_expires_at": old_expires_at}
        return answer(fresh, status=201)


class TenantApiKeys(Endpoint):
    """Keys of any tenant, for its operator."""

    operator = True
    scopes = {"POST": ADMIN}
    bodies = {"POST": NewKeyBody}

    def post(self, _request: Any, tenant_id: str) -> HttpResponse:
        """Issue one, of any scope."""
        return answer(_issue(self, tenant_id), status=201)


def _issue(endpoint: Endpoint, tenant_id: Any) -> dict[str, Any]:
    caller = endpoint.caller
    key, token = services.issue(
        tenant_id=tenant_id,
        new=endpoint.read(NewKeyBody).as_new_key(test=caller.test),
        by=caller,
        now=endpoint.request_time,
    )
    return _show_once(key, token)


def _show_once(key: ApiKey, token: str) -> dict[str, Any]:
    return {"object": "api_key", "id": str(key.id), "token": token, "scopes": key.scopes}


def _show(key: ApiKey) -> dict[str, Any]:
    return {
        "object": "api_key",
        "id": str(key.id),
        "name": key.name,
        "prefix": key.prefix,
        "mode": "test" if key.test else "live",
        "scopes": key.scopes,
        "allowed_domains": key.allowed_domains,
        "allowed_ips": key.allowed_ips,
        "expires_at": key.expires_at,
        "last_used_at": key.last_used_at,
        "revoked_at": key.revoked_at,
        "created_at": key.created_at,
    }


routes = [
    path("api-keys", ApiKeys.as_view()),
    path("api-keys/<str:key_id>", OneApiKey.as_view()),
    path("api-keys/<str:key_id>/rotate", RotateApiKey.as_view()),
    path("tenants/<str:tenant_id>/api-keys", TenantApiKeys.as_view()),
]
