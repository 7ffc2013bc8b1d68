"""Rules of alerts that people add, the kind of an alert, when a duty was done last; workers of the release before know none of it."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('holdfast', '0034_alerts'),
    ]

    operations = [
        migrations.CreateModel(
            name='AddedRule',
            fields=[
                ('name', models.CharField(max_length=100, primary_key=True, serialize=False)),
                ('off', models.BooleanField(default=False)),
                ('muted_until', models.DateTimeField(null=True)),
                ('by', models.CharField(blank=True, default='', max_length=255)),
                ('reason', models.CharField(blank=True, default='', max_length=255)),
                ('said', models.TextField()),
                ('changed_at', models.DateTimeField()),
                ('changed_by', models.CharField(blank=True, default='', max_length=255)),
            ],
            options={
                'db_table': 'holdfast_alert_added',
            },
        ),
        migrations.AddField(
            model_name='alert',
            name='kind',
            field=models.CharField(blank=True, db_default='', max_length=20),
        ),
        migrations.AddField(
            model_name='duty',
            name='done_at',
            field=models.DateTimeField(null=True),
        ),
    ]
