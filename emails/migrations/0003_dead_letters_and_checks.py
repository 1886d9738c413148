"""What operators decided about exhausted mail, checks of transports, and the indexes of dead letters."""

import django.db.models.deletion
import mailgrid.core.ids
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('emails', '0002_sandbox_transport'),
    ]

    operations = [
        migrations.CreateModel(
            name='Disposition',
            fields=[
                ('delivery', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='disposition', serialize=False, to='emails.delivery')),
                ('verdict', models.CharField(choices=[('redriven', 'Redriven'), ('removed', 'Removed')], max_length=10)),
                ('email_id', models.UUIDField(null=True)),
                ('at', models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name='TransportCheck',
            fields=[
                ('state', models.CharField(max_length=16)),
                ('due_at', models.DateTimeField()),
                ('lease_until', models.DateTimeField(null=True)),
                ('fence', models.IntegerField(default=0)),
                ('attempts', models.IntegerField(default=0)),
                ('id', models.UUIDField(default=mailgrid.core.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('transport', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='checks', to='emails.transport')),
                ('error_class', models.CharField(blank=True, max_length=12)),
                ('error_code', models.CharField(blank=True, max_length=100)),
                ('error_message', models.CharField(blank=True, max_length=1000)),
                ('requested_at', models.DateTimeField()),
                ('checked_at', models.DateTimeField(null=True)),
            ],
        ),
        migrations.AddIndex(
            model_name='notification',
            index=models.Index(condition=models.Q(('state', 'exhausted')), fields=['-id'], name='emails_notification_exhausted'),
        ),
        migrations.AddIndex(
            model_name='recipient',
            index=models.Index(condition=models.Q(('reason', 'retries_exhausted')), fields=['delivery'], name='emails_recipient_exhausted'),
        ),
        migrations.AddIndex(
            model_name='transportcheck',
            index=models.Index(fields=['transport', '-id'], name='emails_check_newest'),
        ),
        migrations.AddIndex(
            model_name='transportcheck',
            index=models.Index(condition=models.Q(('state__in', ['pending', 'processing'])), fields=['due_at'], name='emails_check_due'),
        ),
        migrations.AddConstraint(
            model_name='transportcheck',
            constraint=models.UniqueConstraint(condition=models.Q(('state__in', ['pending', 'processing'])), fields=('transport',), name='emails_transportcheck_one_open'),
        ),
    ]
