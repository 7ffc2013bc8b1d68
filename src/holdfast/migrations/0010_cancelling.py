"""The wish that a running job may stop by itself, and what attempts leave for the next one to go on from."""

from __future__ import annotations

from django.db import migrations, models

import holdfast.ledger.models.jobs


class Migration(migrations.Migration):
    dependencies = [("holdfast", "0009_security_event")]
    operations = [
        migrations.AddField(
            model_name="job",
            name="cancel_asked_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.CreateModel(
            name="Checkpoint",
            fields=[
                ("job", holdfast.ledger.models.jobs.KeyField(max_length=255, primary_key=True, serialize=False)),
                ("state", models.TextField()),
                ("token", models.BigIntegerField()),
                ("at", models.DateTimeField()),
            ],
            options={"db_table": "holdfast_checkpoint"},
        ),
    ]
