"""How much waits in each queue, kept minute by minute: taken by whoever has the duty of upkeep, read by charts.

What if it dies here? The samples of a minute are one statement; who has the duty next takes those of its own minute. Of
two that take the same one, one is kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice

from django.db.models import QuerySet
from django.db.models.functions import Now

from holdfast.ledger.database import alias, dialect
from holdfast.ledger.fence import job_rows
from holdfast.ledger.models.samples import QueueSample
from holdfast.ledger.reads import queries
from holdfast.ledger.states import State

# No list is counted further, and no more lists (queue and priority) are looked at.
MOST = 100_000
MOST_LISTS = 500


@dataclass(frozen=True, slots=True)
class Sample:
    """One queue at about the beginning of one minute."""

    at: datetime
    waiting: int
    """Queued jobs; no list is counted beyond 100,000."""
    oldest_seconds: float
    """For how long the oldest had waited."""


def take() -> float:
    """Write what waits in each queue now, unless that was done this minute; return the seconds to the next minute.

    A short count for each list that has queued jobs.
    """
    moment = now()
    minute = moment.replace(second=0, microsecond=0)
    found: dict[str, QueueSample] = {}
    for queue, priority in islice(queries.queued_lists(), MOST_LISTS):
        rows = job_rows().filter(state=State.QUEUED, queue=queue, priority=priority)
        oldest = rows.order_by("published_at").values_list("published_at", flat=True).first()
        sample = found.setdefault(
            queue, QueueSample(queue=queue, at=minute, waiting=0, oldest_seconds=0.0)
        )
        sample.waiting += rows[:MOST].count()
        if oldest is not None:
            waited = (moment - oldest).total_seconds()
            sample.oldest_seconds = max(sample.oldest_seconds, waited)
    if found:
        _rows().bulk_create(found.values(), ignore_conflicts=True)
    return (minute + timedelta(minutes=1) - moment).total_seconds()


def now() -> datetime:
    """Return the database's clock, which samples are stamped with."""
    return dialect().now()


def of_queue(queue: str, *, since: datetime) -> list[Sample]:
    """Return the samples of one queue from a moment on, oldest first."""
    rows = _rows().filter(queue=queue, at__gte=since).order_by("at")
    return [Sample(*row) for row in rows.values_list("at", "waiting", "oldest_seconds")]


def latest(*, since: datetime) -> dict[str, list[Sample]]:
    """Return the samples of all queues from a moment on, oldest first."""
    found: dict[str, list[Sample]] = {}
    rows = _rows().filter(at__gte=since).order_by("at")
    for queue, at, waiting, oldest in rows.values_list("queue", "at", "waiting", "oldest_seconds"):
        found.setdefault(queue, []).append(Sample(at, waiting, oldest))
    return found


def prune(*, older_than: timedelta, limit: int) -> int:
    """Delete one batch of old samples; return how many."""
    old = _rows().filter(at__lt=Now() - older_than).order_by("at")
    ids = list(old.values_list("id", flat=True)[:limit])
    return _rows().filter(id__in=ids).delete()[0] if ids else 0


def _rows() -> QuerySet[QueueSample]:
    return QueueSample.objects.using(alias())
