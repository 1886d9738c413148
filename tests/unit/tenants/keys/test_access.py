"""From a token to a caller, as every door does it."""

import re
from datetime import timedelta

import pytest
import time_machine
from django.db import OperationalError

from mailgrid.core.callers import Caller
from mailgrid.core.clock import now
from mailgrid.core.crypto import keyed_hash
from mailgrid.core.errors import Forbidden
from tenants.audit.services import SYSTEM
from tenants.keys import cache, services
from tenants.keys.access import InvalidApiKey, TenantSuspended, authenticate_token, require
from tenants.keys.models import ApiKey
from tenants.quotas.services import RateLimited
from tenants.tenancy.models import Tenant
from tenants.tenancy.services import suspend, update
from tests.journeys.conftest_tenants import make_key


def test_a_token_has_twelve_public_and_43_secret_characters_and_only_its_hash_is_stored(acme: Tenant) -> None:
    for test, mode in ((False, "live"), (True, "test")):
        key, token = make_key(acme, test=test)
        assert re.fullmatch(rf"mg_{mode}_[0-9A-Za-z]{{12}}_[0-9A-Za-z]{{43}}", token)
        row = ApiKey.across_tenants.get(pk=key.pk)
        assert token.startswith(row.prefix)
        assert row.secret_hash == keyed_hash(token)
        assert token[-43:] not in str(row.__dict__)


def test_a_token_becomes_the_caller_with_its_keys_and_tenants_facts(acme: Tenant) -> None:
    update(tenant_id=acme.id, values={"limits": {"requests_per_minute": 7}}, actor=SYSTEM, now=now())
    key, token = make_key(acme, "emails:send", test=True, allowed_ips=("192.0.2.0/24",))
    caller = authenticate_token(token, "192.0.2.7", now(), request_id="r1")
    assert caller == Caller(
        tenant_id=acme.id,
        test=True,
        key_id=key.id,
        scopes=frozenset({"emails:send"}),
        allowed_domains=None,
        operator=False,
        suspended=False,
        requests_per_minute=7,
        ip="192.0.2.7",
        request_id="r1",
    )


def test_a_known_key_costs_no_query(acme: Tenant, django_assert_num_queries) -> None:
    _, token = make_key(acme)
    with django_assert_num_queries(3):  # the key, its tenant, its use
        authenticate_token(token, "192.0.2.7", now())
    with django_assert_num_queries(0):
        authenticate_token(token, "192.0.2.7", now())


@pytest.mark.parametrize("spoil", [lambda t: t[:-1], lambda t: t + "a", lambda t: t.replace("live", "test")])
def test_a_changed_token_is_invalid(acme: Tenant, spoil) -> None:
    _, token = make_key(acme)
    with pytest.raises(InvalidApiKey):
        authenticate_token(spoil(token), "192.0.2.7", now())


@pytest.mark.parametrize(
    "token", ["", "mg_live_", "mg_live_" + "a" * 12 + "_" + "b" * 43, "\0", "müll", "a" * 99_999]
)
def test_an_unknown_token_is_invalid(db, token: str) -> None:
    with pytest.raises(InvalidApiKey):
        authenticate_token(token, "192.0.2.7", now())


def test_a_wrong_secret_is_invalid_also_for_a_key_that_is_remembered(acme: Tenant) -> None:
    _, token = make_key(acme)
    authenticate_token(token, "192.0.2.7", now())
    with pytest.raises(InvalidApiKey):
        authenticate_token(token[:-1] + ("a" if token[-1] != "a" else "b"), "192.0.2.7", now())


def test_a_key_that_is_not_found_is_not_remembered(acme: Tenant) -> None:
    key, token = make_key(acme)
    ApiKey.across_tenants.filter(pk=key.pk).update(public="x" * 12)
    with pytest.raises(InvalidApiKey):
        authenticate_token(token, "192.0.2.7", now())
    ApiKey.across_tenants.filter(pk=key.pk).update(public=key.public)
    authenticate_token(token, "192.0.2.7", now())


def test_this_process_forgets_a_revoked_key_as_soon_as_that_is_committed(
    acme: Tenant, django_capture_on_commit_callbacks
) -> None:
    key, token = make_key(acme)
    authenticate_token(token, "192.0.2.7", now())
    with django_capture_on_commit_callbacks(execute=True):
        services.revoke(tenant_id=acme.id, key_id=str(key.id), by=SYSTEM, now=now())
    with pytest.raises(InvalidApiKey):
        authenticate_token(token, "192.0.2.7", now())


def test_an_erased_tenants_key_is_invalid(acme: Tenant) -> None:
    _, token = make_key(acme)
    authenticate_token(token, "192.0.2.7", now())
    acme.delete()
    with time_machine.travel(now() + timedelta(seconds=6)), pytest.raises(InvalidApiKey):
        authenticate_token(token, "192.0.2.7", now())


def test_a_key_expires_to_the_second_also_when_it_is_remembered(acme: Tenant) -> None:
    ends = now() + timedelta(seconds=3)
    _, token = make_key(acme, expires_at=ends)
    authenticate_token(token, "192.0.2.7", ends - timedelta(milliseconds=1))
    with pytest.raises(InvalidApiKey):
        authenticate_token(token, "192.0.2.7", ends)


def test_use_is_recorded_once_a_minute(acme: Tenant) -> None:
    key, token = make_key(acme)
    begun = now()
    with time_machine.travel(begun, tick=False) as clock:
        for passed, recorded in ((0, 0), (30, 0), (59, 0), (61, 61)):
            clock.move_to(begun + timedelta(seconds=passed))
            authenticate_token(token, "192.0.2.7", now())
            used = ApiKey.across_tenants.get(pk=key.pk).last_used_at
            assert used == begun + timedelta(seconds=recorded)


def test_a_database_too_busy_to_record_use_does_not_cost_the_request(acme: Tenant, monkeypatch) -> None:
    _, token = make_key(acme)
    cache.key_facts(token.split("_")[2])

    def busy(*_args: object, **_kwargs: object) -> None:
        raise OperationalError("database is locked")

    monkeypatch.setattr("django.db.models.query.QuerySet.update", busy)
    authenticate_token(token, "192.0.2.7", now())


class TestFailures:
    def test_twenty_a_minute_earn_429_for_failing_requests_of_that_address_only(self, acme: Tenant) -> None:
        _, token = make_key(acme)
        for _ in range(20):
            with pytest.raises(InvalidApiKey):
                authenticate_token("wrong", "192.0.2.7", now())
        with pytest.raises(RateLimited) as refused:
            authenticate_token("wrong", "192.0.2.7", now())
        assert 0 < (refused.value.retry_after or 0) <= 3
        assert authenticate_token(token, "192.0.2.7", now()).tenant_id == acme.id
        with pytest.raises(InvalidApiKey):
            authenticate_token("wrong", "192.0.2.8", now())


class TestRequire:
    def caller(self, *scopes: str, **facts: bool) -> Caller:
        return Caller(
            tenant_id=ApiKey().id, test=False, key_id=ApiKey().id, scopes=frozenset(scopes), **facts
        )

    def test_a_scope_opens(self) -> None:
        require(self.caller("emails:send"), "emails:send", reads=False)

    def test_every_key_passes_where_no_scope_is_asked_for(self) -> None:
        require(self.caller(), None, reads=True)

    def test_a_missing_scope_is_refused(self) -> None:
        with pytest.raises(Forbidden):
            require(self.caller("emails:send"), "events:read", reads=True)

    def test_the_operators_routes_are_closed_to_other_admins(self) -> None:
        with pytest.raises(Forbidden):
            require(self.caller("admin"), "admin", reads=True, operator=True)
        require(self.caller("admin", operator=True), "admin", reads=True, operator=True)

    def test_a_suspended_tenant_may_read_only(self) -> None:
        suspended = self.caller("admin", suspended=True)
        require(suspended, "events:read", reads=True)
        with pytest.raises(TenantSuspended):
            require(suspended, "emails:send", reads=False)


def test_a_suspension_is_felt_within_five_seconds(acme: Tenant) -> None:
    _, token = make_key(acme)
    assert not authenticate_token(token, "192.0.2.7", now()).suspended
    suspend(tenant_id=acme.id, reason="spam", actor=SYSTEM, now=now())
    with time_machine.travel(now() + timedelta(seconds=5.1)):
        assert authenticate_token(token, "192.0.2.7", now()).suspended
