"""Who calls the API: a tenant's software with a key, as authentication found it. Pure."""

from dataclasses import dataclass
from uuid import UUID

ADMIN = "admin"
ANY_KEY = "*"  # the scope of routes that every key may read


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """One authenticated request's facts about its key and tenant.

    `allowed_domains` None means every domain of the tenant. `operator` is True for keys of the operator tenant.
    """

    tenant_id: UUID
    test: bool
    key_id: UUID
    scopes: frozenset[str]
    allowed_domains: frozenset[str] | None = None
    operator: bool = False
    suspended: bool = False
    requests_per_minute: int = 600
    ip: str = ""
    request_id: str = ""

    def may(self, scope: str) -> bool:
        """Whether the key opens `scope`: by its own name, its family's `*`, `:write` for `:read`, or `admin`."""
        if scope in self.scopes or ADMIN in self.scopes:
            return True
        family, _, verb = scope.partition(":")
        if f"{family}:*" in self.scopes:
            return True
        return verb == "read" and f"{family}:write" in self.scopes
