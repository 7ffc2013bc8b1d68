"""What became of jobs minute by minute; workers of the release before write none of it."""

from __future__ import annotations

import holdfast.ledger.models.jobs
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("holdfast", "0019_console_permissions")]
    operations = [
        migrations.CreateModel(
            name="Minute",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("at", models.DateTimeField()),
                ("task", holdfast.ledger.models.jobs.KeyField(max_length=255)),
                ("queue", holdfast.ledger.models.jobs.KeyField(max_length=255)),
                ("succeeded", models.BigIntegerField(default=0)),
                ("failed", models.BigIntegerField(default=0)),
                ("cancelled", models.BigIntegerField(default=0)),
                ("retried", models.BigIntegerField(default=0)),
                ("run_seconds", models.FloatField(default=0.0)),
                ("waits", models.TextField(default="{}")),
                ("runs", models.TextField(default="{}")),
            ],
            options={
                "db_table": "holdfast_minute",
                "indexes": [models.Index(fields=["at"], name="holdfast_minute_at")],
                "constraints": [
                    models.UniqueConstraint(fields=("task", "queue", "at"), name="holdfast_minute_once")
                ],
            },
        )
    ]
