"""Issuing by the console and by commands, and the cap."""

from datetime import timedelta

import pytest

from mailgrid.core.callers import Caller
from mailgrid.core.clock import now
from mailgrid.core.errors import Conflict, Forbidden, NotFound
from mailgrid.core.ids import uuid7
from tenants.audit.services import SYSTEM, Actor
from tenants.keys import services
from tenants.keys.models import ApiKey
from tenants.keys.services import NewKey, issue, revoke, rotate
from tenants.tenancy.models import Tenant
from tenants.tenancy.services import close
from tests.journeys.conftest_tenants import last_entry, make_key, trail

ADMIN = NewKey(name="admin", scopes=frozenset({"admin"}))


def test_an_operator_in_the_console_is_not_limited_and_is_named_in_the_trail(acme: Tenant) -> None:
    console = Actor(type="operator", id="root")
    key, _ = issue(tenant_id=acme.id, new=ADMIN, by=console, now=now())
    assert last_entry(acme) == ("operator", "api_key.issue", str(key.id))
    assert trail(acme)[-1].changes == {"name": "admin", "scopes": ["admin"], "test": False}


def test_only_the_operator_makes_keys_of_other_tenants(acme: Tenant, globex: Tenant) -> None:
    key, _ = make_key(globex)
    caller = Caller(tenant_id=globex.id, test=False, key_id=key.id, scopes=frozenset({"admin"}))
    with pytest.raises(Forbidden):
        issue(tenant_id=acme.id, new=ADMIN, by=caller, now=now())
    assert not ApiKey.across_tenants.filter(tenant=acme).exists()


def test_no_tenant_no_key(db) -> None:
    with pytest.raises(NotFound):
        issue(tenant_id=uuid7(), new=ADMIN, by=SYSTEM, now=now())


def test_a_closed_tenant_gets_no_key(acme: Tenant) -> None:
    close(tenant_id=acme.id, actor=SYSTEM, now=now())
    with pytest.raises(Conflict):
        issue(tenant_id=acme.id, new=ADMIN, by=SYSTEM, now=now())


def test_the_cap_counts_keys_that_work(acme: Tenant, monkeypatch) -> None:
    monkeypatch.setattr(services, "MAX_KEYS", 2)
    first, _ = make_key(acme)
    make_key(acme, expires_at=now() + timedelta(seconds=60))
    with pytest.raises(Conflict):
        make_key(acme)
    with pytest.raises(Conflict):
        rotate(tenant_id=acme.id, key_id=str(first.id), overlap_seconds=60, by=SYSTEM, now=now())
    fresh, _, _ = rotate(tenant_id=acme.id, key_id=str(first.id), overlap_seconds=0, by=SYSTEM, now=now())
    revoke(tenant_id=acme.id, key_id=str(fresh.id), by=SYSTEM, now=now())
    make_key(acme)


def test_a_refused_rotation_leaves_the_old_key_as_it_was(acme: Tenant, monkeypatch) -> None:
    key, _ = make_key(acme)
    monkeypatch.setattr(services, "MAX_KEYS", 1)
    with pytest.raises(Conflict):
        rotate(tenant_id=acme.id, key_id=str(key.id), overlap_seconds=60, by=SYSTEM, now=now())
    assert ApiKey.across_tenants.get(pk=key.pk).expires_at is None
