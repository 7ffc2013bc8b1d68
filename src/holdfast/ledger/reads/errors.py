"""Failures by cause, as people look at them: what is counted is read from its counts, and dead letters up to a cap.

The cost of a look does not grow with the history: it reads rows of causes, counts of ten minutes and the entries of
dead letters that it counts, 10,000 of a cause at most.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Sum

from holdfast.ledger.database import alias, connection, dialect
from holdfast.ledger.failures import KEPT, STEP, causes, counts, one_line, step_of
from holdfast.ledger.fence import job_rows
from holdfast.ledger.models import Attempt, Worker
from holdfast.ledger.models.failures import Cause
from holdfast.ledger.reads.letters import last_errors
from holdfast.ledger.reads.search.parts import DEAD
from holdfast.ledger.states import DEAD_LETTERS, State

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
# Causes in one look: those that failed last.
MOST = 500
# Dead letters of one cause are counted up to here.
MOST_LETTERS = 10_000
_DEAD = f"state IN ({', '.join(str(int(state)) for state in sorted(DEAD_LETTERS))})"
# One short look for each cause there is a dead letter of.
_WITH_LETTERS = f"""
WITH RECURSIVE f(fingerprint, n) AS (
  SELECT (SELECT fingerprint FROM holdfast_job WHERE {_DEAD} AND fingerprint > '' ORDER BY fingerprint LIMIT 1), 1
  UNION ALL
  SELECT (SELECT j.fingerprint FROM holdfast_job j WHERE j.{_DEAD} AND j.fingerprint > f.fingerprint
           ORDER BY j.fingerprint LIMIT 1), n + 1
    FROM f WHERE f.fingerprint IS NOT NULL AND n < %s)
SELECT f.fingerprint,
       (SELECT id FROM holdfast_job j WHERE j.{_DEAD} AND j.fingerprint = f.fingerprint
         ORDER BY finished_at DESC LIMIT 1),
       (SELECT id FROM holdfast_job j WHERE j.{_DEAD} AND j.fingerprint = f.fingerprint ORDER BY finished_at LIMIT 1)
  FROM f WHERE f.fingerprint IS NOT NULL
   AND NOT EXISTS (SELECT 1 FROM holdfast_cause c WHERE c.fingerprint = f.fingerprint)
"""
_COUNT_LETTERS = f"""(SELECT count(*) FROM (
  SELECT 1 FROM holdfast_job WHERE {_DEAD} AND fingerprint = %s ORDER BY finished_at LIMIT {MOST_LETTERS + 1}) AS l)"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorGroup:
    """Failures of one cause."""

    fingerprint: str
    task: str
    error: str
    """What the latest of them said, in one line."""
    first_at: datetime
    last_at: datetime
    letters: int = 0
    """Dead letters that are left of them."""
    letters_more: bool = False
    """Whether there are more than were counted."""
    hour: int = 0
    """Attempts that failed in the last hour, to ten minutes."""
    day: int = 0
    """Attempts that failed in the last 24 hours, to ten minutes."""
    spark: tuple[int, ...] = ()
    """The same in steps, oldest first: half an hour each in a list."""
    queues: tuple[str, ...] = ()
    workers: tuple[str, ...] = ()
    """Workers of the latest 50 failures."""
    sample: str = ""
    """The id of a job that failed so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What groups are selected by; None does not select."""

    task: str | None = None
    queue: str | None = None
    text: str | None = None
    """In the error or the task, upper and lower case alike."""
    within: timedelta | None = None
    """The last failure is not longer ago."""


def groups(
    wanted: Wanted, *, by_count: bool = False, start: int = 0, limit: int = 25
) -> tuple[list[ErrorGroup], int, bool]:
    """Return groups, those that failed last first, or those that failed most in 24 hours.

    Beside them how many there are, and whether there are more than the 500 that one look takes.
    """
    moment = now()
    rows = causes()
    if wanted.task:
        rows = rows.filter(task=wanted.task)
    if wanted.within is not None:
        rows = rows.filter(last_at__gte=moment - wanted.within)
    known = [_of_row(row) for row in rows.order_by("-last_at")[: MOST + 1]]
    found = [group for group in known + _strays() if _fits(group, wanted, moment)]
    found.sort(key=lambda group: group.last_at, reverse=True)
    if by_count:
        often = _per_cause(moment - DAY)
        found.sort(key=lambda group: often.get(group.fingerprint, 0), reverse=True)
    page = found[start : start + limit]
    return _counted(page, moment), min(len(found), MOST), len(known) > MOST


def group(fingerprint: str) -> ErrorGroup | None:
    """Return one group, its chart by the hour for seven days; None: nothing has failed so."""
    moment = now()
    row = causes().filter(fingerprint=fingerprint).first()
    found = _of_row(row) if row is not None else next(iter(_strays(fingerprint)), None)
    if found is None:
        return None
    (counted,) = _counted([found], moment)
    return replace(counted, spark=_steps([found], moment, back=KEPT, each=HOUR)[fingerprint])


def now() -> datetime:
    """Return the clock that failures are stamped with."""
    return dialect().now()


def state_of(job_id: str) -> str | None:
    """Return the name of a job's state; None: there is none of this id."""
    state = job_rows().filter(id=job_id).values_list("state", flat=True).first()
    return None if state is None else State(state).name.lower()


def charts_begin(now: datetime, *, back: timedelta, each: timedelta) -> datetime:
    """Return when the first step of a chart begins that ends now."""
    return step_of(now) + STEP - each * round(back / each)


def samples(fingerprint: str, *, limit: int) -> list[str]:
    """Return jobs of a group: dead letters, the newest first, and others that failed so lately."""
    letters = DEAD.rows().filter(fingerprint=fingerprint)
    ids = list(letters.order_by("-finished_at").values_list("id", flat=True)[:limit])
    row = causes().filter(fingerprint=fingerprint).first()
    recent = [one[0] for one in json.loads(row.recent)] if row is not None else []
    return list(dict.fromkeys([*ids, *recent]))[:limit]


def traceback_of(fingerprint: str, ids: Sequence[str]) -> tuple[str, str, str] | None:
    """Return (job, error, traceback) of the latest attempt of these jobs that failed so.

    Of a group whose dead letters are older than the counts, the latest of any attempt of theirs.
    """
    rows = Attempt.objects.using(alias()).filter(job__in=list(ids)).order_by("-id")
    columns = ("job", "error", "traceback")
    return (
        rows.filter(fingerprint=fingerprint).values_list(*columns).first()
        or rows.exclude(traceback="").values_list(*columns).first()
    )


def last_workers(ids: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Return the worker of each job's latest attempt that did not succeed: its name, and the key of its code.

    The key is empty of a worker that is forgotten, or that told none.
    """
    rows = Attempt.objects.using(alias()).filter(job__in=list(ids)).order_by("id")
    found = {job: (name, id) for job, name, id in rows.values_list("job", "worker_name", "worker")}
    workers = Worker.objects.using(alias()).filter(id__in={id for _, id in found.values() if id})
    release = dict(workers.values_list("id", "release"))
    return {job: (name, release.get(id, "") if id else "") for job, (name, id) in found.items()}


def places(ids: Sequence[str]) -> list[dict[str, Any]]:
    """Return id, queue, priority, batch and number of attempts of jobs."""
    rows = job_rows().filter(id__in=list(ids))
    return [{**row} for row in rows.values("id", "queue", "priority", "batch_id", "attempts")]


def _of_row(row: Cause) -> ErrorGroup:
    recent = json.loads(row.recent)
    return ErrorGroup(
        fingerprint=row.fingerprint,
        task=row.task,
        error=row.error,
        first_at=row.first_at,
        last_at=row.last_at,
        queues=tuple(json.loads(row.queues)),
        workers=tuple(dict.fromkeys(one[3] for one in recent if one[3])),
        sample=recent[0][0] if recent else "",
    )


def _strays(only: str | None = None) -> list[ErrorGroup]:
    """Return groups of dead letters that no counted attempt stands for: of an older release, or never run."""
    if only is not None:
        letters = DEAD.rows().filter(fingerprint=only)
        newest_id, oldest_id = (
            letters.order_by(order).values_list("id", flat=True).first()
            for order in ("-finished_at", "finished_at")
        )
        found = [(only, newest_id, oldest_id)] if newest_id and oldest_id else []
    else:
        with connection().cursor() as cursor:
            cursor.execute(_WITH_LETTERS, [MOST])
            found = cursor.fetchall()
    ids = {id for _, *both in found for id in both}
    rows: dict[str, Any] = {row.id: row for row in job_rows().filter(id__in=ids)}
    said = last_errors([newest for _, newest, _ in found])
    return [
        ErrorGroup(
            fingerprint=name,
            task=rows[newest].task,
            error=one_line(said.get(newest, "")) or rows[newest].reason,
            first_at=rows[oldest].finished_at,
            last_at=rows[newest].finished_at,
            queues=(rows[newest].queue,),
            sample=newest,
        )
        for name, newest, oldest in found
        if newest in rows and oldest in rows
    ]


def _fits(group: ErrorGroup, wanted: Wanted, now: datetime) -> bool:
    text = (wanted.text or "").casefold()
    return (
        (not wanted.task or group.task == wanted.task)
        and (not wanted.queue or wanted.queue in group.queues)
        and (not text or text in group.error.casefold() or text in group.task.casefold())
        and (wanted.within is None or group.last_at >= now - wanted.within)
    )


def _counted(page: Sequence[ErrorGroup], now: datetime) -> list[ErrorGroup]:
    letters = _letters([group.fingerprint for group in page])
    in_hour, in_day = _per_cause(now - HOUR), _per_cause(now - DAY)
    sparks = _steps(page, now, back=DAY, each=timedelta(minutes=30))
    return [
        replace(
            group,
            letters=min(letters[group.fingerprint], MOST_LETTERS),
            letters_more=letters[group.fingerprint] > MOST_LETTERS,
            hour=in_hour.get(group.fingerprint, 0),
            day=in_day.get(group.fingerprint, 0),
            spark=sparks[group.fingerprint],
        )
        for group in page
    ]


def _letters(names: Sequence[str]) -> Mapping[str, int]:
    if not names:
        return {}
    with connection().cursor() as cursor:
        cursor.execute(f"SELECT {', '.join([_COUNT_LETTERS] * len(names))}", list(names))
        return dict(zip(names, cursor.fetchone(), strict=True))


def _per_cause(since: datetime) -> dict[str, int]:
    rows = counts().filter(at__gt=since - STEP).order_by().values_list("fingerprint")
    return dict(rows.annotate(n=Sum("failures")).values_list("fingerprint", "n"))


def _steps(
    page: Iterable[ErrorGroup], now: datetime, *, back: timedelta, each: timedelta
) -> dict[str, tuple[int, ...]]:
    many, begin = round(back / each), charts_begin(now, back=back, each=each)
    found = {group.fingerprint: [0] * many for group in page}
    rows = counts().filter(fingerprint__in=list(found), at__gte=begin)
    for name, at, n in rows.values_list("fingerprint", "at", "failures"):
        # What a clock that was set has stamped ahead counts as now.
        found[name][min(many - 1, int((at - begin) / each))] += n
    return {name: tuple(steps) for name, steps in found.items()}
