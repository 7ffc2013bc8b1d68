"""What became of jobs, minute by minute: counted once by whoever has the duty of upkeep, read by charts.

What if it dies here? A minute is written by one transaction, as a whole or not at all, and the next one who has the
duty writes it. Of two that count the same minute one writes it. A minute is counted some seconds after its end; an end
that is committed later than that is in no minute.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import IntegrityError
from django.db.models import Max, Q, QuerySet
from django.db.models.functions import Now

from holdfast.ledger import histograms, tallies, totals
from holdfast.ledger.clocks import NOW
from holdfast.ledger.database import alias, atomic, connection, dialect
from holdfast.ledger.ids import TELLS_TIME
from holdfast.ledger.models.minutes import Minute
from holdfast.ledger.moments import as_moment
from holdfast.ledger.states import DEAD_LETTERS, FINAL, Reason, State
from holdfast.ledger.tallies import Tallies, Tally

MINUTE = timedelta(minutes=1)
# From its end on, until a minute is counted.
SETTLED = timedelta(seconds=10)
# Minutes that nobody has counted for so long are left out.
MOST_BACK = timedelta(hours=1)


def _in(states: frozenset[State]) -> str:
    return f"state IN ({', '.join(str(int(state)) for state in sorted(states))})"


# Finished jobs as the indexes know them: each of these is the condition of one.
_OVER = f"{_in(FINAL - DEAD_LETTERS)} AND NOT kept_apart"
_APART = f"{_in(FINAL - DEAD_LETTERS)} AND kept_apart"
_DEAD = _in(DEAD_LETTERS)
# The tasks of those kept apart, by one short look into their index each.
_TASKS_APART = f"""
apart(name) AS (
  SELECT (SELECT task FROM holdfast_job WHERE {_APART} ORDER BY task LIMIT 1)
  UNION ALL
  SELECT (SELECT task FROM holdfast_job WHERE {_APART} AND task > apart.name ORDER BY task LIMIT 1)
    FROM apart WHERE apart.name IS NOT NULL
)"""
_FIRST = "SELECT finished_at FROM holdfast_job WHERE {} AND finished_at >= %s ORDER BY finished_at LIMIT 1"
_LOOK = f"""
WITH RECURSIVE {_TASKS_APART}
SELECT {{now}}, ({_FIRST.format(_OVER)}), ({_FIRST.format(_DEAD)}),
       (SELECT min(({_FIRST.format(f"{_APART} AND task = apart.name")})) FROM apart WHERE apart.name IS NOT NULL)
"""
_SECONDS = {
    "postgresql": "extract(epoch FROM {until} - {since})::float8",
    "sqlite": "(julianday({until}) - julianday({since})) * 86400.0",
}
# Only these ended by their last attempt: of the others nobody knows how long one ran.
_BY_ATTEMPT = _in(frozenset({State.SUCCEEDED, State.FAILED}))
# To discard a dead letter is no end: it had one.
_WITHIN = f"finished_at >= %s AND finished_at < %s AND reason <> '{Reason.DISCARDED}'"
_COUNT = f"""
WITH RECURSIVE {_TASKS_APART}, ended AS MATERIALIZED (
  SELECT {{columns}} FROM holdfast_job WHERE {_OVER} AND {_WITHIN}
  UNION ALL
  SELECT {{columns}} FROM holdfast_job WHERE {_DEAD} AND {_WITHIN}
  UNION ALL
  SELECT {{columns}} FROM apart CROSS JOIN holdfast_job WHERE {_APART} AND task = apart.name AND {_WITHIN}
)
SELECT task, queue, state, {histograms.as_sql("wait")}, {histograms.as_sql("run")}, count(*),
       sum(CASE WHEN attempts > 1 THEN attempts - 1 ELSE 0 END), sum(run),
       sum(CASE WHEN {TELLS_TIME} THEN 0 ELSE 1 END)
  FROM ended GROUP BY 1, 2, 3, 4, 5
"""
_COUNTED = {
    State.SUCCEEDED: "succeeded",
    State.FAILED: "failed",
    State.DEAD: "failed",
    State.CANCELLED: "cancelled",
    State.EXPIRED: "cancelled",
}


_NUMBERS = ("succeeded", "failed", "cancelled", "retried", "run_seconds")


@dataclass(frozen=True, slots=True)
class Look:
    """The database's clock, and the first end that has not been counted."""

    now: datetime
    ended_at: datetime | None


def begin_of(moment: datetime) -> datetime:
    """Return the beginning of the minute that a moment is in."""
    return moment.replace(second=0, microsecond=0)


def counted_until(*, now: datetime) -> datetime:
    """Return up to when minutes have been counted, at most `MOST_BACK` ago; one look into an index.

    What was written in a future that the clock was set back from does not count.
    """
    last = _rows().filter(task="", queue="", at__lte=now).aggregate(at=Max("at"))["at"]
    back = begin_of(now) - MOST_BACK
    return back if last is None else max(last + MINUTE, back)


def look(since: datetime) -> Look:
    """Return the clock and the first end from a moment on: one statement, of one index look each."""
    here = connection()
    with here.cursor() as cursor:
        cursor.execute(_LOOK.format(now=NOW[here.vendor]), [_moment(since)] * 3)
        now, *ends = cursor.fetchone()
    found = [as_moment(end) for end in ends if end is not None]
    return Look(as_moment(now), min(found, default=None))


def ended_between(since: datetime, until: datetime) -> dict[tallies.Key, Tally]:
    """Count the jobs that ended in a stretch of time by task and queue: it reads these jobs, and no others."""
    here = connection()
    seconds = _SECONDS[here.vendor]
    wait = seconds.format(since="published_at", until="started_at")
    run = seconds.format(since="started_at", until="finished_at")
    columns = (
        f"id, task, queue, state, attempts, CASE WHEN {_BY_ATTEMPT} THEN {wait} END AS wait, "
        f"CASE WHEN {_BY_ATTEMPT} THEN {run} END AS run"
    )
    found: dict[tallies.Key, Tally] = defaultdict(Tally)
    with here.cursor() as cursor:
        cursor.execute(_COUNT.format(columns=columns), [_moment(since), _moment(until)] * 3)
        for task, queue, state, waited, ran, n, retried, run_seconds, timeless in cursor.fetchall():
            tally = found[task, queue]
            name = _COUNTED[State(state)]
            setattr(tally, name, getattr(tally, name) + n)
            tally.retried += int(retried)
            # By no time in its id is it counted as recorded: see `totals`.
            tally.recorded += int(timeless)
            tally.run_seconds += max(0.0, run_seconds or 0.0)
            if waited is not None:
                tally.waits[waited] += n
            if ran is not None:
                tally.runs[ran] += n
    return dict(found)


def write(at: datetime, counted: Tallies) -> bool:
    """Write a minute as a whole, from what was counted by task and queue, and add it to the sums.

    False: somebody has written it before.
    """
    added = tallies.added_up(counted)
    rows = [
        Minute(
            at=at,
            task=task,
            queue=queue,
            succeeded=tally.succeeded,
            failed=tally.failed,
            cancelled=tally.cancelled,
            retried=tally.retried,
            run_seconds=tally.run_seconds,
            waits=histograms.write(tally.waits),
            runs=histograms.write(tally.runs),
        )
        for (task, queue), tally in added.items()
    ]
    try:
        with atomic():
            _rows().bulk_create(rows)
            totals.add(added)
    except IntegrityError:
        return False
    return True


def prune(*, older_than: timedelta, limit: int) -> int:
    """Delete one batch of old minutes, and of those in a future that the clock was set back from; return how many."""
    deleted = 0
    for over in (Q(at__lt=Now() - older_than), Q(at__gt=Now() + timedelta(days=1))):
        ids = list(_rows().filter(over).order_by("at").values_list("id", flat=True)[:limit])
        if ids:
            deleted += _rows().filter(id__in=ids).delete()[0]
    return deleted


def added(
    since: datetime,
    until: datetime,
    *,
    task: str,
    queue: str,
    step: Callable[[datetime], datetime],
) -> dict[datetime, Tally]:
    """Add up the minutes of a task, of a queue or of all by the steps they are in: a row for each minute is read."""
    rows = _rows().filter(task=task, queue=queue, at__gte=since, at__lt=until)
    found: dict[datetime, Tally] = defaultdict(Tally)
    columns = ("at", *_NUMBERS, "waits", "runs")
    for at, succeeded, failed, cancelled, retried, run_seconds, waits, runs in rows.values_list(
        *columns
    ):
        tally = found[step(at)]
        tally.succeeded += succeeded
        tally.failed += failed
        tally.cancelled += cancelled
        tally.retried += retried
        tally.run_seconds += run_seconds
        histograms.add(tally.waits, waits)
        histograms.add(tally.runs, runs)
    return found


def now() -> datetime:
    """Return the database's clock."""
    return dialect().now().astimezone(UTC)


def _moment(moment: datetime) -> Any:
    """Return a moment as Django stores it."""
    return connection().ops.adapt_datetimefield_value(moment)


def _rows() -> QuerySet[Minute]:
    return Minute.objects.using(alias())
