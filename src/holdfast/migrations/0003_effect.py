"""Calls to the world outside that were begun, and what the finished ones returned; no worker that runs knows it yet."""

import holdfast.ledger.models.effects
import holdfast.ledger.models.jobs
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("holdfast", "0002_postgres_storage"),
    ]

    operations = [
        migrations.CreateModel(
            name="Effect",
            fields=[
                ("key", holdfast.ledger.models.jobs.KeyField(max_length=255, primary_key=True, serialize=False)),
                ("state", models.SmallIntegerField(choices=[(0, "begun"), (1, "done")])),
                ("turn", models.UUIDField()),
                ("job", holdfast.ledger.models.jobs.KeyField(max_length=255, null=True)),
                ("token", models.BigIntegerField(null=True)),
                ("times_begun", models.IntegerField(default=1)),
                ("begun_at", models.DateTimeField()),
                ("done_at", models.DateTimeField(null=True)),
                ("expires_at", models.DateTimeField()),
                ("result", models.BinaryField(null=True)),
                ("content_type", models.CharField(default="", max_length=100)),
                ("content_encoding", models.CharField(default="", max_length=50)),
            ],
            options={
                "db_table": "holdfast_effect",
                "indexes": [
                    models.Index(fields=["expires_at"], name="holdfast_effect_expires"),
                    models.Index(
                        fields=["begun_at"],
                        name="holdfast_effect_begun",
                        condition=models.Q(("state", holdfast.ledger.models.effects.EffectState["BEGUN"])),
                    ),
                ],
            },
        ),
    ]
