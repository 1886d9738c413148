"""A tenant manages its API keys over HTTP (docs/api.md 3.1), and what a key can and cannot do."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine

from mailgrid.core.clock import now, to_wire
from tenants.audit.services import SYSTEM
from tenants.domains.models import Domain
from tenants.domains.services import add_verified
from tenants.keys.models import ApiKey
from tenants.tenancy.models import Tenant
from tenants.tenancy.services import close, suspend, update
from tests.journeys.conftest_tenants import (
    UNKNOWN_ID,
    Caller,
    blamed,
    caller_for,
    forget_everything,
    last_entry,
    make_key,
    make_tenant,
    refusal,
    trail,
)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _fresh() -> None:
    forget_everything()


@pytest.fixture
def acme() -> Tenant:
    return make_tenant("Acme")


@pytest.fixture
def globex() -> Tenant:
    return make_tenant("Globex")


@pytest.fixture
def admin(acme: Tenant) -> Caller:
    return caller_for(acme)


@pytest.fixture
def domain(acme: Tenant) -> Domain:
    return add_verified(tenant_id=acme.id, name="acme.example", actor=SYSTEM, now=now())


def read(caller: Caller, key_id: str) -> dict[str, Any]:
    response = caller.get(f"/api-keys/{key_id}")
    assert response.status_code == 200, response.content
    body: dict[str, Any] = response.json()
    return body


def works(token: str) -> bool:
    return bool(Caller(token).get("/tenant").status_code == 200)


class TestCreate:
    def test_a_name_is_enough_for_a_key_with_full_access_in_the_callers_mode(
        self, acme: Tenant, admin: Caller
    ) -> None:
        response = admin.post("/api-keys", {"name": "server"})
        assert response.status_code == 201
        made = response.json()
        assert set(made) == {"object", "id", "token", "scopes"}
        assert (made["object"], made["scopes"]) == ("api_key", ["admin"])
        assert made["token"].startswith("mg_live_")
        assert works(made["token"])
        assert last_entry(acme) == ("key", "api_key.issue", made["id"])

    def test_every_field_is_kept_and_shown_without_the_secret(self, admin: Caller, domain: Domain) -> None:
        expires_at = now() + timedelta(days=30)
        body = {
            "name": "news",
            "scopes": ["events:read", "emails:send", "emails:send"],
            "mode": "test",
            "allowed_domains": ["ACME.example."],
            "allowed_ips": ["192.0.2.7", "10.0.0.1/8", "2001:DB8::/32"],
            "expires_at": to_wire(expires_at),
        }
        made = admin.post("/api-keys", body).json()
        shown = read(admin, made["id"])
        assert shown.pop("created_at").endswith("Z")
        assert shown == {
            "object": "api_key",
            "id": made["id"],
            "name": "news",
            "prefix": made["token"][:20],
            "mode": "test",
            "scopes": ["emails:send", "events:read"],
            "allowed_domains": ["acme.example"],
            "allowed_ips": ["192.0.2.7", "10.0.0.0/8", "2001:db8::/32"],
            "expires_at": to_wire(expires_at),
            "last_used_at": None,
            "revoked_at": None,
        }
        assert made["token"][-43:] not in str(shown)

    @pytest.mark.parametrize(
        ("permission", "scopes"),
        [("full_access", ["admin"]), ("sending_access", ["emails:send"]), (None, ["admin"])],
    )
    def test_a_permission_stands_for_a_scope(
        self, admin: Caller, permission: str | None, scopes: list[str]
    ) -> None:
        made = admin.post("/api-keys", {"name": "k", "permission": permission, "scopes": None}).json()
        assert made["scopes"] == scopes

    def test_a_domain_id_allows_that_domain_alone(self, admin: Caller, domain: Domain) -> None:
        made = admin.post("/api-keys", {"name": "k", "domain_id": str(domain.id)}).json()
        assert read(admin, made["id"])["allowed_domains"] == ["acme.example"]

    def test_a_test_key_makes_test_keys(self, acme: Tenant) -> None:
        made = caller_for(acme, test=True).post("/api-keys", {"name": "k"}).json()
        assert made["token"].startswith("mg_test_")

    @pytest.mark.parametrize(
        ("body", "field", "code"),
        [
            ({"name": ""}, "name", "out_of_range"),
            ({"name": "x" * 101}, "name", "too_long"),
            ({"name": 1}, "name", "invalid_type"),
            ({"scopes": ["emails:send", "emails:write"]}, "scopes[1]", "invalid_choice"),
            ({"scopes": []}, "scopes", "out_of_range"),
            ({"scopes": "admin"}, "scopes", "invalid_type"),
            ({"permission": "all"}, "permission", "invalid_choice"),
            (
                {"scopes": ["admin"], "permission": "full_access"},
                "permission",
                "mutually_exclusive",
            ),
            ({"mode": "both"}, "mode", "invalid_choice"),
            ({"domain_id": UNKNOWN_ID}, "domain_id", "not_found"),
            ({"domain_id": "acme.example"}, "domain_id", "not_found"),
            ({"allowed_domains": ["acme.example", "globex.example"]}, "allowed_domains[1]", "not_found"),
            ({"allowed_domains": ["not a domain"]}, "allowed_domains[0]", "not_found"),
            ({"allowed_domains": []}, "allowed_domains", "out_of_range"),
            ({"allowed_domains": ["acme.example"] * 51}, "allowed_domains", "too_many"),
            ({"allowed_ips": ["300.0.0.1"]}, "allowed_ips[0]", "invalid_choice"),
            ({"allowed_ips": ["10.0.0.0/33"]}, "allowed_ips[0]", "invalid_choice"),
            ({"allowed_ips": ["10.0.0.1"] * 51}, "allowed_ips", "too_many"),
            ({"expires_at": "2020-01-01"}, "expires_at", "out_of_range"),
            ({"expires_at": "now"}, "expires_at", "out_of_range"),
            ({"expires_at": "tomorrow"}, "expires_at", "invalid_time"),
            ({"tenant_id": UNKNOWN_ID}, "tenant_id", "unknown_field"),
            ({"token": "mg_live_x"}, "token", "unknown_field"),
        ],
    )
    def test_a_bad_field_is_blamed_and_nothing_is_made(
        self, acme: Tenant, admin: Caller, domain: Domain, body: dict[str, Any], field: str, code: str
    ) -> None:
        assert blamed(admin.post("/api-keys", {"name": "k", **body})) == [(field, code)]
        assert ApiKey.across_tenants.filter(tenant=acme).count() == 1

    def test_a_domain_and_a_list_of_domains_exclude_each_other(self, admin: Caller, domain: Domain) -> None:
        body = {"name": "k", "domain_id": str(domain.id), "allowed_domains": ["acme.example"]}
        assert blamed(admin.post("/api-keys", body)) == [("allowed_domains", "mutually_exclusive")]

    def test_the_name_is_required(self, admin: Caller) -> None:
        response = admin.post("/api-keys", {})
        assert refusal(response) == (422, "missing_required_field")
        assert blamed(response) == [("name", "missing_required_field")]

    def test_another_tenants_domain_is_no_domain(self, globex: Tenant, domain: Domain) -> None:
        foreign = caller_for(globex)
        by_id = foreign.post("/api-keys", {"name": "k", "domain_id": str(domain.id)})
        assert blamed(by_id) == [("domain_id", "not_found")]
        by_name = foreign.post("/api-keys", {"name": "k", "allowed_domains": ["acme.example"]})
        assert blamed(by_name) == [("allowed_domains[0]", "not_found")]


class TestReach:
    """A key hands on only what it has."""

    @pytest.mark.parametrize("scopes", [["admin"], ["keys:write", "streams:read"], ["emails:send"]])
    def test_scopes_beyond_its_own(self, acme: Tenant, scopes: list[str]) -> None:
        limited = caller_for(acme, "keys:write", "streams:write")
        response = limited.post("/api-keys", {"name": "k", "scopes": scopes})
        if set(scopes) <= {"keys:write", "streams:read"}:
            assert response.status_code == 201
        else:
            assert refusal(response) == (403, "restricted_api_key")
            assert ApiKey.across_tenants.filter(tenant=acme).count() == 1

    def test_the_default_of_full_access_counts_as_asking_for_it(self, acme: Tenant) -> None:
        response = caller_for(acme, "keys:write").post("/api-keys", {"name": "k"})
        assert refusal(response) == (403, "restricted_api_key")

    def test_a_live_key_by_a_test_key(self, acme: Tenant) -> None:
        response = caller_for(acme, test=True).post("/api-keys", {"name": "k", "mode": "live"})
        assert refusal(response) == (403, "restricted_api_key")
        assert not ApiKey.across_tenants.filter(tenant=acme, test=False).exists()

    @pytest.mark.parametrize("wanted", [{}, {"allowed_domains": ["acme.example", "acme2.example"]}])
    def test_domains_beyond_its_own(self, acme: Tenant, domain: Domain, wanted: dict[str, Any]) -> None:
        add_verified(tenant_id=acme.id, name="acme2.example", actor=SYSTEM, now=now())
        limited = caller_for(acme, allowed_domains=("acme.example",))
        assert refusal(limited.post("/api-keys", {"name": "k", **wanted})) == (403, "restricted_api_key")
        fine = limited.post("/api-keys", {"name": "k", "allowed_domains": ["acme.example"]})
        assert fine.status_code == 201

    @pytest.mark.parametrize("wanted", [{}, {"allowed_ips": ["127.0.0.1", "192.0.2.1"]}])
    def test_networks_beyond_its_own(self, acme: Tenant, wanted: dict[str, Any]) -> None:
        limited = caller_for(acme, allowed_ips=("127.0.0.0/8",))
        assert refusal(limited.post("/api-keys", {"name": "k", **wanted})) == (403, "restricted_api_key")
        assert limited.post("/api-keys", {"name": "k", "allowed_ips": ["127.0.0.1"]}).status_code == 201

    def test_it_cannot_lift_its_own_restrictions(self, acme: Tenant) -> None:
        key, token = make_key(acme, allowed_ips=("127.0.0.1",))
        response = Caller(token).patch(f"/api-keys/{key.id}", {"allowed_ips": None})
        assert refusal(response) == (403, "restricted_api_key")
        assert ApiKey.across_tenants.get(pk=key.pk).allowed_ips == ["127.0.0.1"]

    @pytest.mark.parametrize("verb", ["rotate", "change"])
    def test_it_cannot_take_over_a_stronger_key(self, acme: Tenant, verb: str) -> None:
        stronger, _ = make_key(acme, "admin")
        limited = caller_for(acme, "keys:write")
        if verb == "rotate":
            response = limited.post(f"/api-keys/{stronger.id}/rotate")
        else:
            response = limited.patch(f"/api-keys/{stronger.id}", {"name": "mine"})
        assert refusal(response) == (403, "restricted_api_key")
        stronger.refresh_from_db()
        assert (stronger.name, stronger.expires_at) == ("key", None)

    def test_a_test_key_changes_no_live_key(self, acme: Tenant) -> None:
        live, token = make_key(acme)
        tester = caller_for(acme, test=True)
        for response in (
            tester.patch(f"/api-keys/{live.id}", {"name": "mine"}),
            tester.post(f"/api-keys/{live.id}/rotate"),
            tester.delete(f"/api-keys/{live.id}"),
        ):
            assert refusal(response) == (403, "restricted_api_key")
        assert works(token)


class TestRead:
    def test_the_list_is_newest_first_and_hides_revoked_keys_unless_asked(self, acme: Tenant) -> None:
        first, token = make_key(acme)
        admin = Caller(token)
        second, _ = make_key(acme, test=True)
        third, _ = make_key(acme)
        admin.delete(f"/api-keys/{third.id}")

        def ids(query: str) -> list[str]:
            body = admin.get(f"/api-keys{query}").json()
            assert (body["object"], body["has_more"]) == ("list", False)
            return [item["id"] for item in body["data"]]

        assert ids("") == [str(second.id), str(first.id)]
        assert ids("?revoked=true") == [str(third.id)]
        assert ids("?revoked=false&mode=live") == [str(first.id)]
        assert ids("?mode=test") == [str(second.id)]
        assert ids("?mode=test,live") == [str(second.id), str(first.id)]

    def test_pages_follow_each_other(self, acme: Tenant, admin: Caller) -> None:
        made = [str(make_key(acme)[0].id) for _ in range(3)][::-1]
        page = admin.get("/api-keys?limit=2").json()
        assert ([item["id"] for item in page["data"]], page["has_more"]) == (made[:2], True)
        page = admin.get(f"/api-keys?limit=2&after={made[1]}").json()
        assert (page["data"][0]["id"], page["has_more"]) == (made[2], False)

    @pytest.mark.parametrize(
        "query", ["mode=x", "revoked=maybe", "limit=0", "limit=101", "after=x", "before=x", "name=k"]
    )
    def test_a_parameter_that_cannot_be_read_is_refused(self, admin: Caller, query: str) -> None:
        assert refusal(admin.get(f"/api-keys?{query}")) == (422, "invalid_parameter")

    def test_a_list_costs_the_same_queries_however_long(
        self, acme: Tenant, admin: Caller, django_assert_num_queries
    ) -> None:
        for _ in range(5):
            make_key(acme)
        admin.get("/api-keys")  # the process remembers key and tenant from now on
        with django_assert_num_queries(1):
            admin.get("/api-keys")

    def test_use_is_shown(self, acme: Tenant) -> None:
        key, token = make_key(acme)
        assert read(Caller(token), str(key.id))["last_used_at"] is not None


class TestChange:
    def test_every_field_may_change_and_null_lifts_a_restriction(
        self, acme: Tenant, admin: Caller, domain: Domain
    ) -> None:
        key, _ = make_key(acme)
        expires_at = to_wire(now() + timedelta(days=1))
        body = {
            "id": str(key.id),  # SDKs repeat the path
            "name": "renamed",
            "allowed_domains": ["acme.example"],
            "allowed_ips": ["192.0.2.0/24"],
            "expires_at": expires_at,
        }
        response = admin.patch(f"/api-keys/{key.id}", body)
        assert (response.status_code, response.json()) == (200, {"object": "api_key", "id": str(key.id)})
        shown = read(admin, str(key.id))
        assert {field: shown[field] for field in body} == body
        assert last_entry(acme) == ("key", "api_key.update", str(key.id))
        assert trail(acme)[-1].changes == {field: body[field] for field in body if field != "id"}
        lifted = {"name": None, "allowed_domains": None, "allowed_ips": None, "expires_at": None}
        assert admin.patch(f"/api-keys/{key.id}", lifted).status_code == 200
        shown = read(admin, str(key.id))
        assert {field: shown[field] for field in lifted} == {**lifted, "name": "renamed"}

    @pytest.mark.parametrize(
        ("body", "field", "code"),
        [
            ({"name": ""}, "name", "out_of_range"),
            ({"scopes": ["admin"]}, "scopes", "unknown_field"),
            ({"mode": "live"}, "mode", "unknown_field"),
            ({"allowed_domains": ["globex.example"]}, "allowed_domains[0]", "not_found"),
            ({"allowed_ips": ["x"]}, "allowed_ips[0]", "invalid_choice"),
            ({"expires_at": "2020-01-01T00:00:00Z"}, "expires_at", "out_of_range"),
        ],
    )
    def test_a_bad_field_is_blamed_and_nothing_changes(
        self, acme: Tenant, admin: Caller, body: dict[str, Any], field: str, code: str
    ) -> None:
        key, _ = make_key(acme)
        before = read(admin, str(key.id))
        assert blamed(admin.patch(f"/api-keys/{key.id}", body)) == [(field, code)]
        assert read(admin, str(key.id)) == before

    def test_nothing_given_is_nothing_changed(self, acme: Tenant, admin: Caller) -> None:
        key, _ = make_key(acme)
        entries = len(trail(acme))
        assert admin.patch(f"/api-keys/{key.id}", {}).status_code == 200
        assert len(trail(acme)) == entries

    def test_a_revoked_key_does_not_change(self, acme: Tenant, admin: Caller) -> None:
        key, _ = make_key(acme)
        admin.delete(f"/api-keys/{key.id}")
        assert refusal(admin.patch(f"/api-keys/{key.id}", {"name": "x"})) == (409, "conflict")


class TestRotate:
    def test_both_keys_work_for_the_overlap_of_a_day(self, acme: Tenant, admin: Caller) -> None:
        key, old = make_key(acme, "events:read", allowed_ips=("127.0.0.1",))
        begun = now()
        with time_machine.travel(begun, tick=False) as clock:
            response = admin.post(f"/api-keys/{key.id}/rotate")
            fresh = response.json()
            assert response.status_code == 201
            assert (fresh["object"], fresh["scopes"], fresh["replaces"]) == (
                "api_key",
                ["events:read"],
                str(key.id),
            )
            assert fresh["old_expires_at"] == to_wire(begun + timedelta(days=1))
            assert last_entry(acme) == ("key", "api_key.rotate", str(key.id))
            assert works(old)
            assert works(fresh["token"])
            clock.move_to(begun + timedelta(hours=23, minutes=59))
            assert works(old)
            clock.move_to(begun + timedelta(hours=24))
            assert refusal(Caller(old).get("/tenant")) == (403, "invalid_api_key")
            assert works(fresh["token"])
        before, after = read(admin, str(key.id)), read(admin, fresh["id"])
        for setting in ("name", "mode", "scopes", "allowed_domains", "allowed_ips"):
            assert after[setting] == before[setting]
        assert after["expires_at"] is None

    def test_without_overlap_the_old_key_ends_at_once(self, acme: Tenant, admin: Caller) -> None:
        key, old = make_key(acme)
        fresh = admin.post(f"/api-keys/{key.id}/rotate", {"overlap_seconds": 0}).json()
        assert refusal(Caller(old).get("/tenant")) == (403, "invalid_api_key")
        assert works(fresh["token"])

    def test_the_overlap_does_not_prolong_a_key_that_ends_earlier(self, acme: Tenant, admin: Caller) -> None:
        ends = now() + timedelta(hours=1)
        key, _ = make_key(acme, expires_at=ends)
        fresh = admin.post(f"/api-keys/{key.id}/rotate", {"overlap_seconds": 2_592_000}).json()
        assert fresh["old_expires_at"] == to_wire(ends)
        assert read(admin, fresh["id"])["expires_at"] == to_wire(ends)

    @pytest.mark.parametrize("overlap", [-1, 2_592_001, "1", 1.5, True])
    def test_the_overlap_has_bounds(self, acme: Tenant, admin: Caller, overlap: Any) -> None:
        key, _ = make_key(acme)
        [(field, _)] = blamed(admin.post(f"/api-keys/{key.id}/rotate", {"overlap_seconds": overlap}))
        assert field == "overlap_seconds"
        assert ApiKey.across_tenants.get(pk=key.pk).expires_at is None

    def test_a_key_that_no_longer_works_is_not_rotated(self, acme: Tenant, admin: Caller) -> None:
        key, _ = make_key(acme)
        admin.delete(f"/api-keys/{key.id}")
        assert refusal(admin.post(f"/api-keys/{key.id}/rotate")) == (409, "conflict")


class TestRevoke:
    def test_a_revoked_key_stops_working_everywhere_within_five_seconds(
        self, acme: Tenant, admin: Caller
    ) -> None:
        key, token = make_key(acme)
        begun = now()
        with time_machine.travel(begun, tick=False) as clock:
            assert works(token)
            response = admin.delete(f"/api-keys/{key.id}")
            assert response.status_code == 200
            assert response.json() == {"object": "api_key", "id": str(key.id), "deleted": True}
            assert last_entry(acme) == ("key", "api_key.revoke", str(key.id))
            clock.move_to(begun + timedelta(seconds=5))  # as in a process that did not hear of it
            assert refusal(Caller(token).get("/tenant")) == (403, "invalid_api_key")
        assert read(admin, str(key.id))["revoked_at"] == to_wire(begun)

    def test_revoking_it_again_changes_nothing(self, acme: Tenant, admin: Caller) -> None:
        key, _ = make_key(acme)
        admin.delete(f"/api-keys/{key.id}")
        entries = len(trail(acme))
        assert admin.delete(f"/api-keys/{key.id}").status_code == 200
        assert len(trail(acme)) == entries


class TestForeign:
    @pytest.mark.parametrize("key_id", ["mine", "x", "0" * 32, UNKNOWN_ID])
    def test_another_tenants_key_is_not_there_and_nothing_happens_to_it(
        self, acme: Tenant, globex: Tenant, key_id: str
    ) -> None:
        key, token = make_key(acme)
        target = str(key.id) if key_id == "mine" else key_id
        foreign, entries = caller_for(globex), len(trail(acme))
        for response in (
            foreign.get(f"/api-keys/{target}"),
            foreign.patch(f"/api-keys/{target}", {"name": "mine"}),
            foreign.post(f"/api-keys/{target}/rotate"),
            foreign.delete(f"/api-keys/{target}"),
        ):
            assert refusal(response) == (404, "not_found")
        key.refresh_from_db()
        assert (key.name, key.revoked_at, key.expires_at) == ("key", None, None)
        assert len(trail(acme)) == entries
        assert works(token)
        assert str(key.id) not in foreign.get("/api-keys").content.decode()


class TestScopes:
    @pytest.mark.parametrize("scope", ["keys:read", "keys:write", "keys:*", "admin"])
    def test_reading_takes_the_read_scope_or_more(self, acme: Tenant, scope: str) -> None:
        assert caller_for(acme, scope).get("/api-keys").status_code == 200

    def test_writing_takes_the_write_scope(self, acme: Tenant) -> None:
        key, _ = make_key(acme)
        reader = caller_for(acme, "keys:read", "streams:*")
        for response in (
            reader.post("/api-keys", {"name": "k"}),
            reader.patch(f"/api-keys/{key.id}", {"name": "k"}),
            reader.post(f"/api-keys/{key.id}/rotate"),
            reader.delete(f"/api-keys/{key.id}"),
        ):
            assert refusal(response) == (403, "restricted_api_key")
        assert ApiKey.across_tenants.filter(tenant=acme, revoked_at=None, expires_at=None).count() == 2

    def test_another_family_opens_nothing_here(self, acme: Tenant) -> None:
        assert refusal(caller_for(acme, "streams:*").get("/api-keys")) == (403, "restricted_api_key")

    def test_another_method_is_405_for_any_key(self, acme: Tenant) -> None:
        response = caller_for(acme, "emails:send")._call("PUT", "/api-keys", {}, {})
        assert refusal(response) == (405, "method_not_allowed")
        assert response["Allow"] == "GET, POST"


class TestAuthentication:
    @pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "Basic bWc6bWc=", "mg_live_x"])
    def test_no_bearer_token_is_a_missing_key(self, header: str | None) -> None:
        extra = {} if header is None else {"HTTP_AUTHORIZATION": header}
        assert refusal(Caller(None).get("/tenant", **extra)) == (401, "missing_api_key")

    @pytest.mark.parametrize("token", ["x", "mg_live_abc", "re_123", "mg_live_" + "a" * 12 + "_" + "b" * 43])
    def test_a_token_that_is_no_key_is_invalid(self, token: str) -> None:
        assert refusal(Caller(token).get("/tenant")) == (403, "invalid_api_key")

    def test_the_scheme_is_read_in_any_case(self, acme: Tenant) -> None:
        _, token = make_key(acme)
        assert Caller(None).get("/tenant", HTTP_AUTHORIZATION=f"bearer  {token} ").status_code == 200

    def test_an_expired_key_is_invalid(self, acme: Tenant) -> None:
        _, token = make_key(acme, expires_at=now() + timedelta(minutes=1))
        assert works(token)
        with time_machine.travel(now() + timedelta(minutes=1)):
            assert refusal(Caller(token).get("/tenant")) == (403, "invalid_api_key")

    def test_a_closed_tenants_key_is_invalid(self, acme: Tenant) -> None:
        _, token = make_key(acme)
        close(tenant_id=acme.id, actor=SYSTEM, now=now())
        assert refusal(Caller(token).get("/tenant")) == (403, "invalid_api_key")

    def test_a_key_works_from_its_networks_only(self, acme: Tenant, settings) -> None:
        settings.TRUSTED_PROXIES = ["10.0.0.0/8"]
        caller = caller_for(acme, allowed_ips=("192.0.2.0/24",))
        assert caller.get("/tenant", REMOTE_ADDR="192.0.2.9").status_code == 200
        assert refusal(caller.get("/tenant", REMOTE_ADDR="192.0.3.9")) == (403, "restricted_api_key")
        forged = caller.get("/tenant", REMOTE_ADDR="192.0.3.9", HTTP_X_FORWARDED_FOR="192.0.2.9")
        assert refusal(forged) == (403, "restricted_api_key")
        proxied = caller.get("/tenant", REMOTE_ADDR="10.0.0.1", HTTP_X_FORWARDED_FOR="192.0.2.9")
        assert proxied.status_code == 200

    def test_twenty_failures_a_minute_earn_429_for_failing_requests_only(self, acme: Tenant) -> None:
        _, token = make_key(acme)
        wrong = Caller("mg_live_wrong")
        for _ in range(20):
            assert refusal(wrong.get("/tenant")) == (403, "invalid_api_key")
        refused = wrong.get("/tenant")
        assert refusal(refused) == (429, "rate_limit_exceeded")
        assert int(refused["Retry-After"]) >= 1
        assert works(token)
        assert refusal(wrong.get("/tenant", REMOTE_ADDR="192.0.2.1")) == (403, "invalid_api_key")


class TestSuspension:
    def test_a_suspended_tenant_reads_and_does_not_change(self, acme: Tenant) -> None:
        key, token = make_key(acme)
        suspend(tenant_id=acme.id, reason="spam", actor=SYSTEM, now=now())
        caller = Caller(token)
        assert caller.get("/api-keys").status_code == 200
        for response in (
            caller.post("/api-keys", {"name": "k"}),
            caller.patch(f"/api-keys/{key.id}", {"name": "x"}),
            caller.delete(f"/api-keys/{key.id}"),
        ):
            assert refusal(response) == (403, "tenant_suspended")
        assert ApiKey.across_tenants.get(tenant=acme).revoked_at is None


class TestRate:
    def limited(self, tenant: Tenant, limit: int, *, test: bool = False) -> Caller:
        update(
            tenant_id=tenant.id, values={"limits": {"requests_per_minute": limit}}, actor=SYSTEM, now=now()
        )
        return caller_for(tenant, test=test)

    def test_every_authenticated_answer_tells_the_rate(self, acme: Tenant) -> None:
        caller = self.limited(acme, 600)
        for place, response in enumerate(
            (caller.get("/tenant"), caller.get("/api-keys/x"), caller.post("/api-keys", {}))
        ):
            assert response["RateLimit-Limit"] == "600"
            assert int(response["RateLimit-Remaining"]) == 599 - place
            assert int(response["RateLimit-Reset"]) == 1
        assert "RateLimit-Limit" not in Caller(None).get("/tenant")

    def test_past_the_rate_requests_are_refused_with_a_time(self, acme: Tenant, globex: Tenant) -> None:
        caller = self.limited(acme, 2)
        tester = caller_for(acme, test=True)
        assert [caller.get("/tenant").status_code for _ in range(2)] == [200, 200]
        refused = caller.post("/api-keys", {"name": "k"})
        assert refusal(refused) == (429, "rate_limit_exceeded")
        assert 1 <= int(refused["Retry-After"]) <= 30
        assert (refused["RateLimit-Limit"], refused["RateLimit-Remaining"]) == ("2", "0")
        assert 1 <= int(refused["RateLimit-Reset"]) <= 60
        assert not ApiKey.across_tenants.filter(tenant=acme, name="k").exists()
        assert tester.get("/tenant").status_code == 200  # each mode by itself
        assert caller_for(globex).get("/tenant").status_code == 200
