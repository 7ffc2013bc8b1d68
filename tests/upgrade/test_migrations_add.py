"""What lets old processes run on new tables: migrations add, and build what takes long beside those who write."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from django.db import migrations as django
from django.db import models

from holdfast import migrations
from holdfast.migrations._operations import AddIndexBesideWriters, RemoveIndexBesideWriters

NAMES = sorted(path.stem for path in Path(migrations.__path__[0]).glob("0*.py"))
# How PostgreSQL keeps the tables of the first one: no column, no row.
STORAGE = "0002_postgres_storage"
# On a table that may be long these hold up whoever writes.
_LONG = (django.AddIndex, django.AddConstraint)


def faults(operations: list[Any], *, atomic: bool) -> list[str]:
    """Return what of a migration processes of the release before could not live with."""
    made = {one.name.lower() for one in operations if isinstance(one, django.CreateModel)}
    found = []
    for one in operations:
        said = one.describe()
        if isinstance(one, AddIndexBesideWriters | RemoveIndexBesideWriters):
            if atomic:
                found.append(f"{said}: beside writers only with atomic = False")
        elif isinstance(one, _LONG):
            if one.model_name.lower() not in made:
                found.append(f"{said}: use AddIndexBesideWriters on a table that is there")
        elif isinstance(one, django.AddField):
            if not (one.field.null or one.field.has_db_default()):
                found.append(f"{said}: a row of the release before has no value for it")
        elif not isinstance(one, django.CreateModel | django.AlterModelOptions):
            found.append(f"{said}: it does not add")
    return found


@pytest.mark.parametrize("name", NAMES)
def test_processes_of_the_release_before_can_live_with_a_migration(name: str) -> None:
    found = import_module(f"holdfast.migrations.{name}").Migration
    if name != STORAGE:
        assert faults(found.operations, atomic=found.atomic) == []
    assert all(one.reversible for one in found.operations), "there is a way back"


@pytest.mark.parametrize(
    "operation",
    [
        django.AddField("job", "number", models.IntegerField()),
        django.AddField("job", "number", models.IntegerField(default=0)),
        django.RemoveField("job", "reason"),
        django.RenameField("job", "reason", "cause"),
        django.AlterField("job", "reason", models.CharField(max_length=8)),
        django.AddIndex("job", models.Index(fields=["reason"], name="slow")),
        AddIndexBesideWriters("job", models.Index(fields=["reason"], name="beside")),
        django.RunPython(django.RunPython.noop),
    ],
)
def test_what_they_could_not_live_with_is_seen(operation: Any) -> None:
    assert len(faults([operation], atomic=True)) == 1
