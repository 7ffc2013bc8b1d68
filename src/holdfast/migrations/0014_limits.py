"""Limits, and where jobs stand at them; workers that run during a deploy know neither, and record without them."""

import holdfast.ledger.models.jobs
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('holdfast', '0013_member_indexes'),
    ]

    operations = [
        migrations.CreateModel(
            name='Limit',
            fields=[
                ('name', holdfast.ledger.models.jobs.KeyField(max_length=255, primary_key=True, serialize=False)),
                ('declared', models.TextField(default='{}')),
                ('override', models.TextField(blank=True, default='')),
                ('tokens', models.FloatField(default=0.0)),
                ('refilled_at', models.DateTimeField(null=True)),
                ('last_key', holdfast.ledger.models.jobs.KeyField(default='', max_length=255)),
                ('changed_at', models.DateTimeField()),
            ],
            options={
                'db_table': 'holdfast_limit',
            },
        ),
        migrations.AddField(
            model_name='job',
            name='limited',
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.CreateModel(
            name='Limited',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('job', holdfast.ledger.models.jobs.KeyField(max_length=255)),
                ('name', holdfast.ledger.models.jobs.KeyField(max_length=255)),
                ('key', holdfast.ledger.models.jobs.KeyField(default='', max_length=255)),
                ('weight', models.IntegerField(default=1)),
                ('rank', models.SmallIntegerField(default=0)),
                ('place', models.SmallIntegerField(choices=[(0, 'away'), (1, 'waiting'), (2, 'admitted')])),
            ],
            options={
                'db_table': 'holdfast_limited',
                'indexes': [models.Index(condition=models.Q(('place', 1)), fields=['name', 'key', 'rank', 'id'], name='holdfast_limited_waiting'), models.Index(condition=models.Q(('place', 2)), fields=['name', 'key'], name='holdfast_limited_admitted')],
                'constraints': [models.UniqueConstraint(fields=('job', 'name'), name='holdfast_limited_once')],
            },
        ),
    ]
