"""What was said of rules at run time: those that people have added, and what is off or muted.

The rules themselves are read above; here they are JSON. Times are the database's.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError
from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from holdfast.ledger import audit
from holdfast.ledger.database import alias, atomic, dialect
from holdfast.ledger.models.alerts import AddedRule, AlertRule, Switched

# So many are added at most: each is looked at every half minute.
MOST = 100
MOST_KEPT = timedelta(days=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch:
    """What was said of a rule at run time."""

    off: bool = False
    muted_until: datetime | None = None
    by: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AddedRow:
    """A rule that somebody has added."""

    name: str
    said: dict[str, Any]
    """What it says, as in the settings."""
    changed_at: datetime
    changed_by: str = ""
    switch: Switch = field(default_factory=Switch)


def switches() -> dict[str, Switch]:
    """Return what was said at run time of rules of the settings, by name; one statement."""
    return {row.name: _switch(row) for row in AlertRule.objects.using(alias()).all()}


def added(*, lock: bool = False) -> list[AddedRow]:
    """Return the rules that were added, by name; one statement.

    With `lock` nobody changes or removes one before the transaction that is open ends.
    """
    rows = _added().select_for_update() if lock else _added()
    return [_row(row) for row in rows.order_by("name")[:MOST]]


def find(name: str) -> AddedRow | None:
    """Return a rule that was added."""
    row = _added().filter(name=name).first()
    return None if row is None else _row(row)


def add(name: str, said: Mapping[str, Any], *, actor: str) -> bool:
    """Add a rule, with a line in the audit; False if there is one of this name."""
    try:
        with atomic():
            _added().create(name=name, **_written(said, actor))
            detail = json.dumps({"name": name, **said})
            audit.note("add alert rule", actor=actor, detail=detail)
    except IntegrityError:
        return False
    return True


def change(name: str, said: Mapping[str, Any], *, actor: str) -> bool:
    """Let a rule say something else, with a line in the audit that has what it said before; False if it is gone."""
    with atomic():
        row = _added().select_for_update().filter(name=name).first()
        if row is None:
            return False
        detail = {"name": name, "before": json.loads(row.said), "after": dict(said)}
        _added().filter(name=name).update(**_written(said, actor))
        audit.note("change alert rule", actor=actor, detail=json.dumps(detail))
    return True


def remove(name: str, *, actor: str) -> bool:
    """Remove a rule, in the transaction that is open, with a line in the audit; False if it is gone."""
    row = _added().select_for_update().filter(name=name).first()
    if row is None:
        return False
    detail = json.dumps({"name": name, **json.loads(row.said)})
    audit.note("remove alert rule", actor=actor, detail=detail)
    return bool(_added().filter(name=name).delete()[0])


def say_of(
    name: str,
    action: str,
    *,
    added: bool,
    actor: str,
    reason: str = "",
    off: bool | None = None,
    mute: timedelta | None = None,
) -> bool:
    """Switch a rule, or mute it for so long, nothing to end that; with a line in the audit.

    One that was added keeps it in its own row: False if that is gone.
    """
    said: dict[str, Any] = {"by": actor[:255], "reason": reason[:255]}
    if off is None:
        said["muted_until"] = None if not mute else dialect().now() + mute
    else:
        said["off"] = off
    with atomic():
        if not added:
            AlertRule.objects.using(alias()).update_or_create(name=name, defaults=said)
        elif not _added().filter(name=name).update(**said):
            return False
        audit.note(action, actor=actor, detail=f"{name} {reason}".strip())
    return True


def forget_switches(but: Collection[str]) -> None:
    """Forget what was said of rules of the settings that are none any more."""
    AlertRule.objects.using(alias()).exclude(name__in=list(but)).filter(
        Q(muted_until=None) | Q(muted_until__lt=Now() - MOST_KEPT)
    ).delete()


def _written(said: Mapping[str, Any], actor: str) -> dict[str, Any]:
    return {"said": json.dumps(said), "changed_at": Now(), "changed_by": actor[:255]}


def _row(row: AddedRule) -> AddedRow:
    return AddedRow(
        name=row.name,
        said=json.loads(row.said),
        changed_at=row.changed_at,
        changed_by=row.changed_by,
        switch=_switch(row),
    )


def _switch(row: Switched) -> Switch:
    return Switch(off=row.off, muted_until=row.muted_until, by=row.by, reason=row.reason)


def _added() -> QuerySet[AddedRule]:
    return AddedRule.objects.using(alias())
