"""Indexes of jobs held with no moment to wait for, and of cancelled and expired ones: built beside those who write."""

from django.db import migrations, models
from django.db.models import Q

from holdfast.migrations._operations import AddIndexBesideWriters


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("holdfast", "0020_minutes")]
    operations = [
        AddIndexBesideWriters(
            model_name="job",
            index=models.Index(
                condition=Q(("due_at__isnull", True), ("state", 0)),
                fields=["id"],
                name="holdfast_job_parked",
            ),
        ),
        AddIndexBesideWriters(
            model_name="job",
            index=models.Index(
                condition=Q(("state__in", [5, 6])),
                fields=["finished_at"],
                name="holdfast_job_stopped",
            ),
        ),
    ]
