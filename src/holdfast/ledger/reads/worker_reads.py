"""Which workers there are, and what each does, by the ledger."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Count

from holdfast.ledger.database import alias, dialect
from holdfast.ledger.fence import job_rows
from holdfast.ledger.models import Worker
from holdfast.ledger.reads import queries
from holdfast.ledger.states import State

MOST_GONE = 200
MOST_JOBS = 200


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
    beat_seconds: float | None = None
    """How long ago it renewed its lease; None where it has not told how long one lasts."""
    release: str = ""
    """The key of its code, see `holdfast.ledger.releases`; empty if it is not known."""
    memory_bytes: int | None = None
    """What its processes have in memory together, as told a minute ago; shared pages count for each. None: not told."""
    largest_bytes: int | None = None
    """What the largest of them has."""

    @property
    def state(self) -> str:
        """One word: stalled, stopping or serving."""
        if self.stalled_seconds is not None:
            return "stalled"
        return "serving" if self.queues else "stopping"


@dataclass(frozen=True, slots=True, kw_only=True)
class GoneWorker:
    """A worker that has stopped or was lost."""

    id: UUID
    name: str
    host: str
    pid: int
    pool: str
    slots: int
    started_at: datetime
    gone_at: datetime
    lost: bool
    """Whether its lease ran out; else it stopped in order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningJob:
    """A job that a worker has claimed; times by the database's clock."""

    id: str
    task: str
    queue: str
    attempt: int
    claimed_at: datetime | None
    seconds: float
    """Since its claim: that it waited in the worker for a free slot is part of it."""
    asked_to_stop: bool


def workers() -> list[LiveWorker]:
    """Return the workers whose lease stands, by name; one statement, and one for the clock."""
    ago = _clock()
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
            beat_seconds=ago(row.lease_until - timedelta(seconds=row.lease_seconds))
            if row.lease_seconds
            else None,
            release=row.release,
            memory_bytes=row.memory_bytes,
            largest_bytes=row.largest_bytes,
        )
        for row in queries.live_workers()
    ]
    return sorted(found, key=lambda worker: (worker.name, worker.started_at))


def running_by_worker() -> dict[UUID | None, int]:
    """Return how many jobs each worker has claimed, those it runs and those ahead of a free slot: one small index."""
    rows = job_rows().filter(state=State.RUNNING).order_by().values_list("worker")
    return dict(rows.annotate(n=Count("*")))


def gone(*, within: timedelta, lost: bool = True) -> list[GoneWorker]:
    """Return the workers that were lost in some time, or stopped with `lost` off, the latest first; 200 at most."""
    name = "lost_at" if lost else "stopped_at"
    since = dialect().now() - within
    rows = Worker.objects.using(alias()).filter(**{f"{name}__gte": since})
    return [_gone(row) for row in rows.order_by(f"-{name}")[:MOST_GONE]]


def find(worker: UUID) -> LiveWorker | GoneWorker | None:
    """Return a worker; None if there never was one, or it is gone for more than a day."""
    alive = next((one for one in workers() if one.id == worker), None)
    if alive is not None:
        return alive
    row = Worker.objects.using(alias()).filter(id=worker).first()
    return None if row is None else _gone(row)


def jobs_of(worker: UUID) -> list[RunningJob]:
    """Return the jobs a worker has claimed, the longest first; 200 at most."""
    ago = _clock()
    rows = job_rows().filter(worker=worker, state=State.RUNNING).order_by("started_at", "id")
    names = ("id", "task", "queue", "attempts", "started_at", "cancel_asked_at")
    return [
        RunningJob(
            id=id,
            task=task,
            queue=queue,
            attempt=attempt,
            claimed_at=started_at,
            seconds=ago(started_at) or 0.0,
            asked_to_stop=asked is not None,
        )
        for id, task, queue, attempt, started_at, asked in rows.values_list(*names)[:MOST_JOBS]
    ]


def _gone(row: Worker) -> GoneWorker:
    lost = row.stopped_at is None
    return GoneWorker(
        id=row.id,
        name=row.name,
        host=row.host,
        pid=row.pid,
        pool=row.pool,
        slots=row.concurrency,
        started_at=row.started_at,
        # Nobody may have noticed yet that its lease has run out.
        gone_at=row.stopped_at or row.lost_at or row.lease_until,
        lost=lost,
    )


def _clock() -> Callable[[datetime | None], float | None]:
    now = dialect().now()

    def ago(moment: datetime | None) -> float | None:
        return None if moment is None else max(0.0, (now - moment).total_seconds())

    return ago
