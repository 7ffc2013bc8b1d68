"""Numbers of the whole that nobody else needs as such: for metrics, each by small indexes and counted up to `MOST`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Q
from django.db.models.functions import Now

from holdfast.ledger.clocks import has_lapsed
from holdfast.ledger.database import alias, dialect
from holdfast.ledger.failures import causes
from holdfast.ledger.fence import job_rows
from holdfast.ledger.models import Duty, Worker
from holdfast.ledger.reads import queries
from holdfast.ledger.states import State

MOST = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class CauseSum:
    """How many attempts have failed for one cause since it came up."""

    fingerprint: str
    task: str
    failures: int
    last_at: datetime
    job: str
    """One of the latest that failed so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What is held, and what of it is due and not published yet."""

    held: int
    """Counted up to 10,000."""
    overdue: int
    """The same."""
    overdue_seconds: float
    """Since the first of them became due."""


def latest_causes(*, limit: int) -> list[CauseSum]:
    """Return the causes that something failed for last, the latest first: one look into an index."""
    return [
        CauseSum(
            fingerprint=row.fingerprint,
            task=row.task,
            failures=row.failures,
            last_at=row.last_at,
            job=next((one[0] for one in json.loads(row.recent)), ""),
        )
        for row in causes().order_by("-last_at")[:limit]
    ]


def held() -> Held:
    """Return what is held for a moment; three short looks into the index of held jobs."""
    now = dialect().now()
    rows = job_rows().filter(state=State.HELD, due_at__isnull=False).order_by("due_at")
    late = rows.filter(due_at__lt=now)
    first = late.values_list("due_at", flat=True).first()
    return Held(
        held=rows.values("id")[:MOST].count(),
        overdue=late.values("id")[:MOST].count(),
        overdue_seconds=0.0 if first is None else max(0.0, (now - first).total_seconds()),
    )


def oldest_queued_seconds() -> float:
    """Return how long the job that waits longest has waited since it was put on the broker; 0: none waits.

    Two short looks into an index for each list that has queued jobs.
    """
    now, oldest = dialect().now(), 0.0
    for queue, priority in queries.queued_lists():
        rows = job_rows().filter(state=State.QUEUED, queue=queue, priority=priority)
        first = rows.order_by("published_at").values_list("published_at", flat=True).first()
        if first is not None:
            oldest = max(oldest, (now - first).total_seconds())
    return oldest


def silent_workers(*, within: timedelta) -> list[str]:
    """Return the names of workers whose lease ran out in the last so much time, and that are not back; one statement.

    Whether somebody has declared them lost does not matter: the last worker of all has nobody who would.
    """
    rows = Worker.objects.using(alias()).filter(stopped_at=None)
    recent = rows.filter(Q(lost_at=None) | Q(lost_at__gte=Now() - within)).annotate(now=Now())
    silent, standing = set(), set()
    for row in recent:
        now: datetime = getattr(row, "now")  # noqa: B009  # an annotation
        if row.lost_at is None and not has_lapsed(
            row.lease_until, row.lease_seconds, moments=[now]
        ):
            standing.add(row.name)
        elif row.lost_at is not None or now - row.lease_until < within:
            silent.add(row.name)
    return sorted(silent - standing)


def duty_is_held(name: str) -> bool:
    """Tell whether somebody acts for all."""
    row = Duty.objects.using(alias()).filter(name=name).annotate(now=Now()).first()
    if row is None or row.holder is None:
        return False
    return not has_lapsed(row.until, row.seconds, moments=[getattr(row, "now")])  # noqa: B009  # see above
