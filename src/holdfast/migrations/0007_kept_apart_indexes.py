"""The indexes the pruner asks: on PostgreSQL built and dropped beside those who write, the new before the old goes."""

from __future__ import annotations

from django.db import migrations, models

from holdfast.migrations._operations import AddIndexBesideWriters, RemoveIndexBesideWriters


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("holdfast", "0006_kept_apart")]
    operations = [
        AddIndexBesideWriters(
            model_name="job",
            index=models.Index(
                condition=models.Q(("kept_apart", False), ("state__in", [3, 5, 6])),
                fields=["finished_at"],
                name="holdfast_job_over",
            ),
        ),
        AddIndexBesideWriters(
            model_name="job",
            index=models.Index(
                condition=models.Q(("kept_apart", True), ("state__in", [3, 5, 6])),
                fields=["task", "finished_at", "id"],
                name="holdfast_job_kept_apart",
            ),
        ),
        RemoveIndexBesideWriters(model_name="job", name="holdfast_job_finished"),
    ]
