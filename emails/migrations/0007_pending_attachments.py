"""Attachments that are still to be fetched; and how the sweep of the blob store finds who names bytes.

On PostgreSQL an index of its own answers which contents name one of many blobs among their attachments. It has the rows
that have any, so that other mail pays nothing for it. Without fastupdate: every look-up reads the list of what is pending,
and 500 of them took 2 s in place of 20 ms.
"""

import django.db.models.deletion
import django.db.models.manager
import mailgrid.core.ids
from django.db import migrations, models


BY_ATTACHMENT = """
CREATE INDEX emails_content_attachments ON emails_messagecontent USING gin (attachments)
  WITH (fastupdate = off) WHERE attachments <> '[]'"""


def on_postgresql(*statements):
    def run(_apps, editor):
        if editor.connection.vendor == "postgresql":
            for statement in statements:
                editor.execute(statement)

    return run


class Migration(migrations.Migration):

    dependencies = [
        ('emails', '0006_hot_rows'),
        ('tenants', '0003_files'),
    ]

    operations = [
        # An index of a large table takes longer than a statement of a worker may.
        migrations.RunPython(on_postgresql("SET LOCAL statement_timeout = 0"), migrations.RunPython.noop),
        migrations.CreateModel(
            name='PendingAttachment',
            fields=[
                ('state', models.CharField(max_length=16)),
                ('due_at', models.DateTimeField()),
                ('lease_until', models.DateTimeField(null=True)),
                ('fence', models.IntegerField(default=0)),
                ('attempts', models.IntegerField(default=0)),
                ('id', models.UUIDField(default=mailgrid.core.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('position', models.SmallIntegerField()),
                ('origin', models.CharField(max_length=300)),
                ('sealed', models.BinaryField()),
                ('sealed_key_id', models.CharField(max_length=32)),
                ('filename', models.CharField(max_length=255)),
                ('content_type', models.CharField(blank=True, max_length=255)),
                ('then_held', models.CharField(blank=True, max_length=16)),
                ('size', models.IntegerField(default=0)),
                ('blob', models.CharField(blank=True, max_length=120)),
                ('blob_key_id', models.CharField(blank=True, max_length=32)),
                ('error', models.CharField(blank=True, max_length=500)),
                ('created_at', models.DateTimeField()),
            ],
            options={
                'abstract': False,
                'default_manager_name': 'across_tenants',
            },
            managers=[
                ('across_tenants', django.db.models.manager.Manager()),
            ],
        ),
        migrations.AddIndex(
            model_name='messagecontent',
            index=models.Index(condition=models.Q(('blob', ''), _negated=True), fields=['blob'], name='emails_content_blob'),
        ),
        migrations.AddField(
            model_name='pendingattachment',
            name='message',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='emails.message'),
        ),
        migrations.AddField(
            model_name='pendingattachment',
            name='tenant',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='tenants.tenant'),
        ),
        migrations.AddIndex(
            model_name='pendingattachment',
            index=models.Index(condition=models.Q(('state__in', ['pending', 'processing'])), fields=['tenant', 'due_at'], name='emails_attachment_due'),
        ),
        migrations.AddIndex(
            model_name='pendingattachment',
            index=models.Index(condition=models.Q(('blob', ''), _negated=True), fields=['blob'], name='emails_attachment_blob'),
        ),
        migrations.AddConstraint(
            model_name='pendingattachment',
            constraint=models.UniqueConstraint(fields=('message', 'position'), name='emails_pendingattachment_once'),
        ),
        migrations.RunPython(
            on_postgresql(BY_ATTACHMENT), on_postgresql("DROP INDEX emails_content_attachments")
        ),
    ]
