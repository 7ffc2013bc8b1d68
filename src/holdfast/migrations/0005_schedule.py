"""Schedules and their occurrences; no process that runs during a deploy knows them yet."""

import holdfast.ledger.models.jobs
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("holdfast", "0004_fingerprint_index"),
    ]

    operations = [
        migrations.CreateModel(
            name="Schedule",
            fields=[
                ("name", holdfast.ledger.models.jobs.KeyField(max_length=255, primary_key=True, serialize=False)),
                ("timing", models.TextField()),
                ("anchor_at", models.DateTimeField()),
                ("decided_until", models.DateTimeField()),
                ("active", models.BooleanField(db_default=True, default=True)),
            ],
            options={"db_table": "holdfast_schedule"},
        ),
        migrations.CreateModel(
            name="Occurrence",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("schedule", holdfast.ledger.models.jobs.KeyField(max_length=255)),
                ("due_at", models.DateTimeField()),
                ("outcome", models.CharField(max_length=16)),
                ("job", holdfast.ledger.models.jobs.KeyField(max_length=255, null=True)),
                ("reason", models.TextField(blank=True, default="")),
                ("decided_at", models.DateTimeField()),
            ],
            options={
                "db_table": "holdfast_occurrence",
                "indexes": [models.Index(fields=["decided_at"], name="holdfast_occurrence_decided")],
                "constraints": [
                    models.UniqueConstraint(fields=("schedule", "due_at"), name="holdfast_occurrence_once"),
                ],
            },
        ),
    ]
