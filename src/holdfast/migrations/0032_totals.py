"""Sums of what became of jobs, counts of what happened, and the memory of workers; older workers write none of it."""

from __future__ import annotations

import holdfast.ledger.models.jobs
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("holdfast", "0031_growth")]
    operations = [
        migrations.CreateModel(
            name="Total",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("task", holdfast.ledger.models.jobs.KeyField(max_length=255)),
                ("queue", holdfast.ledger.models.jobs.KeyField(max_length=255)),
                ("recorded", models.BigIntegerField(default=0)),
                ("succeeded", models.BigIntegerField(default=0)),
                ("failed", models.BigIntegerField(default=0)),
                ("cancelled", models.BigIntegerField(default=0)),
                ("retried", models.BigIntegerField(default=0)),
                ("run_seconds", models.FloatField(default=0.0)),
                ("waits", models.TextField(default="{}")),
                ("runs", models.TextField(default="{}")),
                ("changed_at", models.DateTimeField()),
                ("recorded_until", models.DateTimeField(null=True)),
            ],
            options={
                "db_table": "holdfast_total",
                "constraints": [
                    models.UniqueConstraint(fields=("task", "queue"), name="holdfast_total_once")
                ],
            },
        ),
        migrations.CreateModel(
            name="Count",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=50)),
                ("label", models.CharField(blank=True, default="", max_length=100)),
                ("n", models.BigIntegerField(default=0)),
            ],
            options={
                "db_table": "holdfast_count",
                "constraints": [
                    models.UniqueConstraint(fields=("name", "label"), name="holdfast_count_once")
                ],
            },
        ),
        migrations.AddField("worker", "memory_bytes", models.BigIntegerField(null=True)),
        migrations.AddField("worker", "largest_bytes", models.BigIntegerField(null=True)),
    ]
