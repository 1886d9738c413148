"""Templates, and versions that the database itself refuses to change."""

import django.db.models.deletion
import django.db.models.manager
import mailgrid.core.ids
from django.db import migrations, models


SAID = "a published version never changes"

FROZEN = {
    "sqlite": (
        "CREATE TRIGGER templates_version_frozen BEFORE UPDATE ON templates_templateversion"
        f" BEGIN SELECT RAISE(ABORT, '{SAID}'); END",
    ),
    "postgresql": (
        "CREATE FUNCTION templates_version_frozen() RETURNS trigger LANGUAGE plpgsql AS $$"
        f" BEGIN RAISE EXCEPTION '{SAID}' USING ERRCODE = 'integrity_constraint_violation'; END $$",
        "CREATE TRIGGER templates_version_frozen BEFORE UPDATE ON templates_templateversion"
        " FOR EACH ROW EXECUTE FUNCTION templates_version_frozen()",
    ),
}
THAWED = {
    "sqlite": ("DROP TRIGGER templates_version_frozen",),
    "postgresql": (
        "DROP TRIGGER templates_version_frozen ON templates_templateversion",
        "DROP FUNCTION templates_version_frozen",
    ),
}


def on(statements):
    def run(_apps, editor):
        for statement in statements[editor.connection.vendor]:
            editor.execute(statement)

    return run


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('tenants', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='Template',
            fields=[
                ('format', models.CharField(choices=[('html', 'html'), ('mjml', 'mjml'), ('text', 'text')], default='html', max_length=8)),
                ('subject', models.CharField(blank=True, max_length=998, null=True)),
                ('sender', models.CharField(blank=True, max_length=320, null=True)),
                ('reply_to', models.JSONField(blank=True, default=list)),
                ('html', models.TextField(blank=True, null=True)),
                ('text', models.TextField(blank=True, null=True)),
                ('variables', models.JSONField(blank=True, default=list)),
                ('used', models.JSONField(blank=True, default=list)),
                ('id', models.UUIDField(default=mailgrid.core.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('name', models.CharField(max_length=100)),
                ('alias', models.CharField(blank=True, max_length=64, null=True)),
                ('tags', models.JSONField(blank=True, default=dict)),
                ('test_data', models.JSONField(blank=True, default=dict)),
                ('revision', models.PositiveIntegerField(default=1)),
                ('edited', models.BooleanField(default=True)),
                ('pinned', models.BooleanField(default=False)),
                ('newest', models.PositiveIntegerField(default=0)),
                ('builtin', models.CharField(blank=True, max_length=40)),
                ('created_at', models.DateTimeField()),
                ('updated_at', models.DateTimeField()),
                ('published_at', models.DateTimeField(blank=True, null=True)),
                ('archived_at', models.DateTimeField(blank=True, null=True)),
                ('tenant', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='tenants.tenant')),
            ],
            options={
                'abstract': False,
                'default_manager_name': 'across_tenants',
            },
            managers=[
                ('across_tenants', django.db.models.manager.Manager()),
            ],
        ),
        migrations.CreateModel(
            name='TemplateVersion',
            fields=[
                ('format', models.CharField(choices=[('html', 'html'), ('mjml', 'mjml'), ('text', 'text')], default='html', max_length=8)),
                ('subject', models.CharField(blank=True, max_length=998, null=True)),
                ('sender', models.CharField(blank=True, max_length=320, null=True)),
                ('reply_to', models.JSONField(blank=True, default=list)),
                ('html', models.TextField(blank=True, null=True)),
                ('text', models.TextField(blank=True, null=True)),
                ('variables', models.JSONField(blank=True, default=list)),
                ('used', models.JSONField(blank=True, default=list)),
                ('id', models.UUIDField(default=mailgrid.core.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('number', models.PositiveIntegerField()),
                ('note', models.CharField(blank=True, max_length=500)),
                ('prepared_html', models.TextField(blank=True, null=True)),
                ('prepared_text', models.TextField(blank=True, null=True)),
                ('warnings', models.JSONField(blank=True, default=list)),
                ('published_at', models.DateTimeField()),
                ('template', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='versions', to='templates.template')),
                ('tenant', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='tenants.tenant')),
            ],
            options={
                'abstract': False,
                'default_manager_name': 'across_tenants',
            },
            managers=[
                ('across_tenants', django.db.models.manager.Manager()),
            ],
        ),
        migrations.AddField(
            model_name='template',
            name='live',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.RESTRICT, related_name='+', to='templates.templateversion'),
        ),
        migrations.AddConstraint(
            model_name='templateversion',
            constraint=models.UniqueConstraint(fields=('tenant', 'template', 'number'), name='templates_version_number'),
        ),
        migrations.AddIndex(
            model_name='template',
            index=models.Index(fields=['tenant', 'id'], name='templates_template_newest'),
        ),
        migrations.AddConstraint(
            model_name='template',
            constraint=models.UniqueConstraint(condition=models.Q(('archived_at', None)), fields=('tenant', 'name'), name='templates_template_name'),
        ),
        migrations.AddConstraint(
            model_name='template',
            constraint=models.UniqueConstraint(condition=models.Q(('archived_at', None)), fields=('tenant', 'alias'), name='templates_template_alias'),
        ),
        migrations.AddConstraint(
            model_name='template',
            constraint=models.UniqueConstraint(condition=models.Q(('builtin', ''), _negated=True), fields=('tenant', 'builtin'), name='templates_template_builtin'),
        ),
        # A migration that makes SQLite rebuild the table must make the trigger again: it goes with the old one.
        migrations.RunPython(on(FROZEN), on(THAWED)),
    ]
