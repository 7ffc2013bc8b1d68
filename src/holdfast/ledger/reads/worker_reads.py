"""Which workers there are, and what each does, by the ledger."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Count

from holdfast.ledger.database import dialect
from holdfast.ledger.fence import job_rows
from holdfast.ledger.reads import queries
from holdfast.ledger.states import State


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveWorker:
    """A worker whose lease stands, at about this moment; times by the database's clock."""

    id: UUID
    name: str
    host: str
    pid: int
    pool: str
    slots: int
    queues: list[str]
    """The queues it takes jobs from; none while it stops."""
    started_at: datetime
    heard_seconds: float | None
    """How long ago a canary of it came last; None if none has, or none is sent."""
    stalled_seconds: float | None
    """For how long it has been stalled; None if it is not."""

    @property
    def state(self) -> str:
        """One word: stalled, stopping or serving."""
        if self.stalled_seconds is not None:
            return "stalled"
        return "serving" if self.queues else "stopping"


def workers() -> list[LiveWorker]:
    """Return the workers whose lease stands, by name; one statement, and one for the clock."""
    now = dialect().now()

    def ago(moment: datetime | None) -> float | None:
        return None if moment is None else max(0.0, (now - moment).total_seconds())

    found = [
        LiveWorker(
            id=row.id,
            name=row.name,
            host=row.host,
            pid=row.pid,
            pool=row.pool,
            slots=row.concurrency,
            queues=json.loads(row.queues),
            started_at=row.started_at,
            heard_seconds=ago(row.heard_at),
            stalled_seconds=ago(row.stalled_at),
        )
        for row in queries.live_workers()
    ]
    return sorted(found, key=lambda worker: (worker.name, worker.started_at))


def running_by_worker() -> dict[UUID | None, int]:
    """Return how many jobs each worker has claimed, those it runs and those ahead of a free slot: one small index."""
    rows = job_rows().filter(state=State.RUNNING).order_by().values_list("worker")
    return dict(rows.annotate(n=Count("*")))
