"""Pauses, and the jobs that are held for them; a worker that runs during a deploy pauses once it is a new one."""

import holdfast.ledger.models.jobs
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('holdfast', '0015_encrypted_parts'),
    ]

    operations = [
        migrations.CreateModel(
            name='Pause',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(max_length=8)),
                ('name', holdfast.ledger.models.jobs.KeyField(max_length=255)),
                ('by', models.CharField(blank=True, default='', max_length=255)),
                ('reason', models.TextField(blank=True, default='')),
                ('at', models.DateTimeField()),
            ],
            options={
                'db_table': 'holdfast_pause',
                'constraints': [models.UniqueConstraint(fields=('kind', 'name'), name='holdfast_pause_once')],
            },
        ),
        migrations.CreateModel(
            name='Shelved',
            fields=[
                ('job', holdfast.ledger.models.jobs.KeyField(max_length=255, primary_key=True, serialize=False)),
                ('queue', holdfast.ledger.models.jobs.KeyField(max_length=255)),
                ('task', holdfast.ledger.models.jobs.KeyField(max_length=255)),
            ],
            options={
                'db_table': 'holdfast_shelved',
                'indexes': [models.Index(fields=['queue', 'task', 'job'], name='holdfast_shelved_place')],
            },
        ),
    ]
