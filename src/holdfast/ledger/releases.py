"""What code the workers have: noted when they register, compared by whoever looks for what does not fit.

Nothing that a worker does rests on it. A row that is not there any more, or never was, means: not known.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from django.db.models import Exists, OuterRef
from django.db.models.functions import Now

from holdfast.ledger.database import alias
from holdfast.ledger.models import Release, Worker


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """The code of one process."""

    key: str = ""
    """The same for the same code; empty: not known."""
    tasks: Mapping[str, str] = field(default_factory=dict)
    """The parameters of each task by its name."""
    versions: Mapping[str, str] = field(default_factory=dict)


UNKNOWN = Code()


def note(code: Code) -> None:
    """Keep what code a worker has, once for all that have the same."""
    if not code.key:
        return
    row = Release(
        key=code.key,
        tasks=json.dumps(code.tasks, sort_keys=True),
        versions=json.dumps(code.versions, sort_keys=True),
        seen_at=Now(),
    )
    rows = Release.objects.using(alias())
    rows.bulk_create([row], ignore_conflicts=True)
    rows.filter(key=code.key).update(seen_at=Now())


def of_live_workers() -> dict[str, Code]:
    """Return by worker's name the code of each whose lease stands and whose code is known."""
    live = Worker.objects.using(alias()).filter(
        lost_at=None, stopped_at=None, lease_until__gt=Now()
    )
    keys = dict(live.exclude(release="").values_list("name", "release"))
    found = known(keys.values())
    return {name: found[key] for name, key in sorted(keys.items()) if key in found}


def known(keys: Iterable[str]) -> dict[str, Code]:
    """Return code by its keys, as far as it is known; one statement."""
    return {
        row.key: Code(key=row.key, tasks=json.loads(row.tasks), versions=json.loads(row.versions))
        for row in Release.objects.using(alias()).filter(key__in=set(keys))
    }


def prune(*, older_than: timedelta) -> int:
    """Forget code that no worker has had for so long; return how many rows."""
    of_a_worker = Worker.objects.using(alias()).filter(release=OuterRef("key"))
    old = Release.objects.using(alias()).filter(seen_at__lt=Now() - older_than)
    return old.filter(~Exists(of_a_worker)).delete()[0]
