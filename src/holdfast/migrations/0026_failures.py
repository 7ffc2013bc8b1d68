"""Failures by cause, and what an attempt that failed says of its own; one of an older worker is not counted."""

import holdfast.ledger.models.jobs
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('holdfast', '0025_operations'),
    ]

    operations = [
        migrations.CreateModel(
            name='Cause',
            fields=[
                ('fingerprint', holdfast.ledger.models.jobs.KeyField(max_length=16, primary_key=True, serialize=False)),
                ('task', models.CharField(max_length=255)),
                ('error', models.CharField(blank=True, default='', max_length=300)),
                ('failures', models.BigIntegerField(default=0)),
                ('first_at', models.DateTimeField()),
                ('last_at', models.DateTimeField()),
                ('recent', models.TextField(default='[]')),
                ('queues', models.TextField(default='[]')),
            ],
            options={
                'db_table': 'holdfast_cause',
            },
        ),
        migrations.CreateModel(
            name='CauseCount',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('fingerprint', holdfast.ledger.models.jobs.KeyField(max_length=16)),
                ('at', models.DateTimeField()),
                ('failures', models.BigIntegerField(default=0)),
            ],
            options={
                'db_table': 'holdfast_cause_count',
            },
        ),
        migrations.AddField(
            model_name='attempt',
            name='fingerprint',
            field=models.CharField(blank=True, db_default='', default='', max_length=16),
        ),
        migrations.AddField(
            model_name='attempt',
            name='uncounted',
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.AddIndex(
            model_name='cause',
            index=models.Index(fields=['last_at'], name='holdfast_cause_last'),
        ),
        migrations.AddIndex(
            model_name='causecount',
            index=models.Index(fields=['at'], name='holdfast_cause_count_at'),
        ),
        migrations.AddConstraint(
            model_name='causecount',
            constraint=models.UniqueConstraint(fields=('fingerprint', 'at'), name='holdfast_cause_count_once'),
        ),
    ]
