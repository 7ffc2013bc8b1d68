"""Signs that the ledger's work does not go as it should: workers, running jobs, ends of late, what nobody sees to.

Every look costs the same however long the history is: it goes by a small index, by the newest rows of one, and counts
no further than `MOST`. Times are in seconds, by the database's clock.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Now

from holdfast.ledger.database import alias, dialect
from holdfast.ledger.fence import job_rows
from holdfast.ledger.models import Attempt, Duty, Job, Shelved, Worker
from holdfast.ledger.reads import queries
from holdfast.ledger.states import DEAD_LETTERS, FINAL, Outcome, State

MOST = 10_000
# How many of the latest successes tell how long a task runs.
NEWEST = 2_000
_KEPT_APART = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSign:
    """A worker that nobody has declared lost and that did not stop in order."""

    name: str
    host: str
    pid: int
    slots: int
    pool: str
    queues: list[str]
    age_seconds: float
    lease_seconds: float
    """How long a renewal lasts."""
    left_seconds: float
    """Until its lease runs out; negative: it has."""
    stalled_seconds: float | None
    """For how long it has taken nothing though it should; None if it is not so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """A process whose memory grows, by the line through the samples of up to an hour."""

    pool: str
    pid: int
    from_mib: float
    to_mib: float
    seconds: float
    mib_per_hour: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A job that runs by the ledger."""

    id: str
    task: str
    queue: str
    seconds: float
    worker: UUID | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """What one queue has taken in and got done of late."""

    waiting: int
    arrived: int
    ended: int
    """All three are counted up to 10,000."""
    oldest_seconds: float
    """How long the ticket that was published first has waited."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ends:
    """Jobs of one task and queue that came to the same end of late."""

    queue: str
    task: str
    reason: str
    fingerprint: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DutyState:
    """Who acts for all."""

    holder: UUID | None
    over_seconds: float
    """For how long nobody has renewed it; negative while it is held."""


def workers() -> list[WorkerSign]:
    """Return the workers that stand by their rows, by name; those too whose lease has run out unseen."""
    now = dialect().now()
    rows = Worker.objects.using(alias()).filter(lost_at=None, stopped_at=None)
    return [
        WorkerSign(
            name=row.name,
            host=row.host,
            pid=row.pid,
            slots=row.concurrency,
            pool=row.pool,
            queues=json.loads(row.queues),
            age_seconds=(now - row.started_at).total_seconds(),
            lease_seconds=row.lease_seconds or 0.0,
            left_seconds=(row.lease_until - now).total_seconds(),
            stalled_seconds=None
            if row.stalled_at is None
            else (now - row.stalled_at).total_seconds(),
        )
        for row in rows.order_by("name", "started_at")
    ]


def growing() -> list[tuple[str, Growth]]:
    """Return (worker's name, growth) of the live workers that have told of a process that grows."""
    live = Worker.objects.using(alias()).filter(
        lost_at=None, stopped_at=None, lease_until__gt=Now()
    )
    rows = live.exclude(growth="").order_by("name").values_list("name", "pool", "growth")
    return [(name, Growth(pool=pool, **json.loads(growth))) for name, pool, growth in rows]


def duty(name: str) -> DutyState | None:
    """Return who holds a duty; None: nobody ever has."""
    row = Duty.objects.using(alias()).filter(name=name).values_list("holder", "until").first()
    if row is None:
        return None
    return DutyState(holder=row[0], over_seconds=(dialect().now() - row[1]).total_seconds())


def running() -> list[Running]:
    """Return the running jobs, the one that began first ahead; 500 at most. Reads all that run."""
    now = dialect().now()
    rows = job_rows().filter(state=State.RUNNING, started_at__isnull=False).order_by("started_at")
    return [
        Running(id=id, task=task, queue=queue, seconds=(now - at).total_seconds(), worker=worker)
        for id, task, queue, at, worker in rows.values_list(
            "id", "task", "queue", "started_at", "worker"
        )[:500]
        if at is not None
    ]


def abandoned(*, seconds: float) -> list[str]:
    """Return running jobs whose worker has been gone for so long, and that nobody has given back; 500 at most."""
    before = Now() - timedelta(seconds=seconds)
    known = Worker.objects.using(alias()).filter(id=OuterRef("worker"))
    gone = known.filter(
        Q(lost_at__lt=before) | Q(stopped_at__lt=before) | Q(lease_until__lt=before)
    )
    rows = job_rows().filter(state=State.RUNNING).filter(Exists(gone) | ~Exists(known))
    return list(rows.values_list("id", flat=True)[:500])


def run_times() -> dict[str, list[float]]:
    """Return by task how long its latest successes ran, in seconds; of the newest 2,000 successes of all tasks."""
    rows = _over().filter(state=State.SUCCEEDED, finished_at__isnull=False).order_by("-finished_at")
    found: dict[str, list[float]] = {}
    for task, began, ended in rows.values_list("task", "started_at", "finished_at")[:NEWEST]:
        if began is not None and ended is not None:
            found.setdefault(task, []).append((ended - began).total_seconds())
    return found


def flows(*, seconds: float) -> dict[str, Flow]:
    """Return by queue what waits in it, and what came and ended in the last so many seconds."""
    now = dialect().now()
    since = now - timedelta(seconds=seconds)
    waiting: Counter[str] = Counter()
    arrived: Counter[str] = Counter()
    oldest: dict[str, float] = {}
    for queue, priority in queries.queued_lists():
        rows = job_rows().filter(state=State.QUEUED, queue=queue, priority=priority)
        waiting[queue] += rows[:MOST].count()
        new = rows.filter(published_at__gte=since, recorded_at__gte=since)
        arrived[queue] += new[:MOST].count()
        first = rows.order_by("published_at").values_list("published_at", flat=True).first()
        if first is not None:
            oldest[queue] = max(oldest.get(queue, 0.0), (now - first).total_seconds())
    ended: Counter[str] = Counter()
    for queue, recorded_at in _ended(since, "queue", "recorded_at"):
        ended[queue] += 1
        arrived[queue] += recorded_at >= since
    under_way = job_rows().filter(state=State.RUNNING, recorded_at__gte=since)
    arrived.update(under_way.values_list("queue", flat=True)[:MOST])
    return {
        queue: Flow(
            waiting=waiting[queue],
            arrived=arrived[queue],
            ended=ended[queue],
            oldest_seconds=oldest.get(queue, 0.0),
        )
        for queue in sorted(set(waiting) | set(ended))
    }


def dead_of_late(*, seconds: float) -> list[Ends]:
    """Count the newest failed and dead jobs of the last so many seconds by their cause, most first."""
    since = dialect().now() - timedelta(seconds=seconds)
    rows = job_rows().filter(state__in=sorted(DEAD_LETTERS), finished_at__gte=since)
    found = rows.order_by("-finished_at").values_list("queue", "task", "reason", "fingerprint")
    return _counted(Counter(found[:MOST]))


def expired_of_late(*, seconds: float) -> list[Ends]:
    """Count the jobs that expired unrun in the last so many seconds by queue and task, most first."""
    since = dialect().now() - timedelta(seconds=seconds)
    rows = _ended(since, "queue", "task", "reason", "fingerprint", state=State.EXPIRED)
    return _counted(Counter(rows))


def lost_of_late(*, seconds: float) -> Counter[str]:
    """Count the attempts that were lost in the last so many seconds by their worker's name; of the newest 2,000."""
    since = dialect().now() - timedelta(seconds=seconds)
    newest = Attempt.objects.using(alias()).order_by("-id")
    rows = newest.values_list("outcome", "ended_at", "worker_name")[:NEWEST]
    return Counter(
        name or "?" for outcome, at, name in rows if outcome == Outcome.LOST and at >= since
    )


def overdue(*, seconds: float) -> tuple[int, float]:
    """Return how many held jobs were due so long ago (up to 10,000), and for how long the first of them has been."""
    now = dialect().now()
    rows = job_rows().filter(
        state=State.HELD, due_at__isnull=False, due_at__lt=now - timedelta(seconds=seconds)
    )
    return _count_and_age(rows.order_by("due_at"), "due_at", now)


def untold(*, seconds: float) -> tuple[int, float]:
    """Return how many ended jobs have been unsettled for so long (up to 10,000), and the age of the first of them."""
    now = dialect().now()
    rows = job_rows().filter(unsettled=True, finished_at__lt=now - timedelta(seconds=seconds))
    return _count_and_age(rows.order_by("finished_at"), "finished_at", now)


def outlived(*, seconds: float) -> tuple[int, float]:
    """Return how many finished jobs are older than that (up to 10,000), and the age of the oldest.

    Dead letters, and jobs whose task has a retention of its own, are not among them.
    """
    now = dialect().now()
    rows = _over().filter(finished_at__lt=now - timedelta(seconds=seconds), unsettled=False)
    return _count_and_age(rows.order_by("finished_at"), "finished_at", now)


def waiting_tasks() -> Counter[tuple[str, str]]:
    """Count the jobs that wait by (queue, task): the first 10,000 of each queue's list, and of those held."""
    found: Counter[tuple[str, str]] = Counter()
    for queue, priority in queries.queued_lists():
        rows = job_rows().filter(state=State.QUEUED, queue=queue, priority=priority)
        names = rows.order_by("published_at").values_list("queue", "task")
        found.update(names[:MOST])
    held = job_rows().filter(state=State.HELD, due_at__isnull=False).order_by("due_at")
    found.update(held.values_list("queue", "task")[:MOST])
    return found


def shelved(*, queue: str | None = None, task: str | None = None) -> int:
    """Count the jobs that are held for a pause of a queue or a task, up to 10,000."""
    asked = {name: value for name, value in (("queue", queue), ("task", task)) if value is not None}
    return Shelved.objects.using(alias()).filter(**asked)[:MOST].count()


def _over() -> QuerySet[Job]:
    return job_rows().filter(state__in=sorted(FINAL - DEAD_LETTERS), kept_apart=False)


def _ended(since: datetime, *columns: str, state: State | None = None) -> list[tuple[Any, ...]]:
    """Return columns of the newest jobs that ended since then, 10,000 of each kind at most."""
    dead = job_rows().filter(state__in=sorted(DEAD_LETTERS))
    apart = job_rows().filter(state__in=sorted(FINAL - DEAD_LETTERS), kept_apart=True)
    kinds = [_over()] if state is not None else [_over(), dead]
    for number, task in enumerate(queries.tasks_kept_apart()):
        if number == _KEPT_APART:
            break
        kinds.append(apart.filter(task=task))
    found: list[tuple[Any, ...]] = []
    for kind in kinds:
        rows = kind.filter(finished_at__gte=since).order_by("-finished_at")
        rows = rows if state is None else rows.filter(state=state)
        found += rows.values_list(*columns)[:MOST]
    return found


def _counted(found: Counter[tuple[Any, ...]]) -> list[Ends]:
    return [
        Ends(
            queue=str(queue),
            task=str(task),
            reason=str(reason),
            fingerprint=str(fingerprint),
            count=count,
        )
        for (queue, task, reason, fingerprint), count in found.most_common()
    ]


def _count_and_age(rows: QuerySet[Job], column: str, now: datetime) -> tuple[int, float]:
    first = rows.values_list(column, flat=True).first()
    if first is None:
        return 0, 0.0
    return rows[:MOST].count(), (now - first).total_seconds()
