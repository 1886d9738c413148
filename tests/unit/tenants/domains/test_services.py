"""Domains that an operator vouches for."""

import pytest

from mailgrid.core.clock import now
from mailgrid.core.errors import Invalid, NotFound
from mailgrid.core.ids import uuid7
from tenants.audit.services import SYSTEM
from tenants.domains import services
from tenants.domains.models import Domain
from tenants.domains.selectors import verified_names
from tenants.domains.services import DomainTaken, TooManyDomains
from tenants.tenancy.models import Tenant
from tests.journeys.conftest_tenants import last_entry, trail


def add(tenant: Tenant, name: str) -> Domain:
    return services.add_verified(tenant_id=tenant.id, name=name, actor=SYSTEM, now=now())


def test_a_domain_is_added_verified_in_its_one_form(acme: Tenant, django_assert_num_queries) -> None:
    domain = add(acme, "Mail.Acme.example.")
    assert (domain.name, domain.status) == ("mail.acme.example", "verified")
    assert domain.verified_at is not None
    assert last_entry(acme) == ("system", "domain.verify", str(domain.id))
    with django_assert_num_queries(1):
        assert verified_names(acme.id) == {"mail.acme.example"}


def test_adding_it_again_changes_nothing(acme: Tenant) -> None:
    first = add(acme, "acme.example")
    entries = len(trail(acme))
    assert add(acme, "ACME.example") == first
    assert len(trail(acme)) == entries


def test_a_pending_one_becomes_verified(acme: Tenant) -> None:
    pending = Domain.across_tenants.create(tenant=acme, name="acme.example")
    assert verified_names(acme.id) == frozenset()
    assert add(acme, "acme.example").id == pending.id
    assert verified_names(acme.id) == {"acme.example"}


def test_one_tenant_at_most_has_it_verified(acme: Tenant, globex: Tenant) -> None:
    add(acme, "acme.example")
    with pytest.raises(DomainTaken):
        add(globex, "acme.example")
    assert verified_names(globex.id) == frozenset()


def test_what_is_no_name_is_refused(acme: Tenant) -> None:
    with pytest.raises(Invalid):
        add(acme, "not a domain")
    with pytest.raises(NotFound):
        services.add_verified(tenant_id=uuid7(), name="acme.example", actor=SYSTEM, now=now())


def test_a_tenant_may_have_so_many(acme: Tenant, monkeypatch) -> None:
    monkeypatch.setattr(services, "MAX_DOMAINS", 1)
    add(acme, "acme.example")
    add(acme, "acme.example")
    with pytest.raises(TooManyDomains):
        add(acme, "mail.acme.example")


def test_a_removed_one_is_free_for_others(acme: Tenant, globex: Tenant) -> None:
    domain_id = add(acme, "acme.example").id
    with pytest.raises(NotFound):
        services.remove(tenant_id=globex.id, domain_id=domain_id, actor=SYSTEM, now=now())
    assert services.remove(tenant_id=acme.id, domain_id=domain_id, actor=SYSTEM, now=now()) == domain_id
    assert last_entry(acme) == ("system", "domain.remove", str(domain_id))
    assert verified_names(acme.id) == frozenset()
    add(globex, "acme.example")
