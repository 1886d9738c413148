"""The closed list of scopes, and what may be handed on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailgrid.core.callers import Caller
from mailgrid.core.ids import uuid7
from tenants.keys.scopes import SCOPES, beyond, valid

sets = st.sets(st.sampled_from(sorted(SCOPES)))


@pytest.mark.parametrize(
    "scope", ["admin", "emails:send", "events:read", "templates:write", "keys:*", "webhooks:read", "ai:use"]
)
def test_a_scope_of_the_contract_is_valid(scope: str) -> None:
    assert valid(scope)


@pytest.mark.parametrize(
    "scope", ["", "*", "emails:read", "emails:*", "admin:*", "Admin", "keys", "keys:send"]
)
def test_anything_else_is_not(scope: str) -> None:
    assert not valid(scope)


@pytest.mark.parametrize(
    ("own", "wanted", "missing"),
    [
        ({"admin"}, SCOPES, set()),
        ({"keys:write"}, {"keys:read", "keys:write", "keys:*"}, set()),
        ({"keys:*"}, {"keys:read", "keys:write"}, set()),
        ({"keys:read"}, {"keys:write", "keys:*"}, {"keys:write", "keys:*"}),
        ({"keys:read", "emails:send"}, {"emails:send", "admin"}, {"admin"}),
        ({"keys:write"}, {"streams:read"}, {"streams:read"}),
        (set(), {"events:read"}, {"events:read"}),
        ({"admin"}, {"something:else"}, {"something:else"}),
    ],
)
def test_what_is_lacking_cannot_be_handed_on(own: set[str], wanted: set[str], missing: set[str]) -> None:
    assert beyond(own, wanted) == missing


@given(sets, sets)
def test_what_may_be_handed_on_is_what_the_key_opens(own: set[str], wanted: set[str]) -> None:
    caller = Caller(tenant_id=uuid7(), test=False, key_id=uuid7(), scopes=frozenset(own))
    for scope in wanted - beyond(own, wanted):
        family, _, verb = scope.partition(":")
        worth = [f"{family}:read", f"{family}:write"] if verb == "*" else [scope]
        assert all(caller.may(opened) for opened in worth)
