"""Every tenant begins with six templates that can be sent."""

import pytest
from django.core.management import CommandError, call_command

from mailgrid.core.clock import now
from mailgrid.core.scoping import in_scope
from templates.installing import NAMES, builtins, install_builtins
from templates.linting import lint
from templates.models import Template
from templates.publishing import checked
from templates.selectors import programs_of, sendable
from tenants.audit.models import AuditEntry


def names(tenant) -> list[str]:
    return sorted(Template.across_tenants.filter(tenant=tenant).values_list("name", flat=True))


@pytest.mark.parametrize("one", builtins(), ids=lambda one: one.name)
def test_a_builtin_would_pass_every_check_of_publishing(one):
    template = Template(name=one.name, tags=one.tags, test_data=one.test_data)
    one.draft.write_to(template)
    prepared, warnings = checked(template)
    assert prepared == one.prepared
    assert warnings == ()
    assert len(one.test_data) >= 2
    assert lint(source=template.html, html=prepared.html, text=prepared.text, tags=one.tags) == []


def test_a_new_tenant_has_them_published(acme):
    assert names(acme.tenant) == sorted(NAMES)
    for row in Template.across_tenants.filter(tenant=acme.tenant).select_related("live"):
        assert (row.status, row.edited, row.newest, row.live.number) == ("published", False, 1, 1)
        assert row.live.tenant_id == acme.tenant.pk
        assert row.builtin == row.name
    with in_scope(acme.tenant.pk, test=False):
        found = [sendable(name).version_id for name in NAMES]
    assert len(programs_of(found)) == 6


def test_installing_again_changes_nothing(acme, django_assert_max_num_queries):
    before = list(Template.across_tenants.order_by("pk").values())
    trail = AuditEntry.across_tenants.count()
    with django_assert_max_num_queries(5):
        assert install_builtins(tenant=acme.tenant, now=now()) == []
    assert list(Template.across_tenants.order_by("pk").values()) == before
    assert AuditEntry.across_tenants.count() == trail


def test_one_that_was_renamed_or_archived_is_not_given_again_and_a_tenants_own_stays(acme):
    rows = Template.across_tenants.filter(tenant=acme.tenant)
    rows.filter(name="welcome").update(name="Hello")
    rows.filter(name="receipt").update(archived_at=now())
    rows.filter(name="otp-code").update(builtin="")
    rows.filter(name="newsletter").update(live=None)
    rows.filter(name="newsletter").delete()
    assert install_builtins(tenant=acme.tenant, now=now()) == ["newsletter"]
    assert names(acme.tenant) == [
        "Hello",
        "magic-link",
        "newsletter",
        "otp-code",
        "password-reset",
        "receipt",
    ]


def test_the_command_gives_them_to_tenants_of_earlier_versions(acme, globex, capsys):
    for tenant in (acme.tenant, globex.tenant):
        Template.across_tenants.filter(tenant=tenant).update(live=None)
        Template.across_tenants.filter(tenant=tenant).delete()
    call_command("installtemplates", tenant="acme")
    assert (names(acme.tenant), names(globex.tenant)) == (sorted(NAMES), [])
    call_command("installtemplates")
    assert names(globex.tenant) == sorted(NAMES)
    assert capsys.readouterr().out == "6 templates were added.\n6 templates were added.\n"
    entry = AuditEntry.across_tenants.filter(tenant=globex.tenant).latest("seq")
    assert (entry.actor_type, entry.action, entry.changes) == (
        "system",
        "template.install_builtins",
        {"names": list(NAMES)},
    )


def test_the_command_knows_its_tenants(acme):
    with pytest.raises(CommandError, match="There is no tenant nobody"):
        call_command("installtemplates", tenant="nobody")
