"""Failed attempts counted by their cause: each once, by whoever has the duty, some seconds after it has ended.

An attempt that fails only says so in its own row. What if it dies here? What is counted and that it is counted are one
transaction, and an attempt that somebody else is counting is skipped: two that count at once count each once.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import QuerySet
from django.db.models.functions import Now

from holdfast.ledger.database import alias, atomic
from holdfast.ledger.fence import job_rows
from holdfast.ledger.models import Attempt
from holdfast.ledger.models.failures import Cause, CauseCount

STEP = timedelta(minutes=10)
KEPT = timedelta(days=7)
# What is remembered of the latest failures of a cause.
RECENT = 50
QUEUES = 20
ERROR_LENGTH = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class _Failure:
    """A failed attempt that was not counted yet."""

    id: int
    job: str
    number: int
    fingerprint: str
    at: datetime
    error: str
    worker: str
    task: str
    queue: str


def count(*, limit: int) -> int:
    """Count attempts that have failed since; return how many, of so many at most."""
    with atomic():
        found = _uncounted(limit)
        by_cause: dict[str, list[_Failure]] = defaultdict(list)
        for failure in found:
            by_cause[failure.fingerprint].append(failure)
        _note(by_cause)
        Attempt.objects.using(alias()).filter(id__in=[one.id for one in found]).update(
            uncounted=False
        )
    return len(found)


def prune(*, older_than: timedelta, limit: int) -> int:
    """Delete one batch of counts that no chart shows, and of causes that nothing failed for; return how many."""
    old = counts().filter(at__lt=Now() - KEPT).order_by("at")
    done = counts().filter(id__in=list(old.values_list("id", flat=True)[:limit])).delete()[0]
    gone = causes().filter(last_at__lt=Now() - max(older_than, KEPT)).order_by("last_at")
    names = list(gone.values_list("fingerprint", flat=True)[:limit])
    return done + causes().filter(fingerprint__in=names).delete()[0]


def causes() -> QuerySet[Cause]:
    """Return all causes."""
    return Cause.objects.using(alias())


def counts() -> QuerySet[CauseCount]:
    """Return how many failed for which cause when."""
    return CauseCount.objects.using(alias())


def one_line(error: str) -> str:
    """Return an error as a list shows it."""
    return " ".join(error.split())[:ERROR_LENGTH]


def step_of(moment: datetime) -> datetime:
    """Return the beginning of the ten minutes that a moment lies in."""
    return moment.replace(minute=moment.minute // 10 * 10, second=0, microsecond=0)


def _uncounted(limit: int) -> list[_Failure]:
    rows = Attempt.objects.using(alias()).filter(uncounted=True)
    columns = ("id", "job", "number", "fingerprint", "ended_at", "error", "worker_name")
    free = rows.order_by("id").select_for_update(skip_locked=True)
    found = list(free.values_list(*columns)[:limit])
    jobs = job_rows().filter(id__in={row[1] for row in found}).values_list("id", "task", "queue")
    of_job = {id: (task, queue) for id, task, queue in jobs}
    return [
        _Failure(
            id=id,
            job=job,
            number=number,
            fingerprint=fingerprint,
            at=at,
            error=error,
            worker=worker,
            task=of_job[job][0],
            queue=of_job[job][1],
        )
        for id, job, number, fingerprint, at, error, worker in found
        # One that was deleted with its job a moment ago is nobody's.
        if job in of_job
    ]


def _note(by_cause: dict[str, list[_Failure]]) -> None:
    new = [
        Cause(fingerprint=name, task=some[0].task, first_at=some[0].at, last_at=some[0].at)
        for name, some in sorted(by_cause.items())
    ]
    # Whoever writes the same cause at this instant is waited for; then its row is there to be locked.
    causes().bulk_create(new, ignore_conflicts=True)
    rows = list(_locked(sorted(by_cause)))
    for row in rows:
        _add(row, by_cause[row.fingerprint])
    causes().bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["fingerprint"],
        update_fields=["error", "failures", "first_at", "last_at", "recent", "queues"],
    )
    _note_times(by_cause)


def _locked(names: Sequence[str]) -> QuerySet[Cause]:
    found = causes().filter(fingerprint__in=names)
    return found.order_by("fingerprint").select_for_update()


def _add(row: Cause, some: Iterable[_Failure]) -> None:
    recent, queues = json.loads(row.recent), json.loads(row.queues)
    for failure in some:
        row.failures += 1
        row.first_at = min(row.first_at, failure.at)
        if failure.at >= row.last_at:
            row.last_at, row.error = failure.at, one_line(failure.error)
        recent.insert(0, [failure.job, failure.number, failure.queue, failure.worker])
        if failure.queue not in queues:
            queues.append(failure.queue)
    row.recent, row.queues = json.dumps(recent[:RECENT]), json.dumps(queues[-QUEUES:])


def _note_times(by_cause: dict[str, list[_Failure]]) -> None:
    """Add to the counts of ten minutes each; the rows of the causes are locked, so nobody else writes these."""
    more: dict[tuple[str, datetime], int] = defaultdict(int)
    for name, some in by_cause.items():
        for failure in some:
            more[name, step_of(failure.at)] += 1
    times = {at for _, at in more}
    known = counts().filter(fingerprint__in=list(by_cause), at__in=times)
    before = {(row.fingerprint, row.at): row.failures for row in known}
    counts().bulk_create(
        [
            CauseCount(fingerprint=name, at=at, failures=before.get((name, at), 0) + n)
            for (name, at), n in sorted(more.items())
        ],
        update_conflicts=True,
        unique_fields=["fingerprint", "at"],
        update_fields=["failures"],
    )
