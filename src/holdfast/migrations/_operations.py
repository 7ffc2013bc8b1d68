"""Operations on indexes of tables that may be long and in use: on PostgreSQL nobody who writes has to wait."""

from __future__ import annotations

from typing import Any

from django.db import migrations


class AddIndexBesideWriters(migrations.AddIndex):
    """Builds an index concurrently. For migrations with `atomic = False`; may be run again after it died."""

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        if schema_editor.connection.vendor != "postgresql":
            super().database_forwards(app_label, schema_editor, from_state, to_state)
            return
        # What a migration that died here has left is not used by anybody, and stands in the way of the next.
        schema_editor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {self.index.name}")
        model = to_state.apps.get_model(app_label, self.model_name)
        schema_editor.add_index(model, self.index, concurrently=True)


class RemoveIndexBesideWriters(migrations.RemoveIndex):
    """Drops an index concurrently. For migrations with `atomic = False`; may be run again after it died."""

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        if schema_editor.connection.vendor != "postgresql":
            super().database_forwards(app_label, schema_editor, from_state, to_state)
            return
        schema_editor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {self.name}")
