"""What is published never changes: the database itself sees to it."""

import pytest
from django.db import IntegrityError, connection, transaction

from templates.models import Template, TemplateVersion
from tenants.models import Tenant


@pytest.fixture
def version(acme) -> TemplateVersion:
    return TemplateVersion.across_tenants.filter(tenant=acme.tenant, template__name="welcome").get()


def test_saving_a_version_again_is_an_error(version):
    version.subject = "Other"
    with pytest.raises(TypeError, match="never changes"):
        version.save()


def test_neither_the_orm_nor_sql_changes_a_version(version):
    before = TemplateVersion.across_tenants.filter(pk=version.pk).values().get()
    with pytest.raises(IntegrityError, match="never changes"), transaction.atomic():
        TemplateVersion.across_tenants.filter(pk=version.pk).update(subject="Other")
    with (
        pytest.raises(IntegrityError, match="never changes"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute("UPDATE templates_templateversion SET note = 'x'")
    assert TemplateVersion.across_tenants.filter(pk=version.pk).values().get() == before


def test_a_template_whose_version_is_live_cannot_lose_it(version):
    with pytest.raises(Exception, match="restricted"):
        version.delete()


def test_a_tenant_that_is_erased_takes_its_templates_along(acme, globex):
    Tenant.objects.filter(pk=acme.tenant.pk).delete()
    assert not Template.across_tenants.filter(tenant_id=acme.tenant.pk).exists()
    assert not TemplateVersion.across_tenants.filter(tenant_id=acme.tenant.pk).exists()
    assert Template.across_tenants.filter(tenant=globex.tenant).count() == 6
