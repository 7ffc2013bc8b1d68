"""The index that groups dead letters: on PostgreSQL built beside those who write, however long the table is."""

from __future__ import annotations

from django.db import migrations, models

from holdfast.migrations._operations import AddIndexBesideWriters


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("holdfast", "0004_dead_letters")]
    operations = [
        AddIndexBesideWriters(
            model_name="job",
            index=models.Index(
                condition=models.Q(("state__in", [4, 7])),
                fields=["fingerprint", "finished_at"],
                name="holdfast_job_fingerprint",
            ),
        ),
    ]
