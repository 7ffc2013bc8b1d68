"""Storage settings on PostgreSQL; they lock nothing for longer than a catalogue update."""

from __future__ import annotations

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

# A worker's row and a job's row are updated in place while there is room on their page; a busy queue
# is vacuumed by its churn and not by the size of its history.
SETTINGS = {
    "holdfast_worker": "fillfactor = 30",
    "holdfast_duty": "fillfactor = 30",
    "holdfast_chord": "fillfactor = 50",
    "holdfast_job": "fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 5000",
}


def apply(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    if schema_editor.connection.vendor == "postgresql":
        for table, options in SETTINGS.items():
            schema_editor.execute(f"ALTER TABLE {table} SET ({options})")


class Migration(migrations.Migration):
    dependencies = [("holdfast", "0001_initial")]
    operations = [migrations.RunPython(apply, migrations.RunPython.noop)]
