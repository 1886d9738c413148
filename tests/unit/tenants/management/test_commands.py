"""An installation gets its first tenant, and tenants their domains, from the command line."""

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from emails.streams.models import Stream
from mailgrid.core.clock import now
from tenants.domains.selectors import verified_names
from tenants.keys.access import authenticate_token
from tenants.tenancy.models import Tenant


def run(name: str, *arguments: str) -> str:
    out = StringIO()
    call_command(name, *arguments, stdout=out)
    return out.getvalue()


def bootstrap(*arguments: str) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(run("bootstrap", *arguments))
    return made


def test_bootstrap_makes_the_operator_tenant_with_a_key_and_a_domain(db) -> None:
    made = bootstrap("--name", "Acme", "--slug", "acme-1", "--domain", "Acme.example")
    tenant = Tenant.objects.get()
    assert made == {
        "tenant_id": str(tenant.id),
        "slug": "acme-1",
        "api_key": made["api_key"],
        "domain": "acme.example",
    }
    assert (tenant.name, tenant.operator) == ("Acme", True)
    assert verified_names(tenant.id) == {"acme.example"}
    assert Stream.across_tenants.filter(tenant=tenant).count() == 3
    caller = authenticate_token(made["api_key"], "192.0.2.7", now())
    assert (caller.tenant_id, caller.test, caller.operator) == (tenant.id, False, True)
    assert caller.may("admin")


def test_only_the_first_tenant_is_the_operators(db) -> None:
    bootstrap("--name", "House")
    made = bootstrap("--name", "Acme", "--mode", "test")
    assert made["domain"] is None
    assert made["api_key"].startswith("mg_test_")
    caller = authenticate_token(made["api_key"], "192.0.2.7", now())
    assert (caller.test, caller.operator) == (True, False)


def test_nothing_is_needed(db) -> None:
    made = bootstrap()
    assert made["slug"].startswith("mailgrid-")


@pytest.mark.parametrize(
    "arguments",
    [
        ("--name", "Acme"),
        ("--name", "New", "--slug", "admin"),
        ("--name", "New", "--domain", "not a domain"),
        ("--name", "New", "--domain", "acme.example"),
    ],
)
def test_what_cannot_be_made_is_made_in_no_part(db, arguments: tuple[str, ...]) -> None:
    bootstrap("--name", "Acme", "--domain", "acme.example")
    with pytest.raises(CommandError):
        bootstrap(*arguments)
    assert Tenant.objects.count() == 1


def test_adddomain_lets_a_tenant_send_from_it(acme: Tenant) -> None:
    assert (
        run("adddomain", "Mail.acme.example", "--tenant", "acme") == "acme may send from mail.acme.example.\n"
    )
    assert verified_names(acme.id) == {"mail.acme.example"}


@pytest.mark.parametrize(("name", "tenant"), [("acme.example", "nobody"), ("not a domain", "acme")])
def test_adddomain_says_what_is_wrong(acme: Tenant, name: str, tenant: str) -> None:
    with pytest.raises(CommandError):
        run("adddomain", name, "--tenant", tenant)
    assert verified_names(acme.id) == frozenset()
