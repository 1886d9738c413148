"""The plan of tenants for whom nobody chose one."""

from django.db import migrations


def create(apps, _schema_editor):
    apps.get_model("tenants", "Plan").objects.get_or_create(name="free", defaults={"limits": {}})


class Migration(migrations.Migration):
    dependencies = [("tenants", "0001_initial")]
    operations = [migrations.RunPython(create, migrations.RunPython.noop)]
