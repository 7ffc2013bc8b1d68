"""The index of failed batches by id, for whoever lists them: on PostgreSQL built beside those who write."""

from __future__ import annotations

from django.db import migrations, models
from django.db.models import Q

from holdfast.migrations._operations import AddIndexBesideWriters


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("holdfast", "0022_schedulers")]
    operations = [
        AddIndexBesideWriters(
            model_name="batch",
            index=models.Index(
                condition=Q(("failed_at__isnull", False), ("succeeded_at", None)),
                fields=["id"],
                name="holdfast_batch_failed",
            ),
        ),
    ]
