"""A tenant looks after itself, and the operator after all of them and their plans (docs/api.md 3.2)."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine

from emails.streams.models import Stream
from mailgrid.core.clock import now
from tenants.audit.models import AuditEntry
from tenants.audit.services import SYSTEM
from tenants.domains.services import add_verified
from tenants.keys.models import ApiKey
from tenants.tenancy.models import Plan, Tenant
from tenants.tenancy.services import suspend
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

DEFAULT_LIMITS = {
    "requests_per_minute": 600,
    "recipients_per_minute": 30_000,
    "daily_quota": None,
    "monthly_quota": None,
    "agent_daily_limit": 200,
    "verifications_per_hour": 1_000,
}
DEFAULT_SETTINGS = {
    "dedupe_identical": False,
    "over_quota": "reject",
    "agent_approval": "off",
    "default_stream": "transactional",
    "track_opens": False,
    "track_clicks": False,
    "retention_days": {"content": 30, "events": 90},
    "soft_bounce": {"count": 3, "days": 7, "hold_days": 30},
    "timezone": "UTC",
    "quiet_hours": None,
    "frequency_cap": None,
    "tracking_host": None,
    "postal_address": None,
    "attachment_sources": [],
    "redirect_origins": [],
    "index_bodies": True,
}
OTHER_SETTINGS = {
    "dedupe_identical": True,
    "over_quota": "hold",
    "agent_approval": "outside",
    "default_stream": "notifications",
    "track_opens": True,
    "track_clicks": True,
    "retention_days": {"content": 7, "events": 400},
    "soft_bounce": {"count": 5, "days": 3, "hold_days": 10},
    "timezone": "Europe/Berlin",
    "quiet_hours": {"from": "22:00", "to": "07:30"},
    "frequency_cap": {"count": 3, "days": 7},
    "tracking_host": "go.acme.example",
    "postal_address": "1 Acme Road",
    "attachment_sources": [
        {
            "name": "invoices",
            "url": "https://files.acme.example/invoices/",
            "headers": {},
            "directory": None,
        }
    ],
    "redirect_origins": ["https://app.acme.example"],
    "index_bodies": False,
}


@pytest.fixture(autouse=True)
def _fresh() -> None:
    forget_everything()


@pytest.fixture
def house() -> Tenant:
    return make_tenant("The house", operator=True)


@pytest.fixture
def operator(house: Tenant) -> Caller:
    return caller_for(house)


@pytest.fixture
def acme() -> Tenant:
    return make_tenant("Acme")


@pytest.fixture
def admin(acme: Tenant) -> Caller:
    return caller_for(acme)


@pytest.fixture
def gold() -> Plan:
    return Plan.objects.create(name="gold", limits={"daily_quota": 1_000, "requests_per_minute": 1_200})


def show(operator: Caller, tenant: Tenant) -> dict[str, Any]:
    response = operator.get(f"/tenants/{tenant.id}")
    assert response.status_code == 200, response.content
    body: dict[str, Any] = response.json()
    return body


class TestOwnTenant:
    def test_every_key_reads_its_tenant(self, acme: Tenant) -> None:
        response = caller_for(acme, "emails:send").get("/tenant")
        assert response.status_code == 200
        shown = response.json()
        assert shown.pop("created_at").endswith("Z")
        assert shown == {
            "object": "tenant",
            "id": str(acme.id),
            "name": "Acme",
            "slug": "acme",
            "plan": "free",
            "status": "active",
            "paused": False,
            "limits": DEFAULT_LIMITS,
            "settings": DEFAULT_SETTINGS,
        }

    def test_name_and_every_setting_may_change(self, acme: Tenant, admin: Caller) -> None:
        response = admin.patch("/tenant", {"name": "Acme Inc", "settings": OTHER_SETTINGS})
        assert (response.status_code, response.json()) == (200, {"object": "tenant", "id": str(acme.id)})
        shown = admin.get("/tenant").json()
        assert (shown["name"], shown["slug"], shown["settings"]) == ("Acme Inc", "acme", OTHER_SETTINGS)
        assert last_entry(acme) == ("key", "tenant.update", str(acme.id))
        assert trail(acme)[-1].changes == {"name": "Acme Inc", "settings": OTHER_SETTINGS}

    def test_settings_merge_field_by_field(self, admin: Caller) -> None:
        admin.patch("/tenant", {"settings": {"timezone": "Europe/Berlin", "retention_days": {"content": 7}}})
        admin.patch("/tenant", {"settings": {"track_opens": True, "retention_days": {"events": 60}}})
        settings = admin.get("/tenant").json()["settings"]
        assert settings == {
            **DEFAULT_SETTINGS,
            "timezone": "Europe/Berlin",
            "track_opens": True,
            "retention_days": {"content": 7, "events": 60},
        }

    def test_null_clears_what_can_be_empty(self, admin: Caller) -> None:
        admin.patch("/tenant", {"settings": OTHER_SETTINGS})
        empty = dict.fromkeys(("quiet_hours", "frequency_cap", "tracking_host", "postal_address"))
        assert admin.patch("/tenant", {"name": None, "settings": empty}).status_code == 200
        shown = admin.get("/tenant").json()
        assert (shown["name"], shown["settings"]) == ("Acme", {**OTHER_SETTINGS, **empty})

    def test_only_what_changed_is_stored(self, acme: Tenant, admin: Caller) -> None:
        admin.patch("/tenant", {"settings": {"timezone": "Europe/Berlin"}})
        acme.refresh_from_db()
        assert acme.settings == {"timezone": "Europe/Berlin"}

    @pytest.mark.parametrize(
        ("body", "field", "code"),
        [
            ({"name": ""}, "name", "out_of_range"),
            ({"name": "x" * 101}, "name", "too_long"),
            ({"slug": "acme2"}, "slug", "unknown_field"),
            ({"plan": "free"}, "plan", "unknown_field"),
            ({"limits": {"daily_quota": 5}}, "limits", "unknown_field"),
            ({"status": "active"}, "status", "unknown_field"),
            ({"settings": []}, "settings", "invalid_type"),
            ({"settings": {"colour": "red"}}, "settings.colour", "unknown_field"),
            ({"settings": {"dedupe_identical": "yes"}}, "settings.dedupe_identical", "invalid_type"),
            ({"settings": {"over_quota": "drop"}}, "settings.over_quota", "invalid_choice"),
            ({"settings": {"agent_approval": "no"}}, "settings.agent_approval", "invalid_choice"),
            ({"settings": {"default_stream": ""}}, "settings.default_stream", "out_of_range"),
            ({"settings": {"track_opens": 1}}, "settings.track_opens", "invalid_type"),
            (
                {"settings": {"retention_days": {"content": 0}}},
                "settings.retention_days.content",
                "out_of_range",
            ),
            ({"settings": {"soft_bounce": {"count": 101}}}, "settings.soft_bounce.count", "out_of_range"),
            ({"settings": {"timezone": "Mars/Base"}}, "settings.timezone", "invalid_choice"),
            ({"settings": {"timezone": None}}, "settings.timezone", "invalid_type"),
            (
                {"settings": {"quiet_hours": {"from": "25:00", "to": "07:00"}}},
                "settings.quiet_hours.from",
                "invalid_choice",
            ),
            (
                {"settings": {"quiet_hours": {"from": "22:00"}}},
                "settings.quiet_hours.to",
                "missing_required_field",
            ),
            (
                {"settings": {"frequency_cap": {"count": 0, "days": 7}}},
                "settings.frequency_cap.count",
                "out_of_range",
            ),
            ({"settings": {"tracking_host": "x" * 254}}, "settings.tracking_host", "too_long"),
            ({"settings": {"postal_address": "x" * 501}}, "settings.postal_address", "too_long"),
            ({"settings": {"attachment_sources": "all"}}, "settings.attachment_sources", "invalid_type"),
            (
                {"settings": {"redirect_origins": ["http://app.acme.example"]}},
                "settings.redirect_origins[0]",
                "invalid_choice",
            ),
            ({"settings": {"index_bodies": "no"}}, "settings.index_bodies", "invalid_type"),
        ],
    )
    def test_a_bad_field_is_blamed_by_its_path_and_nothing_changes(
        self, acme: Tenant, admin: Caller, body: dict[str, Any], field: str, code: str
    ) -> None:
        before = admin.get("/tenant").json()
        assert blamed(admin.patch("/tenant", body)) == [(field, code)]
        assert admin.get("/tenant").json() == before

    def test_only_admins_change_it(self, acme: Tenant) -> None:
        limited = caller_for(acme, "emails:send", "keys:*")
        for response in (
            limited.patch("/tenant", {"name": "x"}),
            limited.post("/tenant/pause"),
            limited.post("/tenant/resume"),
        ):
            assert refusal(response) == (403, "restricted_api_key")
        acme.refresh_from_db()
        assert (acme.name, acme.paused) == ("Acme", False)

    def test_pause_and_resume_are_its_own_switch(self, acme: Tenant, admin: Caller) -> None:
        for verb, paused in (("pause", True), ("resume", False)):
            for _ in range(2):
                response = admin.post(f"/tenant/{verb}")
                assert (response.status_code, response.json()["id"]) == (200, str(acme.id))
                assert admin.get("/tenant").json()["paused"] is paused
            assert last_entry(acme) == ("key", f"tenant.{verb}", str(acme.id))
        assert [entry.action for entry in trail(acme)][-2:] == ["tenant.pause", "tenant.resume"]

    def test_a_suspended_tenant_cannot_resume_itself(self, acme: Tenant, admin: Caller) -> None:
        suspend(tenant_id=acme.id, reason="spam", actor=SYSTEM, now=now())
        assert admin.get("/tenant").json()["status"] == "suspended"
        for response in (admin.post("/tenant/resume"), admin.patch("/tenant", {"name": "x"})):
            assert refusal(response) == (403, "tenant_suspended")


OPERATOR_ROUTES = [
    ("GET", "/tenants"),
    ("POST", "/tenants"),
    ("GET", "/tenants/{id}"),
    ("PATCH", "/tenants/{id}"),
    ("DELETE", "/tenants/{id}"),
    ("POST", "/tenants/{id}/suspend"),
    ("POST", "/tenants/{id}/resume"),
    ("POST", "/tenants/{id}/api-keys"),
    ("GET", "/plans"),
    ("POST", "/plans"),
    ("PATCH", "/plans/{plan}"),
    ("DELETE", "/plans/{plan}"),
]


class TestOperatorOnly:
    @pytest.mark.parametrize(("method", "route"), OPERATOR_ROUTES)
    def test_other_tenants_admins_are_refused_and_nothing_happens(
        self, house: Tenant, acme: Tenant, admin: Caller, gold: Plan, method: str, route: str
    ) -> None:
        initech = make_tenant("Initech")
        facts = (Tenant.objects.count(), Plan.objects.count(), AuditEntry.across_tenants.count())
        for target in (initech, acme):
            path = route.format(id=target.id, plan=gold.id)
            response = admin._call(method, path, {"name": "x"}, {})
            assert refusal(response) == (403, "restricted_api_key")
        initech.refresh_from_db()
        assert (initech.name, initech.status) == ("Initech", "active")
        assert facts == (Tenant.objects.count(), Plan.objects.count(), AuditEntry.across_tenants.count())
        assert not ApiKey.across_tenants.filter(tenant=initech).exists()

    @pytest.mark.parametrize(("method", "route"), OPERATOR_ROUTES)
    def test_the_operators_lesser_keys_are_refused(
        self, house: Tenant, acme: Tenant, gold: Plan, method: str, route: str
    ) -> None:
        lesser = caller_for(house, "keys:*", "emails:send")
        response = lesser._call(method, route.format(id=acme.id, plan=gold.id), {"name": "x"}, {})
        assert refusal(response) == (403, "restricted_api_key")

    @pytest.mark.parametrize("tenant_id", ["x", UNKNOWN_ID])
    def test_a_tenant_that_is_not_there(self, operator: Caller, tenant_id: str) -> None:
        for response in (
            operator.get(f"/tenants/{tenant_id}"),
            operator.patch(f"/tenants/{tenant_id}", {"name": "x"}),
            operator.delete(f"/tenants/{tenant_id}"),
            operator.post(f"/tenants/{tenant_id}/suspend", {"reason": "x"}),
            operator.post(f"/tenants/{tenant_id}/resume"),
            operator.post(f"/tenants/{tenant_id}/api-keys", {"name": "x"}),
        ):
            assert refusal(response) == (404, "not_found")


class TestTenants:
    def test_a_name_is_enough(self, house: Tenant, operator: Caller) -> None:
        response = operator.post("/tenants", {"name": "Café Müller & Söhne"})
        assert response.status_code == 201
        shown = response.json()
        assert shown == operator.get(f"/tenants/{shown['id']}").json()
        assert shown["slug"] == "cafe-muller-sohne"
        assert (shown["plan"], shown["status"], shown["paused"]) == ("free", "active", False)
        assert (shown["limits"], shown["settings"]) == (DEFAULT_LIMITS, DEFAULT_SETTINGS)
        made = Tenant.objects.get(pk=shown["id"])
        names = Stream.across_tenants.filter(tenant=made).values_list("name", flat=True)
        assert sorted(names) == ["marketing", "notifications", "transactional"]
        first, second, third = trail(made)
        assert (first.actor_type, first.action) == ("key", "tenant.create")
        assert second.action == "stream.create_defaults"
        assert third.action == "template.install_builtins"

    def test_every_field_may_be_given(self, operator: Caller, gold: Plan) -> None:
        body = {
            "name": "Acme",
            "slug": "acme-1",
            "plan": "gold",
            "limits": {"daily_quota": 5, "monthly_quota": None},
            "settings": OTHER_SETTINGS,
        }
        shown = operator.post("/tenants", body).json()
        assert (shown["slug"], shown["plan"], shown["settings"]) == ("acme-1", "gold", OTHER_SETTINGS)
        assert shown["limits"] == {**DEFAULT_LIMITS, "requests_per_minute": 1_200, "daily_quota": 5}

    def test_null_is_not_given(self, operator: Caller) -> None:
        body = {"name": "Acme", "slug": None, "plan": None, "settings": {"timezone": None}, "limits": None}
        shown = operator.post("/tenants", body).json()
        assert (shown["slug"], shown["plan"], shown["settings"]) == ("acme", "free", DEFAULT_SETTINGS)

    @pytest.mark.parametrize(
        ("body", "field", "code"),
        [
            ({"name": ""}, "name", "out_of_range"),
            ({"name": "x" * 101}, "name", "too_long"),
            ({"slug": "ab"}, "slug", "invalid_choice"),
            ({"slug": "x" * 41}, "slug", "invalid_choice"),
            ({"slug": "Acme"}, "slug", "invalid_choice"),
            ({"slug": "-acme"}, "slug", "invalid_choice"),
            ({"slug": "acme\n"}, "slug", "invalid_choice"),
            ({"slug": "mailgrid"}, "slug", "reserved_name"),
            ({"slug": "resend"}, "slug", "reserved_name"),
            ({"slug": "admin"}, "slug", "reserved_name"),
            ({"slug": "apikey"}, "slug", "reserved_name"),
            ({"plan": "platinum"}, "plan", "not_found"),
            ({"limits": {"requests_per_minute": 0}}, "limits.requests_per_minute", "out_of_range"),
            ({"limits": {"recipients_per_minute": "5"}}, "limits.recipients_per_minute", "invalid_type"),
            ({"limits": {"daily_quota": -1}}, "limits.daily_quota", "out_of_range"),
            ({"limits": {"monthly_quota": 1.5}}, "limits.monthly_quota", "invalid_type"),
            ({"limits": {"agent_daily_limit": 0}}, "limits.agent_daily_limit", "out_of_range"),
            ({"limits": {"verifications_per_hour": 0}}, "limits.verifications_per_hour", "out_of_range"),
            ({"limits": {"hourly_quota": 1}}, "limits.hourly_quota", "unknown_field"),
            ({"settings": {"timezone": "x"}}, "settings.timezone", "invalid_choice"),
            ({"operator": True}, "operator", "unknown_field"),
            ({"status": "closed"}, "status", "unknown_field"),
        ],
    )
    def test_a_bad_field_is_blamed_and_nothing_is_made(
        self, operator: Caller, body: dict[str, Any], field: str, code: str
    ) -> None:
        assert blamed(operator.post("/tenants", {"name": "Acme", **body})) == [(field, code)]
        assert Tenant.objects.count() == 1

    def test_the_name_is_required(self, operator: Caller) -> None:
        assert refusal(operator.post("/tenants", {"slug": "acme"})) == (422, "missing_required_field")

    def test_a_taken_slug_is_a_conflict(self, operator: Caller, acme: Tenant) -> None:
        for body in ({"name": "ACME"}, {"name": "x", "slug": "acme"}):
            assert refusal(operator.post("/tenants", body)) == (409, "conflict")
        other = make_tenant("Other")
        assert refusal(operator.patch(f"/tenants/{other.id}", {"slug": "acme"})) == (409, "conflict")
        assert Tenant.objects.count() == 3

    @pytest.mark.parametrize("name", ["日本", "A", "Mailgrid", "admin", "---"])
    def test_a_name_that_makes_no_slug_gets_a_suffix(self, operator: Caller, name: str) -> None:
        shown = operator.post("/tenants", {"name": name}).json()
        assert shown["name"] == name
        assert shown["slug"].endswith(shown["id"].replace("-", "")[-8:])

    def test_the_list_filters(self, house: Tenant, operator: Caller, acme: Tenant, gold: Plan) -> None:
        rich = make_tenant("Rich", plan="gold")
        suspend(tenant_id=rich.id, reason="", actor=SYSTEM, now=now())

        def names(query: str = "") -> list[str]:
            return [item["name"] for item in operator.get(f"/tenants{query}").json()["data"]]

        assert names() == ["Rich", "Acme", "The house"]
        assert names("?status=suspended") == ["Rich"]
        assert names("?status=active,suspended&plan=gold") == ["Rich"]
        assert names("?plan=free&slug=acme") == ["Acme"]
        assert names("?slug=nobody") == []
        for query in ("?status=open", "?name=Acme", "?limit=x"):
            assert refusal(operator.get(f"/tenants{query}")) == (422, "invalid_parameter")

    def test_a_list_costs_the_same_queries_however_long(
        self, operator: Caller, django_assert_num_queries
    ) -> None:
        operator.get("/tenants")
        for place in range(4):
            make_tenant(f"Tenant {place}")
        with django_assert_num_queries(1):
            operator.get("/tenants")

    def test_the_operator_changes_every_field(self, operator: Caller, acme: Tenant, gold: Plan) -> None:
        body = {
            "name": "Acme Inc",
            "slug": "acme-inc",
            "plan": "gold",
            "limits": {"requests_per_minute": 5},
            "settings": {"over_quota": "hold"},
        }
        response = operator.patch(f"/tenants/{acme.id}", body)
        assert (response.status_code, response.json()) == (200, {"object": "tenant", "id": str(acme.id)})
        shown = show(operator, acme)
        assert (shown["name"], shown["slug"], shown["plan"]) == ("Acme Inc", "acme-inc", "gold")
        assert shown["limits"] == {**DEFAULT_LIMITS, "requests_per_minute": 5, "daily_quota": 1_000}
        assert shown["settings"] == {**DEFAULT_SETTINGS, "over_quota": "hold"}
        assert last_entry(acme) == ("key", "tenant.update", str(acme.id))

    def test_limits_merge_and_null_goes_back_to_the_plans(
        self, operator: Caller, acme: Tenant, gold: Plan
    ) -> None:
        route = f"/tenants/{acme.id}"
        operator.patch(route, {"plan": "gold", "limits": {"requests_per_minute": 5}})
        operator.patch(route, {"limits": {"daily_quota": None}})
        limits = show(operator, acme)["limits"]
        assert (limits["requests_per_minute"], limits["daily_quota"]) == (5, None)
        operator.patch(route, {"limits": None})
        limits = show(operator, acme)["limits"]
        assert (limits["requests_per_minute"], limits["daily_quota"]) == (1_200, 1_000)


class TestSuspend:
    def test_a_suspended_tenant_reads_only_until_it_is_resumed(
        self, operator: Caller, acme: Tenant, admin: Caller
    ) -> None:
        begun = now()
        with time_machine.travel(begun, tick=False) as clock:
            assert admin.post("/tenant/pause").status_code == 200
            response = operator.post(f"/tenants/{acme.id}/suspend", {"reason": "spam complaints"})
            assert (response.status_code, response.json()) == (200, {"object": "tenant", "id": str(acme.id)})
            assert last_entry(acme) == ("key", "tenant.suspend", str(acme.id))
            assert trail(acme)[-1].changes == {"status": "suspended", "status_reason": "spam complaints"}
            clock.move_to(begun + timedelta(seconds=5))
            assert refusal(admin.post("/tenant/resume")) == (403, "tenant_suspended")
            assert admin.get("/tenant").json()["status"] == "suspended"
            assert operator.post(f"/tenants/{acme.id}/resume").status_code == 200
            assert last_entry(acme) == ("key", "tenant.activate", str(acme.id))
            clock.move_to(begun + timedelta(seconds=10))
            shown = admin.get("/tenant").json()
            assert (shown["status"], shown["paused"]) == ("active", True)  # the pause is its own affair
            assert admin.post("/tenant/resume").status_code == 200

    def test_a_reason_is_optional_and_short(self, operator: Caller, acme: Tenant) -> None:
        too_long = operator.post(f"/tenants/{acme.id}/suspend", {"reason": "x" * 501})
        assert blamed(too_long) == [("reason", "too_long")]
        assert show(operator, acme)["status"] == "active"
        assert operator.post(f"/tenants/{acme.id}/suspend").status_code == 200

    def test_the_operators_own_tenant_stays_open(self, operator: Caller, house: Tenant) -> None:
        assert refusal(operator.post(f"/tenants/{house.id}/suspend")) == (409, "conflict")
        assert refusal(operator.delete(f"/tenants/{house.id}")) == (409, "conflict")
        assert show(operator, house)["status"] == "active"


class TestClose:
    def test_a_closed_tenants_keys_end_at_once_and_for_ever(
        self, operator: Caller, acme: Tenant, admin: Caller
    ) -> None:
        begun = now()
        with time_machine.travel(begun, tick=False) as clock:
            admin.get("/tenant")
            response = operator.delete(f"/tenants/{acme.id}")
            assert response.status_code == 200
            assert response.json() == {"object": "tenant", "id": str(acme.id), "deleted": True}
            clock.move_to(begun + timedelta(seconds=5))
            assert refusal(admin.get("/tenant")) == (403, "invalid_api_key")
        acme.refresh_from_db()
        assert (acme.status, acme.closed_at) == ("closed", begun)
        assert last_entry(acme) == ("key", "tenant.close", str(acme.id))
        assert show(operator, acme)["status"] == "closed"
        for response in (
            operator.patch(f"/tenants/{acme.id}", {"name": "x"}),
            operator.post(f"/tenants/{acme.id}/suspend"),
            operator.post(f"/tenants/{acme.id}/resume"),
            operator.post(f"/tenants/{acme.id}/api-keys", {"name": "x"}),
        ):
            assert refusal(response) == (409, "conflict")
        entries = len(trail(acme))
        assert operator.delete(f"/tenants/{acme.id}").status_code == 200
        assert len(trail(acme)) == entries


class TestKeysOfTenants:
    def test_the_operator_issues_any_scope_for_any_tenant(self, operator: Caller, acme: Tenant) -> None:
        add_verified(tenant_id=acme.id, name="acme.example", actor=SYSTEM, now=now())
        body = {"name": "first", "scopes": ["admin"], "allowed_domains": ["acme.example"]}
        response = operator.post(f"/tenants/{acme.id}/api-keys", body)
        assert response.status_code == 201
        made = response.json()
        assert set(made) == {"object", "id", "token", "scopes"}
        assert Caller(made["token"]).get("/tenant").json()["id"] == str(acme.id)
        assert last_entry(acme) == ("key", "api_key.issue", made["id"])

    def test_it_is_checked_like_the_tenants_own(self, operator: Caller, acme: Tenant) -> None:
        route = f"/tenants/{acme.id}/api-keys"
        assert refusal(operator.post(route, {})) == (422, "missing_required_field")
        assert blamed(operator.post(route, {"name": "x", "scopes": ["y"]})) == [
            ("scopes[0]", "invalid_choice")
        ]
        foreign = operator.post(route, {"name": "x", "allowed_domains": ["house.example"]})
        assert blamed(foreign) == [("allowed_domains[0]", "not_found")]

    def test_the_operators_test_key_makes_test_keys_only(self, house: Tenant, acme: Tenant) -> None:
        tester = caller_for(house, test=True)
        route = f"/tenants/{acme.id}/api-keys"
        assert refusal(tester.post(route, {"name": "x", "mode": "live"})) == (403, "restricted_api_key")
        assert tester.post(route, {"name": "x"}).json()["token"].startswith("mg_test_")


class TestPlans:
    def test_a_plan_is_made_listed_changed_and_removed(
        self, house: Tenant, operator: Caller, acme: Tenant
    ) -> None:
        response = operator.post("/plans", {"name": "gold", "limits": {"daily_quota": 1_000}})
        assert response.status_code == 201
        plan = response.json()
        assert plan.pop("created_at").endswith("Z")
        assert plan == {
            "object": "plan",
            "id": plan["id"],
            "name": "gold",
            "limits": {**DEFAULT_LIMITS, "daily_quota": 1_000},
        }
        assert last_entry(house) == ("key", "plan.create", plan["id"])
        assert [item["name"] for item in operator.get("/plans").json()["data"]] == ["gold", "free"]

        operator.patch(f"/tenants/{acme.id}", {"plan": "gold"})
        body = {"name": "golden", "limits": {"requests_per_minute": 5}}
        response = operator.patch(f"/plans/{plan['id']}", body)
        assert (response.status_code, response.json()) == (200, {"object": "plan", "id": plan["id"]})
        assert last_entry(house) == ("key", "plan.update", plan["id"])
        shown = show(operator, acme)
        assert shown["plan"] == "golden"
        assert shown["limits"] == {**DEFAULT_LIMITS, "daily_quota": 1_000, "requests_per_minute": 5}

        assert refusal(operator.delete(f"/plans/{plan['id']}")) == (409, "conflict")
        assert Plan.objects.filter(pk=plan["id"]).exists()
        operator.patch(f"/tenants/{acme.id}", {"plan": "free"})
        response = operator.delete(f"/plans/{plan['id']}")
        assert response.json() == {"object": "plan", "id": plan["id"], "deleted": True}
        assert last_entry(house) == ("key", "plan.delete", plan["id"])
        assert not Plan.objects.filter(pk=plan["id"]).exists()

    @pytest.mark.parametrize(
        ("body", "field", "code"),
        [
            ({"name": ""}, "name", "out_of_range"),
            ({"name": "x" * 61}, "name", "too_long"),
            ({"limits": {"daily_quota": -1}}, "limits.daily_quota", "out_of_range"),
            ({"limits": {"x": 1}}, "limits.x", "unknown_field"),
            ({"price": 1}, "price", "unknown_field"),
        ],
    )
    def test_a_bad_field_is_blamed_and_nothing_changes(
        self, operator: Caller, gold: Plan, body: dict[str, Any], field: str, code: str
    ) -> None:
        assert blamed(operator.post("/plans", {"name": "new", **body})) == [(field, code)]
        assert blamed(operator.patch(f"/plans/{gold.id}", body)) == [(field, code)]
        assert Plan.objects.count() == 2
        assert Plan.objects.get(pk=gold.pk).limits == gold.limits

    def test_names_are_required_and_unique(self, operator: Caller, gold: Plan) -> None:
        assert refusal(operator.post("/plans", {})) == (422, "missing_required_field")
        assert refusal(operator.post("/plans", {"name": "gold"})) == (409, "conflict")
        free = Plan.objects.get(name="free")
        assert refusal(operator.patch(f"/plans/{free.id}", {"name": "gold"})) == (409, "conflict")

    @pytest.mark.parametrize("plan_id", ["x", UNKNOWN_ID])
    def test_a_plan_that_is_not_there(self, operator: Caller, plan_id: str) -> None:
        assert refusal(operator.patch(f"/plans/{plan_id}", {"name": "x"})) == (404, "not_found")
        assert refusal(operator.delete(f"/plans/{plan_id}")) == (404, "not_found")


class TestDomains:
    """Read only in this wave (docs/api.md 3.18)."""

    def test_domains_are_listed_and_read(self, acme: Tenant) -> None:
        reader = caller_for(acme, "domains:read")
        first = add_verified(tenant_id=acme.id, name="acme.example", actor=SYSTEM, now=now())
        second = add_verified(tenant_id=acme.id, name="mail.acme.example", actor=SYSTEM, now=now())
        listed = reader.get("/domains").json()
        assert (listed["object"], listed["has_more"]) == ("list", False)
        assert [item["id"] for item in listed["data"]] == [str(second.id), str(first.id)]
        shown = reader.get(f"/domains/{first.id}").json()
        assert shown == listed["data"][1]
        assert shown.pop("created_at").endswith("Z")
        assert shown == {
            "object": "domain",
            "id": str(first.id),
            "name": "acme.example",
            "status": "verified",
            "region": None,
            "capabilities": {"sending": "enabled", "receiving": "disabled"},
            "records": [],
            "health": {},
        }

    def test_the_status_filters(self, acme: Tenant) -> None:
        reader = caller_for(acme, "domains:read")
        add_verified(tenant_id=acme.id, name="acme.example", actor=SYSTEM, now=now())
        assert len(reader.get("/domains?status=verified,pending").json()["data"]) == 1
        assert reader.get("/domains?status=failed").json()["data"] == []
        assert refusal(reader.get("/domains?status=good")) == (422, "invalid_parameter")

    def test_writing_comes_later(self, admin: Caller) -> None:
        assert refusal(admin.post("/domains", {"name": "acme.example"})) == (405, "method_not_allowed")

    def test_another_scope_does_not_do(self, acme: Tenant) -> None:
        assert refusal(caller_for(acme, "keys:*").get("/domains")) == (403, "restricted_api_key")

    @pytest.mark.parametrize("domain_id", ["acme's", "x", UNKNOWN_ID])
    def test_another_tenants_domain_is_not_there(self, acme: Tenant, domain_id: str) -> None:
        domain = add_verified(tenant_id=acme.id, name="acme.example", actor=SYSTEM, now=now())
        target = str(domain.id) if domain_id == "acme's" else domain_id
        foreign = caller_for(make_tenant("Globex"))
        assert refusal(foreign.get(f"/domains/{target}")) == (404, "not_found")
        assert foreign.get("/domains").json()["data"] == []


def test_a_path_with_a_trailing_slash_is_not_there(acme: Tenant) -> None:
    _, token = make_key(acme)
    for route in ("/tenant/", "/api-keys/", "/domains/"):
        assert Caller(token).get(route).status_code == 404
