"""The jobs that are not over: counted at one instant, listed by what they are, and read in batches with their calls.

Every statement goes by the small indexes of jobs that are not over: none of them reads the history.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime

from django.db.models import CharField, Count, Min, Q, QuerySet, Value
from django.db.models.functions import Cast, Now

from holdfast.ledger.database import alias
from holdfast.ledger.models import Job, Payload
from holdfast.ledger.reads import queries
from holdfast.ledger.states import Hold, State

_BODIES = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """How many jobs are in each place, at one instant."""

    queued: int = 0
    running: int = 0
    due: int = 0
    """Held, and their time has come: the relay publishes them."""
    waiting: int = 0
    """Held for a while by something else than an ETA: a retry, a limit, a broker that is away."""
    telling: int = 0
    """Over, but those who wait for them have not been told yet: they may set off more."""
    scheduled: int = 0
    """Held by an ETA that is still to come."""

    @property
    def open(self) -> int:
        """Jobs that are under way: all but the scheduled ones."""
        return self.queued + self.running + self.due + self.waiting + self.telling


@dataclass(frozen=True, slots=True)
class Left:
    """Jobs of one task in one place."""

    queue: str
    task: str
    place: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenJob:
    """A job that is not over, with what it was called with."""

    id: str
    task: str
    queue: str
    headers: str
    body: bytes
    content_type: str
    content_encoding: str


def backlog(queues: Collection[str] = (), *, all_held: bool = True) -> Backlog:
    """Count the jobs that are not over, in one statement and so at one instant; of all queues if none is named.

    Without `all_held` those that are held for later are left out (0): a ledger may hold a million of them.
    """
    places = _places(queues)
    if not all_held:
        del places["waiting"], places["scheduled"]
    first, *rest = (
        rows.order_by().values_list(Value(place, output_field=CharField())).annotate(n=Count("*"))
        for place, rows in places.items()
    )
    return Backlog(**dict(first.union(*rest, all=True)))


def left(queues: Collection[str] = ()) -> list[Left]:
    """Count the jobs that are not over by queue, task and place, most first. Reads all of them once."""
    found = [
        Left(queue, task, place, count)
        for place, rows in _places(queues).items()
        for queue, task, count in rows.order_by()
        .values_list("queue", "task")
        .annotate(n=Count("*"))
    ]
    return sorted(found, key=lambda row: (-row.count, row.queue, row.task, row.place))


def next_scheduled(queues: Collection[str] = ()) -> datetime | None:
    """Return the nearest ETA that is still to come."""
    moment: datetime | None = _places(queues)["scheduled"].aggregate(at=Min("due_at"))["at"]
    return moment


def queues_with_work(queues: Collection[str] = ()) -> set[str]:
    """Return the queues that have queued jobs."""
    names = {queue for queue, _ in queries.queued_lists()}
    return names & set(queues) if queues else names


def open_jobs() -> Iterator[list[OpenJob]]:
    """Yield batches of the jobs that wait or run, with their calls; none of them stays in memory.

    In the order in which jobs move on. One that moves meanwhile may be met twice, and one that goes back (a retry)
    not at all; one that waits for its replacement is left out, for it gets another call.
    """
    held = _jobs().filter(state=State.HELD, due_at__isnull=False)
    yield from _batches(held, by="due_at")
    for queue, priority in queries.queued_lists():
        queued = _jobs().filter(state=State.QUEUED, queue=queue, priority=priority)
        yield from _batches(queued, by="published_at")
    yield from _batches(_jobs().filter(state=State.RUNNING), by="worker")


def _batches(rows: QuerySet[Job], *, by: str) -> Iterator[list[OpenJob]]:
    """Go through rows by the key that their index is in, and by id where that is the same."""
    # As text: SQLite compares moments as they were written, and not all are written with the same digits.
    keyed = rows.annotate(key=Cast(by, CharField())).order_by(by, "id")
    page = keyed
    while found := list(page.values_list("id", "task", "queue", "key")[:_BODIES]):
        id, *_, key = found[-1]
        last = Value(key, output_field=CharField())
        further = Q(**{f"{by}__gt": last}) | Q(**{by: last, "id__gt": id})
        page = keyed.filter(further, **{f"{by}__gte": last})
        yield list(_with_calls({id: (task, queue) for id, task, queue, _ in found}))


def _with_calls(jobs: dict[str, tuple[str, str]]) -> Iterator[OpenJob]:
    payloads = Payload.objects.using(alias()).filter(job__in=list(jobs))
    for row in payloads:
        task, queue = jobs[row.job]
        yield OpenJob(
            id=row.job,
            task=task,
            queue=queue,
            headers=row.headers,
            body=bytes(row.body),
            content_type=row.content_type,
            content_encoding=row.content_encoding,
        )


def _places(queues: Collection[str]) -> dict[str, QuerySet[Job]]:
    rows = _jobs().filter(queue__in=sorted(queues)) if queues else _jobs()
    held = rows.filter(state=State.HELD, due_at__isnull=False)
    later = held.filter(due_at__gt=Now())
    return {
        "queued": rows.filter(state=State.QUEUED),
        "running": rows.filter(state=State.RUNNING),
        "due": held.filter(due_at__lte=Now()),
        "waiting": later.filter(~Q(hold=Hold.ETA)),
        "telling": rows.filter(unsettled=True),
        "scheduled": later.filter(hold=Hold.ETA),
    }


def _jobs() -> QuerySet[Job]:
    return Job.objects.using(alias())
