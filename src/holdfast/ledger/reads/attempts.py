"""The attempts of a job, each with its worker, its times, its error and what it has logged."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from holdfast.ledger import logs
from holdfast.ledger.database import alias
from holdfast.ledger.fence import job_rows
from holdfast.ledger.models import Attempt, Job, Worker
from holdfast.ledger.states import State


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptRow:
    """One run of a job; times by the database's clock.

    Attributes:
        number: from 1; attempts that are not kept (old snoozes) leave gaps.
        outcome: how it ended, in the words of the life of a job; `running` and `succeeded` too.
        worker: the incarnation that ran it.
        worker_name: its name on Celery's side; empty if it is not known any more.
        ended_at: None while it runs.
        log: the lines it has logged, as far as they are kept. An attempt that died has none.
    """

    number: int
    outcome: str
    worker: UUID | None
    worker_name: str
    started_at: datetime | None
    ended_at: datetime | None
    error: str
    traceback: str
    log: list[str]


def attempts_of(job: Job) -> list[AttemptRow]:
    """Return the attempts of a job, oldest first; the one that its row itself tells of is the last."""
    lines = logs.of_job(job.id)
    rows = Attempt.objects.using(alias()).filter(job=job.id).order_by("id")
    found = [
        AttemptRow(
            number=row.number,
            outcome=row.outcome,
            worker=row.worker,
            worker_name=row.worker_name,
            started_at=row.started_at,
            ended_at=row.ended_at,
            error=row.error,
            traceback=row.traceback,
            log=lines.get(row.number, []),
        )
        for row in rows
    ]
    if job.attempts > max((row.number for row in found), default=0):
        found.append(_on_its_row(job, lines.get(job.attempts, [])))
    return found


def attempts(job_id: str) -> list[AttemptRow] | None:
    """Return the attempts of a job, oldest first; None if there is no such job."""
    job: Job | None = job_rows().filter(id=job_id).first()
    return None if job is None else attempts_of(job)


def _on_its_row(job: Job, lines: list[str]) -> AttemptRow:
    """Return the attempt that has no row: it runs, or the end it came to is the job's."""
    workers = Worker.objects.using(alias()).filter(id__in=[job.worker] if job.worker else [])
    return AttemptRow(
        number=job.attempts,
        outcome=State(job.state).name.lower(),
        worker=job.worker,
        worker_name=workers.values_list("name", flat=True).first() or "",
        started_at=job.started_at,
        ended_at=job.finished_at,
        error="",
        traceback="",
        log=lines,
    )
