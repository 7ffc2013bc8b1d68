"""Where one job stands, and what stands around it: for whoever asks why it waits. Each look is bounded, however long
its queue, its line or the history is.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import F, Q
from django.db.models.functions import Now

from holdfast.ledger.database import alias
from holdfast.ledger.duty import UPKEEP
from holdfast.ledger.fence import job_rows
from holdfast.ledger.models import Attempt, Duty, Payload, Worker
from holdfast.ledger.models.unique import UniqueKey
from holdfast.ledger.reads import queries
from holdfast.ledger.states import DEAD_LETTERS, FINAL, OPEN, State

# No list is counted further than this, and of the jobs that ended last so many tell how fast a queue is.
MOST = 10_000
SAMPLE = 500
LATELY_SECONDS = 900.0
SHOWN = 20
KIN = 500
# A p99 of fewer runs than these says nothing.
ENOUGH = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A job's own row, and the database's clock at the moment it was read."""

    id: str
    task: str
    queue: str
    priority: int
    state: State
    token: int
    attempts: int
    failures: int
    losses: int
    suspect: bool
    ahead: bool
    hold: str
    reason: str
    due_at: datetime | None
    expires_at: datetime | None
    recorded_at: datetime
    published_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    worker: UUID | None
    root_id: str | None
    parent_id: str | None
    group_id: str | None
    batch_id: str | None
    cancel_asked_at: datetime | None
    fingerprint: str
    limited: bool
    linked: bool
    kept_apart: bool
    unsettled: bool
    now: datetime

    def since(self, moment: datetime | None) -> float:
        """Return the seconds since a moment by the database's clock; 0 of none, and of one that is to come."""
        return 0.0 if moment is None else max(0.0, (self.now - moment).total_seconds())

    def until(self, moment: datetime | None) -> float:
        """Return the seconds until a moment by the database's clock; 0 of none, and of one that is over."""
        return 0.0 if moment is None else max(0.0, (moment - self.now).total_seconds())


_COLUMNS = tuple(name for name in Standing.__dataclass_fields__ if name != "now")


@dataclass(frozen=True, slots=True, kw_only=True)
class Other:
    """Another job that has something to do with this one, and since when it is where it is."""

    id: str
    task: str
    state: str
    since: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A live worker, and what runs there by the ledger; the jobs of its own memory are among them."""

    id: UUID
    name: str
    slots: int
    queues: list[str]
    stalled_at: datetime | None
    running: list[Other] = field(default_factory=list)

    @property
    def busy(self) -> bool:
        """Whether it has a job for each of its slots."""
        return len(self.running) >= self.slots


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The worker of a running job, as its row has it."""

    name: str
    slots: int
    lease_until: datetime
    lease_seconds: float | None
    stalled_at: datetime | None
    gone: bool
    """It has stopped, was declared lost, or its lease has run out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How fast things go lately, as the jobs that ended last tell it; None where they do not."""

    per_second: float | None
    """Jobs of the queue that ended."""
    p99_seconds: float | None
    """Of the runs of the task, 99 of 100 took no longer."""
    runs: int
    """Of the task, among those looked at."""


def standing(job_id: str) -> Standing | None:
    """Return where a job stands; one look by the key."""
    row = job_rows().filter(id=job_id).values(*_COLUMNS, now=Now()).first()
    if row is None:
        return None
    return Standing(**row | {"state": State(row["state"])})


def before(job: Standing) -> tuple[int, bool]:
    """Count the queued jobs that are taken before this one, of higher priority or longer in its list, and tell if there
    are more than were counted; two looks of `MOST` entries at most.
    """
    queued = job_rows().filter(state=State.QUEUED, queue=job.queue)
    higher = queued.filter(priority__gt=job.priority).order_by("priority")
    # SQLite compares times as texts, and Python writes them with more digits: the job itself is left out by its id.
    older = queued.filter(priority=job.priority, published_at__lt=job.published_at).exclude(
        id=job.id
    )
    found = [
        rows.values("id")[: MOST + 1].count() for rows in (higher, older.order_by("published_at"))
    ]
    return min(sum(found), MOST), sum(found) > MOST


def servers() -> list[Server]:
    """Return the live workers, each with what it runs, longest first; two looks, of `MOST` jobs at most."""
    found = {
        row.id: Server(
            id=row.id,
            name=row.name,
            slots=row.concurrency,
            queues=json.loads(row.queues),
            stalled_at=row.stalled_at,
        )
        for row in queries.live_workers()
    }
    rows = job_rows().filter(state=State.RUNNING, worker__in=list(found)).order_by("worker")
    for id, task, worker, started_at in rows.values_list("id", "task", "worker", "started_at")[
        :MOST
    ]:
        other = Other(id=id, task=task, state=State.RUNNING.name.lower(), since=started_at)
        if worker is not None:
            found[worker].running.append(other)
    for server in found.values():
        server.running.sort(key=lambda other: str(other.since))
    return sorted(found.values(), key=lambda server: server.name)


def lease_of(worker: UUID | None) -> Lease | None:
    """Return a worker as its row has it; None if it is not known any more."""
    rows = Worker.objects.using(alias()).filter(id__in=[worker] if worker else [])
    row = rows.annotate(now=Now()).first()
    if row is None:
        return None
    over = row.lost_at is not None or row.stopped_at is not None or row.lease_until <= row.now
    return Lease(
        name=row.name,
        slots=row.concurrency,
        lease_until=row.lease_until,
        lease_seconds=row.lease_seconds,
        stalled_at=row.stalled_at,
        gone=over,
    )


def beside(job: Standing) -> list[Other]:
    """Return the jobs that the worker of a running job claimed before it, and that are there still."""
    rows = (
        job_rows()
        .filter(state=State.RUNNING, worker=job.worker, started_at__lt=job.started_at)
        .exclude(id=job.id)
    )
    return _others(rows.order_by("started_at"), limit=MOST)


def pace(job: Standing) -> Pace:
    """Return how fast the job's queue and its task are, by the `SAMPLE` jobs that ended last: one look at an index."""
    over = job_rows().filter(state__in=sorted(FINAL - DEAD_LETTERS), kept_apart=job.kept_apart)
    if job.kept_apart:
        over = over.filter(task=job.task)
    order = ("-finished_at", "-id") if job.kept_apart else ("-finished_at",)
    names = ("task", "queue", "state", "started_at", "finished_at")
    rows: list[Any] = list(over.order_by(*order).values_list(*names)[:SAMPLE])
    runs = sorted(
        (finished - started).total_seconds()
        for task, _, state, started, finished in rows
        if task == job.task and state == State.SUCCEEDED and started
    )
    lately = [row for row in rows if job.since(row[-1]) <= LATELY_SECONDS]
    # Until now, and not until the last end: a queue that stands still is slow.
    seconds = max((job.since(row[-1]) for row in lately), default=0.0)
    ended = sum(row[1] == job.queue for row in lately)
    return Pace(
        per_second=ended / seconds if ended > 1 and seconds > 0 and not job.kept_apart else None,
        p99_seconds=runs[math.ceil(len(runs) * 0.99) - 1] if len(runs) >= ENOUGH else None,
        runs=len(runs),
    )


def on_duty() -> str | None:
    """Return the name of the worker that acts for all; None if nobody does."""
    duty = Duty.objects.using(alias()).filter(name=UPKEEP, until__gt=Now(), holder__isnull=False)
    workers = Worker.objects.using(alias()).filter(id__in=duty.values("holder"))
    return workers.values_list("name", flat=True).first()


def last_attempt(job_id: str) -> tuple[int, str, str, datetime] | None:
    """Return (number, outcome, error, end) of the latest attempt that is over and did not end in success."""
    rows = Attempt.objects.using(alias()).filter(job=job_id).order_by("-id")
    return rows.values_list("number", "outcome", "error", "ended_at").first()


def known(ids: Collection[str]) -> list[Other]:
    """Return jobs by their ids, `SHOWN` of them at most, those that run first."""
    rows = job_rows().filter(id__in=list(ids)[:SHOWN])
    return _others(rows.order_by("-state", "id"), limit=SHOWN)


def open_kin(job: Standing) -> list[Other]:
    """Return the open jobs among the first `KIN` of the job's workflow that were sent after it."""
    root = job.root_id or job.id
    below = Q(root_id__isnull=False) & ~Q(root_id=F("id"))
    rows = job_rows().filter(below, root_id=root, id__gt=job.id).order_by("id")
    return [other for other in _others(rows, limit=KIN) if State[other.state.upper()] in OPEN][
        :SHOWN
    ]


def headers_of(job_id: str) -> dict[str, Any]:
    """Return the headers of a job; none if its call is gone, or they are no JSON."""
    rows = Payload.objects.using(alias()).filter(job=job_id).values_list("headers", flat=True)
    return headers_in(rows.first() or "{}")


def headers_in(text: str) -> dict[str, Any]:
    """Return the headers that a text holds; none if it is damaged."""
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def who_has(key: str) -> tuple[str, datetime] | None:
    """Return the job that a unique key was given to last, and when."""
    rows = UniqueKey.objects.using(alias()).filter(key=key)
    return rows.values_list("job", "given_at").first()


def _others(rows: Any, *, limit: int) -> list[Other]:
    names = ("id", "task", "state", "recorded_at", "published_at", "started_at", "finished_at")
    return [
        Other(id=id, task=task, state=State(state).name.lower(), since=_since(state, *moments))
        for id, task, state, *moments in rows.values_list(*names)[:limit]
    ]


def _since(
    state: int,
    recorded_at: datetime,
    published_at: datetime | None,
    started_at: datetime | None,
    finished_at: datetime | None,
) -> datetime:
    """Return since when a job is where it is."""
    places = {State.HELD: None, State.QUEUED: published_at, State.RUNNING: started_at}
    return places.get(State(state), finished_at) or recorded_at
