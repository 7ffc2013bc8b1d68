"""What code the workers have; workers of an older release write none."""

from __future__ import annotations

from django.db import migrations, models

import holdfast.ledger.models.jobs


class Migration(migrations.Migration):
    dependencies = [("holdfast", "0027_uncounted_index")]
    operations = [
        migrations.CreateModel(
            name="Release",
            fields=[
                (
                    "key",
                    holdfast.ledger.models.jobs.KeyField(
                        max_length=255, primary_key=True, serialize=False
                    ),
                ),
                ("tasks", models.TextField(default="{}")),
                ("versions", models.TextField(default="{}")),
                ("seen_at", models.DateTimeField()),
            ],
            options={"db_table": "holdfast_release"},
        ),
        migrations.AddField(
            model_name="worker",
            name="release",
            field=models.CharField(blank=True, db_default="", default="", max_length=64),
        ),
    ]
