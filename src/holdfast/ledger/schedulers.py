"""Which scheduler processes live, and which of them leads: told by themselves, for whoever looks at schedules.

Nothing is decided by these rows: who leads is the holder of the duty, and what is due is fenced by the schedules' own
rows. A process that dies leaves its row; it counts no more after `ALIVE_SECONDS`, and is deleted after a day.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import F, QuerySet
from django.db.models.functions import Coalesce, Now

from holdfast.ledger.clocks import AHEAD
from holdfast.ledger.database import alias
from holdfast.ledger.models.schedules import SchedulerProcess

TELL_SECONDS = 5.0
ALIVE_SECONDS = 4 * TELL_SECONDS
_KEPT = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulerRow:
    """One scheduler process that lives; times by the database's clock."""

    id: UUID
    host: str
    pid: int
    started_at: datetime
    seen_at: datetime
    leads_since: datetime | None
    """None: it stands by."""


def tell(scheduler: UUID, *, host: str, pid: int, leads: bool) -> None:
    """Note that a scheduler lives, and whether it leads; called every `TELL_SECONDS`, and when that changes."""
    since = Coalesce(F("leads_since"), Now()) if leads else None
    if _rows().filter(id=scheduler).update(seen_at=Now(), leads_since=since):
        return
    begun: Mapping[str, Any] = {"leads_since": Now()} if leads else {}
    row = SchedulerProcess(
        id=scheduler, host=host[:255], pid=pid, started_at=Now(), seen_at=Now(), **begun
    )
    _rows().bulk_create([row], ignore_conflicts=True)


def leave(scheduler: UUID) -> None:
    """Forget a scheduler that stops in order."""
    _rows().filter(id=scheduler).delete()


def living() -> list[SchedulerRow]:
    """Return the schedulers that have told of themselves of late, the leading one first; the table is small."""
    names = tuple(SchedulerRow.__dataclass_fields__)
    told = _rows().annotate(now=Now()).order_by("started_at", "id").values(*names, "now")
    # A moment ahead of the clock was told before the clock was set back.
    found = [
        SchedulerRow(**{name: row[name] for name in names})
        for row in told
        if timedelta(seconds=-ALIVE_SECONDS) < row["seen_at"] - row["now"] < AHEAD
    ]
    return sorted(found, key=lambda row: row.leads_since is None)


def prune() -> int:
    """Forget those that died a day ago; return how many."""
    gone = _rows().filter(seen_at__lt=Now() - _KEPT)
    # On SQLite a delete of nothing must become the one writer all the same.
    return gone.delete()[0] if gone.exists() else 0


def _rows() -> QuerySet[SchedulerProcess]:
    return SchedulerProcess.objects.using(alias())
