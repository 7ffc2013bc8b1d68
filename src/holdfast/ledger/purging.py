"""Purging a queue: cancelling what waits in it, as it was when somebody asked; nothing that runs is touched.

Each batch is one transaction with its line of the audit. What if it dies between two? Those before it are cancelled,
the others wait on: who asks again goes on. Every look goes by an index of jobs that are not over.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import Any, NamedTuple

from django.db.models import CharField, Q, QuerySet, Value
from django.db.models.functions import Cast

from holdfast.ledger import audit, interventions
from holdfast.ledger.database import alias, atomic, connection, dialect
from holdfast.ledger.fence import job_rows, lock
from holdfast.ledger.limiting import limits
from holdfast.ledger.models import Job
from holdfast.ledger.models.limits import Place
from holdfast.ledger.models.pauses import Shelved
from holdfast.ledger.states import Hold, State

BATCH = 1000
MOST = 10_000
_IN_LINE = f"""
SELECT name, key, rank, id, job FROM holdfast_limited
 WHERE place = {Place.WAITING} AND (name, key, rank, id) > (%s, %s, %s, %s) ORDER BY name, key, rank, id LIMIT %s
"""


class Page(NamedTuple):
    """Jobs that wait, in the order of an index, and how many rows were looked at to find them."""

    ids: list[str]
    looked: int
    place: Behind
    """Where the last of these rows stands in the index: who goes on from there looks at none of them again."""


Behind = list[Any]
Pages = Iterator[Page]


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """How many jobs of one queue waited at a moment, as far as a look of bounded cost can tell."""

    until: datetime
    """The moment, by the database's clock."""
    queued: int
    """On the broker, or on their way to it."""
    paused: int
    """Held because the queue or their task is paused."""
    limited: int
    """In the line of a limit."""
    due: int
    """Held, and their time has come."""
    later: int
    """Held until a time that is to come: by an ETA, a countdown or a retry."""
    more: bool
    """Whether there may be more: of each kind 10,000 are looked at."""

    @property
    def total(self) -> int:
        """All but those whose time is to come."""
        return self.queued + self.paused + self.limited + self.due


def waiting(queue: str, *, until: datetime | None = None) -> Waiting:
    """Count what waits in a queue, or what waited at an earlier moment and still does."""
    moment = until or dialect().now()
    counts: dict[str, int] = {}
    more = False
    for name, pages in _PLACES.items():
        counts[name] = looked = 0
        for page in pages(queue, moment, None):
            if looked >= MOST:
                more = True
                break
            counts[name] += len(page.ids)
            looked += page.looked
    return Waiting(until=moment, more=more, **counts)


def purge(
    queue: str, *, until: datetime, later: bool, actor: str, most: int, reason: str = ""
) -> tuple[int, int]:
    """Cancel what waited in a queue at a moment; return how many, and how many a transaction of somebody's held.

    Args:
        queue: its name.
        until: the moment; what came later waits on.
        later: those too whose time is to come.
        actor: who does it, for the audit.
        most: how many at most.
        reason: why, for the audit.
    """
    cancelled = busy = 0
    places = [pages for name, pages in _PLACES.items() if later or name != "later"]
    said = f"queue {queue}" + (f": {reason}" if reason else "")
    for ids in _batches(
        chain.from_iterable(pages(queue, until, None) for pages in places), most=most
    ):
        done = _cancel(queue, ids, until=until, later=later, actor=actor, said=said)
        cancelled += done
        busy += _left(queue, ids, until=until, later=later) if done < len(ids) else 0
    return cancelled, busy


def _batches(pages: Pages, *, most: int) -> Iterator[list[str]]:
    """Put pages together to batches of so many jobs as one transaction takes; of so many jobs in all."""
    ids: list[str] = []
    for page in pages:
        ids = (ids + page.ids)[:most]
        while len(ids) >= min(BATCH, most) > 0:
            batch, ids = ids[:BATCH], ids[BATCH:]
            most -= len(batch)
            yield batch
        if most <= 0:
            return
    if ids:
        yield ids


class QueueWalk:
    """The jobs of a queue for an operation that purges it: those that waited at a moment, place by place.

    Each statement goes by an index and reads a thousand rows at most.
    """

    def __init__(self, queue: str, *, until: datetime, later: bool) -> None:
        self._queue, self._until, self._later = queue, until, later
        self._names = [name for name in _PLACES if later or name != "later"]

    def among(self, ids: Iterable[str]) -> QuerySet[Job]:
        """Return those of some jobs that still wait as they did then."""
        return _waits(self._queue, list(ids), until=self._until, later=self._later)

    def next_page(self, cursor: str) -> tuple[list[str], str]:
        """Return the next jobs behind a cursor, and the cursor behind them; empty behind the last ones."""
        name, place = json.loads(cursor) if cursor else (self._names[0], None)
        page = next(_PLACES[name](self._queue, self._until, place), None)
        if page is not None:
            return page.ids, json.dumps([name, page.place])
        left = self._names[self._names.index(name) + 1 :]
        return [], json.dumps([left[0], None]) if left else ""


def cancel_locked(ids: Sequence[str]) -> None:
    """Cancel jobs that wait and that the caller has locked; nothing of them is left in a line or on a shelf."""
    interventions.cancel(ids, running=False)
    limits.stand_away(ids)
    Shelved.objects.using(alias()).filter(job__in=ids).delete()


def _cancel(
    queue: str, ids: Sequence[str], *, until: datetime, later: bool, actor: str, said: str
) -> int:
    """Cancel those that still wait, in one transaction; one that a transaction of somebody's holds is left."""
    with atomic():
        rows = lock(_waits(queue, ids, until=until, later=later), wait=False)
        mine = list(rows.values_list("id", flat=True))
        if mine:
            cancel_locked(mine)
            audit.note("purge", actor=actor, count=len(mine), detail=said)
    return len(mine)


def _left(queue: str, ids: Sequence[str], *, until: datetime, later: bool) -> int:
    return _waits(queue, ids, until=until, later=later).count()


def _waits(queue: str, ids: Sequence[str], *, until: datetime, later: bool) -> QuerySet[Job]:
    """Return those of these jobs that still wait as they did at the moment."""
    queued = Q(state=State.QUEUED, published_at__lte=until)
    held = Q(state=State.HELD, recorded_at__lte=until)
    if not later:
        held &= Q(due_at=None) | Q(due_at__lte=until)
    # One that waits for what replaces it is no job that waits to run.
    return job_rows().filter(queued | held, id__in=ids, queue=queue).exclude(hold=Hold.REPLACED)


# -- where jobs wait, page by page ------------------------------------------------------------------------


def _queued(queue: str, until: datetime, after: Behind | None = None) -> Pages:
    lists = job_rows().filter(state=State.QUEUED, queue=queue).order_by("priority")
    # A short look for each priority: an order over several would have to sort them.
    found = after[0] if after else lists.values_list("priority", flat=True).first()
    rest = after[1:] if after else None
    while found is not None:
        rows = job_rows().filter(
            state=State.QUEUED, queue=queue, priority=found, published_at__lte=until
        )
        for ids, place in _paged(rows, by="published_at", after=rest):
            yield Page(ids, len(ids), [found, *place])
        found = lists.filter(priority__gt=found).values_list("priority", flat=True).first()
        rest = None


def _paused(queue: str, until: datetime, after: Behind | None = None) -> Pages:
    rows = Shelved.objects.using(alias()).filter(queue=queue).order_by("task", "job")
    task, job = after or ("", "")
    while page := list(
        rows.filter(Q(task=task, job__gt=job) | Q(task__gt=task), task__gte=task).values_list(
            "task", "job"
        )[:BATCH]
    ):
        task, job = page[-1]
        ids = _standing(queue, [id for _, id in page], until, hold=Hold.PAUSE)
        yield Page(ids, len(page), [task, job])


def _limited(queue: str, until: datetime, after: Behind | None = None) -> Pages:
    place: Behind = after or ["", "", -(2**15), 0]
    while True:
        with connection().cursor() as cursor:
            cursor.execute(_IN_LINE, [*place, BATCH])
            page = cursor.fetchall()
        if not page:
            return
        *place, _ = page[-1]
        ids = _standing(queue, [row[4] for row in page], until, hold=Hold.LIMIT)
        yield Page(ids, len(page), place)


def _due(queue: str, until: datetime, after: Behind | None = None) -> Pages:
    return _held(queue, Q(due_at__lte=until), until, after)


def _later(queue: str, until: datetime, after: Behind | None = None) -> Pages:
    return _held(queue, Q(due_at__gt=until), until, after)


def _held(queue: str, due: Q, until: datetime, after: Behind | None) -> Pages:
    rows = job_rows().filter(due, state=State.HELD, due_at__isnull=False)
    # The queue is asked of each page: the index is in the order of time, and has the jobs of all queues.
    for ids, place in _paged(rows, by="due_at", after=after):
        yield Page(_standing(queue, ids, until), len(ids), place)


def _standing(queue: str, ids: Sequence[str], until: datetime, **more: str) -> list[str]:
    rows = job_rows().filter(
        id__in=ids, queue=queue, state=State.HELD, recorded_at__lte=until, **more
    )
    found = set(rows.exclude(hold=Hold.REPLACED).values_list("id", flat=True))
    return [id for id in ids if id in found]


def _paged(
    rows: QuerySet[Job], *, by: str, after: Behind | None = None
) -> Iterator[tuple[list[str], Behind]]:
    """Go through rows by the key that their index is in, and by id where that is the same."""
    # As text: SQLite compares moments as they were written, and not all are written with the same digits.
    keyed = rows.annotate(key=Cast(by, CharField())).order_by(by, "id")
    place = after
    while True:
        page = keyed
        if place is not None:
            key, id = place
            last = Value(key, output_field=CharField())
            further = Q(**{f"{by}__gt": last}) | Q(**{by: last, "id__gt": id})
            page = keyed.filter(further, **{f"{by}__gte": last})
        found = list(page.values_list("key", "id")[:BATCH])
        if not found:
            return
        place = list(found[-1])
        yield [id for _, id in found], place


_PLACES: dict[str, Callable[[str, datetime, Behind | None], Pages]] = {
    "queued": _queued,
    "paused": _paused,
    "limited": _limited,
    "due": _due,
    "later": _later,
}
