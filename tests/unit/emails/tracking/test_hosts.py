"""Whose links a host serves is known without asking the database each time, and while it is away."""

import pytest
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext

from emails.tracking import hosts
from mailgrid.core.cache import forget_everything
from mailgrid.core.clock import now
from tenants.audit.services import SYSTEM
from tenants.tenancy import services as tenancy


@pytest.fixture(autouse=True)
def _public(settings):
    settings.PUBLIC_URL = "https://mail.example.com"


@pytest.fixture
def acme_host(acme) -> str:
    values = {"settings": {"tracking_host": "links.acme.test"}}
    tenancy.update(tenant_id=acme.tenant.pk, values=values, actor=SYSTEM, now=now())
    return "links.acme.test"


def test_the_installations_own_host_is_known_without_a_question(acme, globex, acme_host):
    with CaptureQueriesContext(connection) as asked:
        assert hosts.serves("MAIL.example.com:443", globex.tenant.pk)
    assert len(asked) == 0


def test_other_hosts_are_asked_for_once_in_a_while(acme, globex, acme_host):
    with CaptureQueriesContext(connection) as asked:
        for _ in range(10):
            assert hosts.serves(acme_host, acme.tenant.pk)
            assert not hosts.serves(acme_host, globex.tenant.pk)
            assert hosts.serves("unknown.test", globex.tenant.pk)
    assert len(asked) == 1


def test_two_tenants_may_name_one_host(acme, globex, acme_host):
    values = {"settings": {"tracking_host": acme_host}}
    tenancy.update(tenant_id=globex.tenant.pk, values=values, actor=SYSTEM, now=now())
    assert hosts.serves(acme_host, acme.tenant.pk)
    assert hosts.serves(acme_host, globex.tenant.pk)


def test_while_the_database_is_away_what_was_known_holds(acme, globex, acme_host, monkeypatch):
    assert not hosts.serves(acme_host, globex.tenant.pk)
    forget_everything()

    def gone():
        raise OperationalError("gone")

    monkeypatch.setattr(hosts, "tracking_hosts", gone)
    assert not hosts.serves(acme_host, globex.tenant.pk)
    assert hosts.serves(acme_host, acme.tenant.pk)


@pytest.mark.parametrize("host", ["", ":", "[", "]", "[::1]:80", "[::1", "a" * 10_000, "\x80", "1.2.3.4:x"])
def test_no_host_is_too_strange(acme, acme_host, host):
    assert hosts.serves(host, acme.tenant.pk)
