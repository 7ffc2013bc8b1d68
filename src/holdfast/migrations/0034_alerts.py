"""What is wrong by which rule, what was told, and what was said of rules; workers of the release before write none of it."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('holdfast', '0033_batch_cancelling'),
    ]

    operations = [
        migrations.CreateModel(
            name='AlertRule',
            fields=[
                ('name', models.CharField(max_length=100, primary_key=True, serialize=False)),
                ('off', models.BooleanField(default=False)),
                ('muted_until', models.DateTimeField(null=True)),
                ('by', models.CharField(blank=True, default='', max_length=255)),
                ('reason', models.CharField(blank=True, default='', max_length=255)),
            ],
            options={
                'db_table': 'holdfast_alert_rule',
            },
        ),
        migrations.CreateModel(
            name='Alert',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('rule', models.CharField(max_length=100)),
                ('subject', models.CharField(max_length=255)),
                ('severity', models.CharField(max_length=10)),
                ('state', models.CharField(max_length=10)),
                ('summary', models.TextField(default='')),
                ('facts', models.TextField(default='{}')),
                ('path', models.CharField(blank=True, default='', max_length=500)),
                ('episode', models.IntegerField(default=0)),
                ('since', models.DateTimeField()),
                ('seen_at', models.DateTimeField()),
                ('told_at', models.DateTimeField(null=True)),
                ('recovered_at', models.DateTimeField(null=True)),
                ('muted_until', models.DateTimeField(null=True)),
                ('muted_by', models.CharField(blank=True, default='', max_length=255)),
            ],
            options={
                'db_table': 'holdfast_alert',
                'constraints': [models.UniqueConstraint(fields=('rule', 'subject'), name='holdfast_alert_once')],
            },
        ),
        migrations.CreateModel(
            name='AlertNotice',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('key', models.CharField(max_length=255, unique=True)),
                ('channel', models.CharField(max_length=100)),
                ('body', models.TextField()),
                ('made_at', models.DateTimeField()),
                ('tries', models.IntegerField(default=0)),
                ('tried_at', models.DateTimeField(null=True)),
                ('error', models.TextField(blank=True, default='')),
                ('sent_at', models.DateTimeField(null=True)),
            ],
            options={
                'db_table': 'holdfast_alert_notice',
                'indexes': [models.Index(condition=models.Q(('sent_at__isnull', True)), fields=['id'], name='holdfast_notice_unsent')],
            },
        ),
    ]
