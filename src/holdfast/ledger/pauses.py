"""Pauses: queues and tasks of which nothing is claimed, the jobs held for them, and schedules that make none.

Each function is one transaction, or part of the caller's. What if it dies here? A job that is shelved after its queue
was resumed, or that a resume has not come to, is woken by the worker that has the duty.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from django.db.models import QuerySet
from django.db.models.functions import Now

from holdfast.ledger import audit
from holdfast.ledger.database import alias, atomic
from holdfast.ledger.fence import RISE, job_rows, lock
from holdfast.ledger.models.pauses import Pause, Shelved
from holdfast.ledger.states import Hold, State

QUEUE = "queue"
TASK = "task"
SCHEDULE = "schedule"
_COLUMNS = ("kind", "name", "by", "reason", "at")


@dataclass(frozen=True, slots=True, kw_only=True)
class Paused:
    """A queue, a task or a schedule that is paused."""

    kind: str
    name: str
    by: str
    reason: str
    at: datetime


def pause(kind: str, name: str, *, actor: str, reason: str) -> bool:
    """Let nothing of a queue or a task be claimed, or no job be made of a schedule, once this has committed.

    Returns False if it was paused before: then nothing is changed.
    """
    with atomic():
        new = Pause(kind=kind, name=name, by=actor[:255], reason=reason, at=Now())
        known = _pauses().filter(kind=kind, name=name).exists()
        _pauses().bulk_create([new], ignore_conflicts=True)
        if not known:
            audit.note(
                "pause", actor=actor, detail=f"{kind} {name}" + (f": {reason}" if reason else "")
            )
        return not known


def resume(kind: str, name: str, *, actor: str, reason: str = "") -> bool:
    """End a pause; False: there was none. The jobs that are held for it are woken after this: see `wake`."""
    with atomic():
        ended = bool(_pauses().filter(kind=kind, name=name).delete()[0])
        if ended:
            said = f"{kind} {name}" + (f": {reason}" if reason else "")
            audit.note("resume", actor=actor, detail=said)
        return ended


def listed() -> list[Paused]:
    """Return what is paused, the oldest pause first."""
    rows = _pauses().order_by("at", "id").values(*_COLUMNS)
    return [Paused(**row) for row in rows]


def schedule_pause(name: str) -> Paused | None:
    """Return the pause of a schedule: one look by the key."""
    row = _pauses().filter(kind=SCHEDULE, name=name).values(*_COLUMNS).first()
    return Paused(**row) if row else None


def paused_schedules() -> dict[str, Paused]:
    """Return the pauses of schedules by name."""
    rows = _pauses().filter(kind=SCHEDULE).values(*_COLUMNS)
    return {row["name"]: Paused(**row) for row in rows}


def paused() -> set[tuple[str, str]]:
    """Return (kind, name) of what is paused."""
    return set(_pauses().values_list("kind", "name"))


def shelve(tickets: Iterable[tuple[str, int]]) -> int:
    """Hold queued jobs, by (id, token), that a claim has refused for a pause; return how many."""
    tokens = dict(tickets)
    with atomic():
        rows = lock(job_rows().filter(id__in=list(tokens), state=State.QUEUED), wait=False)
        mine = [
            Shelved(job=id, queue=queue, task=task)
            for id, token, queue, task in rows.values_list("id", "token", "queue", "task")
            if tokens[id] == token
        ]
        Shelved.objects.using(alias()).bulk_create(
            mine, update_conflicts=True, unique_fields=["job"], update_fields=["queue", "task"]
        )
        job_rows().filter(id__in=[row.job for row in mine]).update(
            state=State.HELD, token=RISE, hold=Hold.PAUSE, due_at=None, published_at=None
        )
    return len(mine)


def wake(*, limit: int) -> int:
    """Make jobs due whose queue and task are not paused any more; return how many, of so many at most."""
    stopped = paused()
    woken = 0
    for queue, task in places():
        if (QUEUE, queue) in stopped or (TASK, task) in stopped:
            continue
        woken += _wake(queue, task, limit=limit - woken)
        if woken >= limit:
            break
    return woken


def _wake(queue: str, task: str, *, limit: int) -> int:
    with atomic():
        rows = _shelved().filter(queue=queue, task=task).order_by("job")
        jobs = list(rows.values_list("job", flat=True)[:limit])
        held = job_rows().filter(id__in=jobs, state=State.HELD, hold=Hold.PAUSE)
        free = list(lock(held, wait=False).values_list("id", flat=True))
        job_rows().filter(id__in=free).update(
            hold=Hold.RELAY, due_at=Now(), wait_seconds=0.0, token=RISE
        )
        # One that was cancelled meanwhile is gone; one that somebody's transaction holds is for the next time.
        left = set(held.exclude(id__in=free).values_list("id", flat=True))
        _shelved().filter(job__in=[job for job in jobs if job not in left]).delete()
    return len(jobs) - len(left)


def places() -> Iterator[tuple[str, str]]:
    """Yield (queue, task) of the jobs that are held for a pause, by one short index look each."""
    rows = _shelved().order_by("queue", "task").values_list("queue", "task")
    found = rows.first()
    while found is not None:
        yield found
        queue, task = found
        found = (
            rows.filter(queue=queue, task__gt=task).first() or rows.filter(queue__gt=queue).first()
        )


def _pauses() -> QuerySet[Pause]:
    return Pause.objects.using(alias())


def _shelved() -> QuerySet[Shelved]:
    return Shelved.objects.using(alias())
