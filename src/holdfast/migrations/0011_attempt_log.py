"""What attempts have logged, and the names of the workers that ran them; workers of before know neither."""

from __future__ import annotations

from django.db import migrations, models

import holdfast.ledger.models.jobs


class Migration(migrations.Migration):
    dependencies = [("holdfast", "0010_cancelling")]
    operations = [
        migrations.CreateModel(
            name="AttemptLog",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("job", holdfast.ledger.models.jobs.KeyField(max_length=255)),
                ("number", models.IntegerField()),
                ("text", models.TextField()),
            ],
            options={
                "db_table": "holdfast_attempt_log",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("job", "number"), name="holdfast_attempt_log_once"
                    )
                ],
            },
        ),
        migrations.AddField(
            model_name="attempt",
            name="worker_name",
            field=models.CharField(blank=True, db_default="", default="", max_length=255),
        ),
    ]
