"""What waits in each queue, and who serves it, as far as a look of bounded cost can tell.

Queues are found by short looks into the index of queued jobs, and counts end at `MOST`: a backlog of ten million
jobs costs as much as one of `MOST`.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from django.db.models import Count, QuerySet

from holdfast.ledger.database import dialect
from holdfast.ledger.fence import job_rows
from holdfast.ledger.models import Job
from holdfast.ledger.reads import queries
from holdfast.ledger.states import State

MOST = 10_000


@dataclass(slots=True, kw_only=True)
class Queue:
    """One queue at about this moment; times by the database's clock."""

    name: str
    waiting: dict[int, int] = field(default_factory=dict)
    """Queued jobs by priority, 9 first; no list is counted beyond 10,000."""
    more: bool = False
    """Whether there are more than were counted."""
    oldest_at: datetime | None = None
    """When the one that waits longest was put on the broker."""
    oldest_seconds: float | None = None
    """How long ago that is."""
    oldest_by_priority: dict[int, float] = field(default_factory=dict)
    """The same for each priority."""
    running: int = 0
    held: int = 0
    """Jobs that are not due yet, among the 10,000 of the ledger that come next."""
    workers: list[str] = field(default_factory=list)
    """Names of the live workers that take jobs from it."""

    @property
    def total(self) -> int:
        """How many wait, as far as they were counted."""
        return sum(self.waiting.values())

    @property
    def unserved(self) -> bool:
        """Whether jobs wait in it, and no live worker takes them."""
        return bool(self.waiting) and not self.workers


def queues(*, held: bool = True) -> list[Queue]:
    """Return every queue that has jobs which are not over, or a live worker, by name.

    A few statements, and two for each priority of a queue that has queued jobs. Without `held` the jobs that are held
    are not looked at: 10,000 rows less where so many wait for their time.
    """
    found: dict[str, Queue] = {}

    def at(name: str) -> Queue:
        return found.setdefault(name, Queue(name=name))

    now = dialect().now()
    for name, priority in sorted(queries.queued_lists(), key=lambda at: (at[0], -at[1])):
        _count_list(at(name), priority, now)
    for name, running in (
        job_rows()
        .filter(state=State.RUNNING)
        .order_by()
        .values_list("queue")
        .annotate(n=Count("*"))
    ):
        at(name).running = running
    for name, waiting in _held().items() if held else ():
        at(name).held = waiting
    for name, workers in _served().items():
        at(name).workers = sorted(workers)
    return [found[name] for name in sorted(found)]


def queue(name: str) -> Queue:
    """Return one queue as `queues` does, whether it has jobs or not: a few looks for each of its priorities."""
    found = Queue(name=name)
    now = dialect().now()
    lists = job_rows().filter(state=State.QUEUED, queue=name)
    priority = lists.order_by("-priority").values_list("priority", flat=True).first()
    while priority is not None:
        _count_list(found, priority, now)
        below = lists.filter(priority__lt=priority).order_by("-priority")
        priority = below.values_list("priority", flat=True).first()
    found.running = job_rows().filter(state=State.RUNNING, queue=name).count()
    held = job_rows().filter(state=State.HELD, due_at__isnull=False).order_by("due_at")
    found.held = Counter(held.values_list("queue", flat=True)[:MOST])[name]
    found.workers = sorted(_served().get(name, ()))
    return found


def unserved_queues() -> list[str]:
    """Return the queues in which jobs wait that no live worker takes: a short look for each list, and one for all."""
    with_jobs = {name for name, _ in queries.queued_lists()}
    return sorted(with_jobs - _served().keys()) if with_jobs else []


def is_served(queue: str) -> bool:
    """Tell whether a live worker takes jobs from a queue."""
    return queue in _served()


def _held() -> Counter[str]:
    rows = job_rows().filter(state=State.HELD, due_at__isnull=False).order_by("due_at")
    return Counter(rows.values_list("queue", flat=True)[:MOST])


def _count_list(queue: Queue, priority: int, now: datetime) -> None:
    rows: QuerySet[Job] = job_rows().filter(state=State.QUEUED, queue=queue.name, priority=priority)
    count = rows[: MOST + 1].count()
    oldest = rows.order_by("published_at").values_list("published_at", flat=True).first()
    if not count:
        return  # they have been claimed meanwhile
    queue.waiting[priority] = min(count, MOST)
    queue.more |= count > MOST
    if oldest is None:
        return
    age = queue.oldest_by_priority[priority] = max(0.0, (now - oldest).total_seconds())
    if queue.oldest_at is None or oldest < queue.oldest_at:
        queue.oldest_at, queue.oldest_seconds = oldest, age


def _served() -> dict[str, set[str]]:
    """Return the names of live workers by the queues they take jobs from; one that is stalled takes none."""
    served: dict[str, set[str]] = defaultdict(set)
    for worker in queries.live_workers():
        for name in _names(worker.queues) if worker.stalled_at is None else ():
            served[name].add(worker.name)
    return served


def _names(written: str) -> Iterable[str]:
    names: list[str] = json.loads(written)
    return names
