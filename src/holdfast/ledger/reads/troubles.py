"""What may need somebody's attention, as far as the ledger knows; each look is of bounded cost."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Count, Max, QuerySet
from django.db.models.functions import Now

from holdfast.ledger import pauses
from holdfast.ledger.clocks import has_lapsed
from holdfast.ledger.database import alias, connection, dialect
from holdfast.ledger.duty import UPKEEP
from holdfast.ledger.fence import job_rows
from holdfast.ledger.models import Duty, Job, Occurrence, Schedule, Shelved, Worker
from holdfast.ledger.models.schedules import Decision
from holdfast.ledger.reads.health import run_times
from holdfast.ledger.reads.letters import last_errors
from holdfast.ledger.schedules import DUTY as SCHEDULES
from holdfast.ledger.states import DEAD_LETTERS, State

# No look counts further.
MOST = 10_000
# As the doctor has it: so many runs tell what is usual, and so many times longer is too long.
FEWEST_RUNS = 20
TIMES_LONGER = 5.0
_RECENT = f"""
SELECT fingerprint, count(*), max(id) FROM (
  SELECT fingerprint, id FROM holdfast_job
   WHERE state IN ({State.FAILED:d}, {State.DEAD:d}) AND finished_at >= %s ORDER BY finished_at DESC LIMIT {MOST}
) AS recent GROUP BY fingerprint
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetters:
    """The dead letters there are; no number goes beyond 10,000."""

    open: int
    recent: int
    groups: list[LetterGroup]
    """The largest groups of the recent ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterGroup:
    """Recent dead letters of one cause."""

    fingerprint: str
    task: str
    error: str
    """First line of the error of one of them."""
    reason: str
    """Why that one ended."""
    count: int
    sample: str
    """The id of that one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LongRun:
    """A job that runs far longer than its task usually does."""

    id: str
    task: str
    worker: UUID | None
    seconds: float
    usual_seconds: float
    """What 99 of 100 of its latest runs took at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Missed:
    """The occurrences of a schedule that made no job though they should have."""

    schedule: str
    outcome: str
    count: int
    last_due_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PausedBacklog:
    """A queue or a task that is paused, and how many jobs are held for that; none is counted beyond 10,000."""

    kind: str
    name: str
    by: str
    at: datetime
    held: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Duties:
    """Which duties nobody holds."""

    upkeep_is_free: bool
    schedules_are_free: bool
    """Nobody decides schedules; False also where no schedule was ever seen."""


def dead_letters(*, within: timedelta, groups: int = 5) -> DeadLetters:
    """Return what dead letters there are, of the last so much time by cause: some statements."""
    rows: QuerySet[Job] = job_rows().filter(
        state__in=sorted(DEAD_LETTERS), finished_at__isnull=False
    )
    open_ones = rows.order_by("finished_at")[:MOST].count()
    since = connection().ops.adapt_datetimefield_value(dialect().now() - within)
    with connection().cursor() as cursor:
        cursor.execute(_RECENT, [since])
        found = cursor.fetchall()
    counts = Counter({fingerprint: n for fingerprint, n, _ in found})
    one_of = {fingerprint: id for fingerprint, _, id in found}
    most = counts.most_common(groups)
    ids = [one_of[fingerprint] for fingerprint, _ in most]
    rows_of = {
        id: (task, reason)
        for id, task, reason in job_rows().filter(id__in=ids).values_list("id", "task", "reason")
    }
    errors = last_errors(ids) if ids else {}
    return DeadLetters(
        open=open_ones,
        recent=counts.total(),
        groups=[
            LetterGroup(
                fingerprint=fingerprint,
                task=rows_of.get(one_of[fingerprint], ("", ""))[0],
                reason=rows_of.get(one_of[fingerprint], ("", ""))[1],
                error=errors.get(one_of[fingerprint], "").split("\n", 1)[0],
                count=count,
                sample=one_of[fingerprint],
            )
            for fingerprint, count in most
        ],
    )


def long_runs(*, seconds: float, limit: int = 5) -> list[LongRun]:
    """Return jobs that have run for longer than this, and than five times what their task usually takes.

    Jobs that wait in their worker for a slot are left out, and tasks of which few runs are known. One look at what
    runs, and one at the newest 2,000 ends where anything has run for so long.
    """
    now = dialect().now()
    begun = job_rows().filter(
        state=State.RUNNING, ahead=False, started_at__lt=now - timedelta(seconds=seconds)
    )
    found = list(
        begun.order_by("started_at").values_list("id", "task", "worker", "started_at")[:100]
    )
    times = run_times() if found else {}
    long = []
    for id, task, worker, at in found:
        usual = sorted(times.get(task, ()))
        nearly_all = usual[int(len(usual) * 0.99)] if len(usual) >= FEWEST_RUNS else None
        lasts = (now - at).total_seconds() if at is not None else 0.0
        if nearly_all is not None and lasts > TIMES_LONGER * nearly_all:
            long.append(
                LongRun(id=id, task=task, worker=worker, seconds=lasts, usual_seconds=nearly_all)
            )
    return long[:limit]


def lost_workers(*, within: timedelta, limit: int = 20) -> list[tuple[str, datetime]]:
    """Return name and time of the workers whose lease was taken in the last so much time: one look at all workers."""
    rows = Worker.objects.using(alias()).filter(lost_at__gte=Now() - within, stopped_at=None)
    # One that registered again under its name is back.
    standing = Worker.objects.using(alias()).filter(lost_at=None, stopped_at=None)
    back = set(standing.values_list("name", flat=True))
    found = rows.exclude(name__in=back).order_by("-lost_at").values_list("name", "lost_at")
    return [(name, at) for name, at in found[:limit] if at is not None]


def missed(*, within: timedelta) -> list[Missed]:
    """Return the schedules of which due times were missed or failed in the last so much time.

    Reads the occurrences that were decided in that time, by their index.
    """
    rows = (
        Occurrence.objects.using(alias())
        .filter(decided_at__gte=Now() - within, outcome__in=(Decision.MISSED, Decision.FAILED))
        .order_by()
        .values("schedule", "outcome")
        .annotate(n=Count("id"), last=Max("due_at"))
    )
    found = [
        Missed(
            schedule=row["schedule"],
            outcome=row["outcome"],
            count=row["n"],
            last_due_at=row["last"],
        )
        for row in rows
    ]
    return sorted(found, key=lambda one: (-one.count, one.schedule))


def paused() -> list[PausedBacklog]:
    """Return the queues and tasks that are paused: one statement, and a bounded count for each that holds jobs."""
    return [
        PausedBacklog(
            kind=one.kind, name=one.name, by=one.by, at=one.at, held=_held_for(one.kind, one.name)
        )
        for one in pauses.listed()
        if one.kind in {pauses.QUEUE, pauses.TASK}
    ]


def duties() -> Duties:
    """Return which duties are free: two statements on tables of a few rows."""
    rows = Duty.objects.using(alias()).filter(name__in=(UPKEEP, SCHEDULES)).annotate(now=Now())
    free = {row.name: row.holder is None or _is_over(row) for row in rows}
    scheduled = Schedule.objects.using(alias()).filter(active=True).exists()
    return Duties(
        upkeep_is_free=free.get(UPKEEP, True),
        schedules_are_free=scheduled and free.get(SCHEDULES, True),
    )


def _is_over(duty: Duty) -> bool:
    return has_lapsed(duty.until, duty.seconds, moments=[getattr(duty, "now")])  # noqa: B009  # an annotation


def _held_for(kind: str, name: str) -> int:
    rows = Shelved.objects.using(alias())
    if kind == pauses.QUEUE:
        return rows.filter(queue=name).order_by("task", "job")[:MOST].count()
    return sum(
        rows.filter(queue=queue, task=task).order_by("job")[:MOST].count()
        for queue, task in pauses.places()
        if task == name
    )
