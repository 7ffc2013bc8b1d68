"""All there is to say about one job: its row, its attempts and what people did to it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from holdfast.ledger import audit, checkpoints
from holdfast.ledger.audit import AuditLine
from holdfast.ledger.fence import job_rows
from holdfast.ledger.models import Job
from holdfast.ledger.reads.attempts import AttemptRow, attempts_of
from holdfast.ledger.states import State


@dataclass(frozen=True, slots=True, kw_only=True)
class Details:
    """One job with its past; times by the database's clock."""

    id: str
    task: str
    queue: str
    priority: int
    state: str
    hold: str
    reason: str
    fingerprint: str
    attempts: int
    failures: int
    losses: int
    recorded_at: datetime
    due_at: datetime | None
    expires_at: datetime | None
    published_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    worker: UUID | None
    root_id: str | None
    parent_id: str | None
    group_id: str | None
    cancel_asked_at: datetime | None
    checkpoint_at: datetime | None
    past: list[AttemptRow]
    audit: list[AuditLine]


_COLUMNS = (
    "id",
    "task",
    "queue",
    "priority",
    "hold",
    "reason",
    "fingerprint",
    "attempts",
    "failures",
    "losses",
    "recorded_at",
    "due_at",
    "expires_at",
    "published_at",
    "started_at",
    "finished_at",
    "worker",
    "root_id",
    "parent_id",
    "group_id",
    "cancel_asked_at",
)


def details(job_id: str) -> Details | None:
    """Return a job with its attempts, oldest first, and the lines of the audit about it alone, newest first."""
    job: Job | None = job_rows().filter(id=job_id).first()
    if job is None:
        return None
    columns = {name: getattr(job, name) for name in _COLUMNS}
    return Details(
        **columns,
        state=State(job.state).name.lower(),
        checkpoint_at=checkpoints.saved_at(job_id),
        past=attempts_of(job),
        audit=audit.lines(job=job_id),
    )
