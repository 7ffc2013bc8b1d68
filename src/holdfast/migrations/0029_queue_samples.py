"""How much waited in each queue minute by minute; workers of the release before write none of it."""

from __future__ import annotations

import holdfast.ledger.models.jobs
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("holdfast", "0028_releases")]
    operations = [
        migrations.CreateModel(
            name="QueueSample",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("queue", holdfast.ledger.models.jobs.KeyField(max_length=255)),
                ("at", models.DateTimeField()),
                ("waiting", models.IntegerField()),
                ("oldest_seconds", models.FloatField()),
            ],
            options={
                "db_table": "holdfast_queue_sample",
                "indexes": [models.Index(fields=["at"], name="holdfast_queue_sample_at")],
                "constraints": [
                    models.UniqueConstraint(fields=("queue", "at"), name="holdfast_queue_sample_once")
                ],
            },
        )
    ]
