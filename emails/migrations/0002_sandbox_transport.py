"""The operator's sandbox: what test keys use always, and everybody until an operator configures a provider."""

from uuid import UUID

from django.db import migrations

SANDBOX_ID = UUID("01900000-0000-7000-8000-000000000001")


def create(apps, _schema_editor):
    apps.get_model("emails", "Transport").across_tenants.get_or_create(
        id=SANDBOX_ID, defaults={"name": "sandbox", "kind": "sandbox", "tenant": None}
    )


class Migration(migrations.Migration):
    dependencies = [("emails", "0001_initial")]
    operations = [migrations.RunPython(create, migrations.RunPython.noop)]
