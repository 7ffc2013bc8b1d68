"""Limits as people see them: how full each is, who is in, who waits, when the rate lets the next one in.

Of bounded cost, whatever a line holds, and without a lock: an admission never waits for somebody who looks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from holdfast.ledger.database import connection, dialect
from holdfast.ledger.fence import job_rows
from holdfast.ledger.limiting import lines
from holdfast.ledger.limiting.bounds import Bounds
from holdfast.ledger.limiting.limits import UNDER_WAY, limit_rows, limited_rows
from holdfast.ledger.limiting.rooms import Room
from holdfast.ledger.models.limits import Limit, Place
from holdfast.ledger.states import State

# What is counted of a line, and what is shown of it.
MOST_COUNTED = 10_000
MOST_SHOWN = 20
_TAKEN = f"""
SELECT l.name, sum(l.weight) FROM holdfast_limited l JOIN holdfast_job j ON j.id = l.job
 WHERE l.place = {Place.ADMITTED} AND l.name IN ({{names}}) AND j.state + 0 IN ({State.QUEUED}, {State.RUNNING})
 GROUP BY l.name
"""
_WAITING = f"""SELECT %s, count(*) FROM (SELECT 1 FROM holdfast_limited
 WHERE place = {Place.WAITING} AND name = %s ORDER BY key, rank, id LIMIT {MOST_COUNTED}) AS line"""
_WAITING_FOR = f"""SELECT %s, count(*) FROM (SELECT 1 FROM holdfast_limited
 WHERE place = {Place.WAITING} AND name = %s AND key = %s ORDER BY rank, id LIMIT {MOST_COUNTED}) AS line"""
_FIRST = f"""SELECT * FROM (SELECT key, job, weight FROM holdfast_limited
 WHERE place = {Place.WAITING} AND name = %s AND key = %s ORDER BY rank, id LIMIT {MOST_SHOWN}) AS head"""


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitShown:
    """One limit, what it allows and how full it is."""

    name: str
    bounds: Bounds
    """What holds now."""
    declared: Bounds
    """What the code says."""
    is_set: bool
    """Whether other bounds than the code's were set at run time."""
    changed_at: datetime
    taken: int
    """Weights of its jobs that are queued or running."""
    waiting: int
    """Jobs in its lines, counted up to 10,000."""
    tokens: float | None
    """How many the rate lets in at this moment; None without a rate."""
    next_seconds: float | None
    """Until the rate lets in the next one; 0 if it would now, None without a rate."""

    @property
    def share(self) -> float | None:
        """How much of its concurrency is taken; None without such a bound."""
        return self.taken / self.bounds.concurrency if self.bounds.concurrency else None

    @property
    def is_full(self) -> bool:
        """Whether not even a light job of a free key would be let in now."""
        slots = self.bounds.concurrency is not None and self.taken >= self.bounds.concurrency
        return slots or (self.tokens is not None and self.tokens < 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitHolder:
    """A job that is let in."""

    job: str
    task: str
    queue: str
    key: str
    weight: int
    state: str
    """queued or running."""
    since: datetime | None
    """When it was let in, if it waits for a worker; when it began, if it runs."""
    worker: str | None
    """The incarnation that runs it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitWaiter:
    """A job in a line, by its place there."""

    job: str
    task: str
    queue: str
    weight: int
    priority: int
    recorded_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitLine:
    """Those who wait with one key, the first 20 of them."""

    key: str
    waiting: int
    """Counted up to 10,000."""
    first: list[LimitWaiter]


def limits(*, after: str = "", many: int = 100) -> list[LimitShown]:
    """Return limits by name, behind one of them; four statements, however many they are."""
    return _shown(list(limit_rows().filter(name__gt=after).order_by("name")[:many]))


def limit(name: str) -> LimitShown | None:
    """Return one limit; None if the ledger has none of this name."""
    return next(iter(_shown(list(limit_rows().filter(name=name)))), None)


def holders(name: str) -> list[LimitHolder]:
    """Return jobs that a limit has let in and that are not over, those that run first; 100 at most."""
    rows = limited_rows().filter(name=name, place=Place.ADMITTED).order_by("key")
    inside = {
        job: (key, weight) for job, key, weight in rows.values_list("job", "key", "weight")[:1000]
    }
    names = ("id", "task", "queue", "state", "started_at", "published_at", "worker")
    going = job_rows().filter(id__in=inside, state__in=UNDER_WAY).order_by("-state", "started_at")
    return [
        LimitHolder(
            job=id,
            task=task,
            queue=queue,
            key=inside[id][0],
            weight=inside[id][1],
            state=State(state).name.lower(),
            since=began if state == State.RUNNING else published,
            worker=str(worker) if state == State.RUNNING and worker else None,
        )
        for id, task, queue, state, began, published, worker in going.values_list(*names)[:100]
    ]


def waiters(name: str) -> list[LimitLine]:
    """Return the lines of a limit by key, 20 of them, each with its first 20; in the order of the round of its keys."""
    last = limit_rows().filter(name=name).values_list("last_key", flat=True).first() or ""
    keys = lines.next_keys(name, after=last, many=MOST_SHOWN)
    if not keys:
        return []
    counted = dict(
        _rows(
            " UNION ALL ".join([_WAITING_FOR] * len(keys)),
            [part for key in keys for part in (key, name, key)],
        )
    )
    firsts = _rows(
        " UNION ALL ".join([_FIRST] * len(keys)), [part for key in keys for part in (name, key)]
    )
    names = ("id", "task", "queue", "priority", "recorded_at")
    rows = job_rows().filter(id__in=[job for _, job, _ in firsts]).values(*names)
    jobs = {row.pop("id"): row for row in rows}
    return [
        LimitLine(
            key=key,
            waiting=counted.get(key, 0),
            first=[
                LimitWaiter(job=job, weight=weight, **jobs[job])
                for its_key, job, weight in firsts
                if its_key == key and job in jobs
            ],
        )
        for key in keys
    ]


def _shown(rows: Sequence[Limit]) -> list[LimitShown]:
    if not rows:
        return []
    names = [row.name for row in rows]
    taken = dict(_rows(_TAKEN.format(names=", ".join(["%s"] * len(names))), names))
    waiting = dict(
        _rows(
            " UNION ALL ".join([_WAITING] * len(names)),
            [part for name in names for part in (name, name)],
        )
    )
    now = dialect().now()
    return [_limit(row, int(taken.get(row.name) or 0), waiting[row.name], now) for row in rows]


def _limit(row: Limit, taken: int, waiting: int, now: datetime) -> LimitShown:
    declared = Bounds.from_text(row.declared)
    bounds = Bounds.from_text(row.override) if row.override else declared
    # A calculation on what was read: nothing of it is written.
    room = Room(row.name, bounds, tokens=row.tokens, refilled_at=row.refilled_at)
    room.refill(now)
    per_second = bounds.per_second
    return LimitShown(
        name=row.name,
        bounds=bounds,
        declared=declared,
        is_set=bool(row.override),
        changed_at=row.changed_at,
        taken=taken,
        waiting=waiting,
        tokens=None if per_second is None else room.tokens,
        next_seconds=None if per_second is None else max(0.0, (1.0 - room.tokens) / per_second),
    )


def _rows(sql: str, params: Sequence[str]) -> list[tuple[Any, ...]]:
    with connection().cursor() as cursor:
        cursor.execute(sql, params)
        return list(cursor.fetchall())
