"""What a key may be allowed to do: the closed list of docs/api.md, and which scope covers which. Pure."""

from collections.abc import Iterable
from typing import Final

from mailgrid.core.callers import ADMIN

FAMILIES: Final = (
    "streams",
    "files",
    "users",
    "ips",
    "domains",
    "contacts",
    "campaigns",
    "suppressions",
    "webhooks",
    "keys",
    "knowledge",
    "labels",
)
SENDING: Final = "emails:send"
SCOPES: Final = frozenset(
    {
        ADMIN,
        SENDING,
        "events:read",
        "templates:read",
        "templates:write",
        "verifications:write",
        "audit:read",
        "ai:use",
        "agents:dispatch",
        *(f"{family}:{verb}" for family in FAMILIES for verb in ("read", "write", "*")),
    }
)


def valid(scope: str) -> bool:
    """Whether there is such a scope."""
    return scope in SCOPES


def beyond(own: Iterable[str], wanted: Iterable[str]) -> frozenset[str]:
    """The scopes among `wanted` that a holder of `own` lacks, and so cannot hand on."""
    covered = frozenset[str]().union(*map(_covered_by, own))
    return frozenset(wanted) - covered


def _covered_by(scope: str) -> frozenset[str]:
    if scope == ADMIN:
        return SCOPES
    family, _, verb = scope.partition(":")
    # `:write` implies `:read`, so it is worth as much as `:*`.
    if verb in {"write", "*"}:
        return SCOPES & {f"{family}:read", f"{family}:write", f"{family}:*"}
    return frozenset({scope})
