"""What dead letters have in common, and who did what to them; workers that run know neither, and need not."""

from __future__ import annotations

from django.db import migrations, models

import holdfast.ledger.models.jobs


class Migration(migrations.Migration):
    dependencies = [("holdfast", "0003_effect")]
    operations = [
        migrations.CreateModel(
            name="Audit",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("at", models.DateTimeField()),
                ("actor", models.CharField(blank=True, default="", max_length=255)),
                ("action", models.CharField(max_length=32)),
                ("job", holdfast.ledger.models.jobs.KeyField(max_length=255, null=True)),
                ("count", models.IntegerField(null=True)),
                ("detail", models.TextField(blank=True, default="")),
            ],
            options={
                "db_table": "holdfast_audit",
                "indexes": [
                    models.Index(fields=["at"], name="holdfast_audit_at"),
                    models.Index(
                        condition=models.Q(("job__isnull", False)),
                        fields=["job"],
                        name="holdfast_audit_job",
                    ),
                ],
            },
        ),
        migrations.AddField(
            model_name="job",
            name="fingerprint",
            field=models.CharField(blank=True, db_default="", default="", max_length=16),
        ),
    ]
