"""Who did what: found by actor and by action, however long the audit is; on PostgreSQL built beside those who write."""

from __future__ import annotations

from django.db import migrations, models

from holdfast.migrations._operations import AddIndexBesideWriters


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("holdfast", "0029_queue_samples")]
    operations = [
        AddIndexBesideWriters(
            model_name="audit",
            index=models.Index(fields=["actor", "at"], name="holdfast_audit_actor"),
        ),
        AddIndexBesideWriters(
            model_name="audit",
            index=models.Index(fields=["action", "at"], name="holdfast_audit_action"),
        ),
    ]
