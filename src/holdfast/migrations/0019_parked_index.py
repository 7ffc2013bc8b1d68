"""The index of jobs that are held with no moment to wait for: on PostgreSQL built beside those who write."""

from django.db import migrations, models
from django.db.models import Q

from holdfast.migrations._operations import AddIndexBesideWriters


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("holdfast", "0018_lengths_of_leases")]
    operations = [
        AddIndexBesideWriters(
            model_name="job",
            index=models.Index(
                condition=Q(("due_at__isnull", True), ("state", 0)),
                fields=["id"],
                name="holdfast_job_parked",
            ),
        ),
    ]
