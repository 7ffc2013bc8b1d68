"""What became of the due times of one schedule, with the jobs they made, in pages."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from holdfast.ledger.database import alias
from holdfast.ledger.fence import job_rows
from holdfast.ledger.models.schedules import Occurrence
from holdfast.ledger.states import State


@dataclass(frozen=True, slots=True, kw_only=True)
class OccurrenceRow:
    """One due time that was decided; times by the database's clock."""

    due_at: datetime
    decided_at: datetime
    late_seconds: float
    """How long after its due time it was decided."""
    outcome: str
    """"fired", "skipped", "missed" or "failed"."""
    reason: str
    job: str | None
    job_state: str | None
    """The job's state by name; None if there is no job, or it is deleted after its retention."""
    run_seconds: float | None
    """How long the job's last attempt took, if it has ended."""


def history_of(name: str, *, before: datetime | None, limit: int) -> list[OccurrenceRow]:
    """Return occurrences of a schedule, the latest first: two statements, by the index of (schedule, due time)."""
    rows = Occurrence.objects.using(alias()).filter(schedule=name)
    if before is not None:
        rows = rows.filter(due_at__lt=before)
    found = list(rows.order_by("-due_at")[:limit])
    ids = [row.job for row in found if row.job is not None]
    columns = ("id", "state", "started_at", "finished_at")
    jobs = {row[0]: row[1:] for row in job_rows().filter(id__in=ids).values_list(*columns)}
    return [_row(row, jobs.get(row.job or "")) for row in found]


def _row(
    row: Occurrence, job: tuple[int, datetime | None, datetime | None] | None
) -> OccurrenceRow:
    state, started, finished = job or (None, None, None)
    return OccurrenceRow(
        due_at=row.due_at,
        decided_at=row.decided_at,
        late_seconds=max(0.0, (row.decided_at - row.due_at).total_seconds()),
        outcome=row.outcome,
        reason=row.reason,
        job=row.job,
        job_state=None if state is None else State(state).name.lower(),
        run_seconds=(finished - started).total_seconds() if started and finished else None,
    )
