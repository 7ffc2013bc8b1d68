"""The index that groups dead letters: on PostgreSQL built beside those who write, however long the table is."""

from __future__ import annotations

from typing import Any

from django.db import migrations, models


class AddIndexBesideWriters(migrations.AddIndex):
    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        if schema_editor.connection.vendor != "postgresql":
            super().database_forwards(app_label, schema_editor, from_state, to_state)
            return
        # What a migration that died here has left is not used by anybody, and stands in the way of the next.
        schema_editor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {self.index.name}")
        model = to_state.apps.get_model(app_label, self.model_name)
        schema_editor.add_index(model, self.index, concurrently=True)


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
