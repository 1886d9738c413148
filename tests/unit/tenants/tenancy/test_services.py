"""What the verbs of a tenant promise beyond HTTP."""

from datetime import timedelta

import pytest
import time_machine
from django.db import IntegrityError

from mailgrid.core.cache import KEPT_SECONDS
from mailgrid.core.clock import now
from mailgrid.core.errors import NotFound
from mailgrid.core.ids import uuid7
from tenants.audit.services import SYSTEM
from tenants.tenancy import services
from tenants.tenancy.models import Plan, Tenant
from tenants.tenancy.selectors import facts_of, get_tenant, tenant_facts
from tenants.tenancy.services import TenantClosed, create_tenant, merged
from tests.journeys.conftest_tenants import make_tenant, trail


def refuse(*, tenant: Tenant, now: object) -> None:
    raise IntegrityError("no streams today")


class TestCreated:
    def test_what_lives_above_is_told(self, db, monkeypatch) -> None:
        told: list[Tenant] = []
        monkeypatch.setattr(
            "emails.streams.services.create_default_streams", lambda *, tenant, now: told.append(tenant)
        )
        tenant = make_tenant("Acme")
        assert told == [tenant]

    def test_without_its_defaults_there_is_no_tenant(self, db, monkeypatch) -> None:
        monkeypatch.setattr("emails.streams.services.create_default_streams", refuse)
        with pytest.raises(IntegrityError):
            make_tenant("Acme")
        assert not Tenant.objects.exists()

    def test_there_is_one_operator_tenant(self, db) -> None:
        assert make_tenant("House", operator=True).operator
        with pytest.raises(services.SlugTaken):
            make_tenant("Second house", operator=True)


class TestFacts:
    def test_they_hold_what_is_in_force(self, acme: Tenant) -> None:
        plan = Plan.objects.create(name="gold", limits={"daily_quota": 9, "monthly_quota": 90})
        services.update(
            tenant_id=acme.id,
            values={"plan": "gold", "limits": {"daily_quota": 3}, "settings": {"over_quota": "hold"}},
            actor=SYSTEM,
            now=now(),
        )
        facts = tenant_facts(acme.id)
        assert (facts.id, facts.slug, facts.status) == (acme.id, "acme", Tenant.Status.ACTIVE)
        assert (facts.paused, facts.operator) == (False, False)
        assert (facts.limits.daily_quota, facts.limits.monthly_quota) == (3, 90)
        assert facts.limits.requests_per_minute == 600
        assert facts.settings.over_quota == "hold"
        assert facts == facts_of(get_tenant(acme.id))
        assert plan.limits == {"daily_quota": 9, "monthly_quota": 90}

    def test_they_are_remembered_for_five_seconds(self, acme: Tenant, django_assert_num_queries) -> None:
        with time_machine.travel(now(), tick=False) as clock:
            with django_assert_num_queries(1):
                tenant_facts(acme.id)
                tenant_facts(acme.id)
            Tenant.objects.filter(pk=acme.pk).update(paused=True)
            assert not tenant_facts(acme.id).paused
            clock.shift(timedelta(seconds=KEPT_SECONDS))
            assert tenant_facts(acme.id).paused

    @pytest.mark.parametrize("verb", ["pause", "suspend", "close", "update"])
    def test_a_committed_change_is_seen_at_once_in_this_process(
        self, acme: Tenant, django_capture_on_commit_callbacks, verb: str
    ) -> None:
        before = tenant_facts(acme.id)
        extra = {"suspend": {"reason": "x"}, "update": {"values": {"slug": "acme-2"}}}.get(verb, {})
        with django_capture_on_commit_callbacks(execute=True):
            getattr(services, verb)(tenant_id=acme.id, actor=SYSTEM, now=now(), **extra)
        assert tenant_facts(acme.id) != before

    def test_there_are_none_of_nobody(self, db) -> None:
        with pytest.raises(NotFound):
            tenant_facts(uuid7())


@pytest.mark.parametrize("verb", ["pause", "resume", "activate"])
def test_a_closed_tenant_does_not_change(acme: Tenant, verb: str) -> None:
    services.close(tenant_id=acme.id, actor=SYSTEM, now=now())
    entries = len(trail(acme))
    with pytest.raises(TenantClosed):
        getattr(services, verb)(tenant_id=acme.id, actor=SYSTEM, now=now())
    assert len(trail(acme)) == entries


def test_each_tenant_has_its_own_chain(acme: Tenant, globex: Tenant) -> None:
    services.pause(tenant_id=acme.id, actor=SYSTEM, now=now())
    services.pause(tenant_id=globex.id, actor=SYSTEM, now=now())
    assert trail(acme)[-1].seq == trail(globex)[-1].seq == 4


def test_a_tenant_made_by_a_command_is_audited_as_the_systems(db) -> None:
    tenant = create_tenant(values={"name": "Acme"}, actor=SYSTEM, now=now())
    first = trail(tenant)[0]
    assert (first.actor_type, first.action, first.target_type) == ("system", "tenant.create", "tenant")
    assert first.changes == {"name": "Acme", "slug": "acme", "plan": "free"}


@pytest.mark.parametrize(
    ("stored", "given", "result"),
    [
        ({}, {"a": 1}, {"a": 1}),
        ({"a": 1, "b": 2}, {"b": 3}, {"a": 1, "b": 3}),
        ({"a": {"x": 1}}, {"a": {"y": 2}}, {"a": {"x": 1, "y": 2}}),
        ({"a": {"x": 1}}, {"a": None}, {"a": None}),
        ({"a": None}, {"a": {"x": 1}}, {"a": {"x": 1}}),
        ({"a": [1]}, {"a": [2]}, {"a": [2]}),
    ],
)
def test_fields_merge_one_by_one(stored: dict, given: dict, result: dict) -> None:
    assert merged(stored, given) == result
