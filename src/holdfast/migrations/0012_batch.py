"""Batches, and the members they have: nullable, so that workers that do not know of them go on."""

import holdfast.ledger.models.jobs
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [("holdfast", "0011_attempt_log")]

    operations = [
        migrations.CreateModel(
            name="Batch",
            fields=[
                ("id", holdfast.ledger.models.jobs.KeyField(max_length=255, primary_key=True, serialize=False)),
                ("name", models.CharField(blank=True, default="", max_length=255)),
                ("parent_id", holdfast.ledger.models.jobs.KeyField(max_length=255, null=True)),
                ("callbacks", models.TextField(default="{}")),
                ("called", models.TextField(default="{}")),
                ("created_at", models.DateTimeField()),
                ("sealed_at", models.DateTimeField(null=True)),
                ("failed_at", models.DateTimeField(null=True)),
                ("completed_at", models.DateTimeField(null=True)),
                ("succeeded_at", models.DateTimeField(null=True)),
                ("cancelled_at", models.DateTimeField(null=True)),
                ("watched", models.BooleanField(default=True)),
                ("spoiled", models.BooleanField(default=False)),
                ("deleted", models.IntegerField(default=0)),
            ],
            options={
                "db_table": "holdfast_batch",
                "indexes": [
                    models.Index(
                        condition=models.Q(("watched", True)), fields=["id"], name="holdfast_batch_watched"
                    ),
                    models.Index(
                        condition=models.Q(("parent_id__isnull", False)),
                        fields=["parent_id"],
                        name="holdfast_batch_parent",
                    ),
                    models.Index(
                        condition=models.Q(("succeeded_at__isnull", False)),
                        fields=["succeeded_at"],
                        name="holdfast_batch_succeeded",
                    ),
                    models.Index(
                        condition=models.Q(("completed_at__isnull", False), ("succeeded_at", None)),
                        fields=["completed_at"],
                        name="holdfast_batch_completed",
                    ),
                ],
            },
        ),
        migrations.AddField(
            model_name="job",
            name="batch_id",
            field=holdfast.ledger.models.jobs.KeyField(max_length=255, null=True),
        ),
    ]
