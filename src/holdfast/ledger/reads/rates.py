"""How many jobs end, how, and how long they wait and run: series of minutes for charts, and what takes the most time.

Read from the minutes that have been counted (`holdfast.ledger.minutes`): at most one row for each minute of a series,
whatever the ledger holds. What ended since the last of them is counted from the jobs that ended since, of three minutes
at most. Percentiles are estimates: read off histograms, at most a quarter off.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from django.db.models import F, Sum

from holdfast.ledger import histograms, minutes, tallies
from holdfast.ledger.database import alias
from holdfast.ledger.histograms import Histogram, quantile
from holdfast.ledger.minutes import MINUTE
from holdfast.ledger.models.minutes import Minute
from holdfast.ledger.tallies import Tallies, Tally

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
# Longest time since the last counted minute that is counted by whoever asks.
TAIL = timedelta(minutes=3)
# How much of a series one point stands for, by the length of the series.
_STEPS = ((timedelta(hours=3), MINUTE), (timedelta(hours=12), 5 * MINUTE), (DAY, 10 * MINUTE))
_LONGEST_STEP = HOUR


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Estimated percentiles of some lengths of time, in seconds; None where there is nothing to tell of."""

    p50: float | None = None
    p95: float | None = None
    p99: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """The jobs that ended in a stretch of time."""

    at: datetime
    """Where it begins, by the database's clock."""
    seconds: float
    """How long it is; the last one of a series is still under way."""
    succeeded: int = 0
    failed: int = 0
    """Became dead letters: failed, or dead."""
    cancelled: int = 0
    """Were cancelled, or expired."""
    retried: int = 0
    """Attempts that these jobs took beyond one each."""
    run_seconds: float = 0.0
    """How long those that succeeded or failed ran, together."""
    wait: Spread = field(default_factory=Spread)
    """From the time they were put on the broker until a worker took them; of those that succeeded or failed."""
    run: Spread = field(default_factory=Spread)

    @property
    def ended(self) -> int:
        """How many ended in any way."""
        return self.succeeded + self.failed + self.cancelled

    @property
    def per_second(self) -> float:
        """How many ended in a second."""
        return self.ended / self.seconds if self.seconds else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """What became of the jobs of a task, of a queue, or of all, in steps of equal length."""

    task: str
    """Empty: of all tasks."""
    queue: str
    """Empty: of all queues."""
    step_seconds: float
    points: list[Point]
    """Oldest first, without gaps."""
    whole: Point
    """The same in one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tail:
    """What ended since the last counted minute, by task and queue."""

    since: datetime
    """Up to here minutes are counted."""
    until: datetime
    parts: Sequence[tuple[datetime, Tallies]] = ()
    """(since, tallies) of pieces that lie in one minute each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskTime:
    """What one task took in some time."""

    task: str
    """"*" stands for all tasks that are not told apart: the most frequent 100 of a minute are."""
    ended: int
    """Succeeded or failed."""
    failed: int
    run_seconds: float
    """How long its jobs ran, together."""
    share: float
    """Of the time that all tasks ran."""
    run: Spread


def count_tail() -> Tail:
    """Count what ended since the last counted minute: it reads the jobs that ended since, of `TAIL` at most."""
    now = minutes.now()
    counted = minutes.counted_until(now=now)
    since = max(counted, now - TAIL)
    parts = []
    # By the minute, so that a chart can tell them apart.
    while since < now:
        until = min(minutes.begin_of(since) + MINUTE, now)
        parts.append((since, minutes.ended_between(since, until)))
        since = until
    return Tail(since=counted, until=now, parts=parts)


def series(
    span: timedelta = HOUR, *, task: str = "", queue: str = "", tail: Tail | None = None
) -> Series:
    """Return what became of jobs in the last so much time: by the minute up to three hours, then in longer steps.

    One row is read for each minute of `span`, by an index, and what `count_tail` reads; or its answer is given.

    Raises:
        ValueError: both a task and a queue are named; minutes tell one of them apart at a time.
    """
    if task and queue:
        raise ValueError(
            "Say task=... or queue=..., one of the two: minutes are not counted by both"
        )
    end = tail or count_tail()
    step = next((step for longest, step in _STEPS if span <= longest), _LONGEST_STEP)
    begin = _floor(end.until - span, step)
    found = minutes.added(
        begin, end.since, task=task, queue=queue, step=lambda at: _floor(at, step)
    )
    for since, counted in end.parts:
        found[_floor(since, step)].add(tallies.of(counted, task=task, queue=queue))
    points = []
    at = begin
    while at < end.until:
        length = min(step, end.until - at)
        points.append(point(found.get(at) or Tally(), at=at, seconds=length.total_seconds()))
        at += step
    whole = tallies.total(tally for at, tally in found.items() if at >= begin)
    return Series(
        task=task,
        queue=queue,
        step_seconds=step.total_seconds(),
        points=points,
        whole=point(whole, at=begin, seconds=(end.until - begin).total_seconds()),
    )


def top_tasks(span: timedelta = HOUR, *, limit: int = 10) -> list[TaskTime]:
    """Return the tasks that ran longest in the counted minutes of the last so much time, the longest first.

    Adds up, in the database, the rows of these minutes: at most 202 each; then reads those of the first tasks.
    """
    now = minutes.now()
    within = Minute.objects.using(alias()).filter(at__gte=now - span, at__lte=now)
    rows = (
        within.filter(queue="")
        .exclude(task="")
        .order_by()
        .values("task")
        .annotate(
            ran=Sum("run_seconds"), bad=Sum("failed"), ended=Sum(F("succeeded") + F("failed"))
        )
    )
    summed = sorted(rows, key=lambda row: (-row["ran"], row["task"]))
    whole = sum(row["ran"] for row in summed)
    first = summed[:limit]
    runs: dict[str, Histogram] = {row["task"]: Histogram() for row in first}
    for task, text in within.filter(queue="", task__in=runs).values_list("task", "runs"):
        histograms.add(runs[task], text)
    return [
        TaskTime(
            task=row["task"],
            ended=row["ended"],
            failed=row["bad"],
            run_seconds=row["ran"],
            share=row["ran"] / whole if whole else 0.0,
            run=spread(runs[row["task"]]),
        )
        for row in first
    ]


def point(tally: Tally, *, at: datetime, seconds: float) -> Point:
    """Return what was counted as a point."""
    return Point(
        at=at,
        seconds=seconds,
        succeeded=tally.succeeded,
        failed=tally.failed,
        cancelled=tally.cancelled,
        retried=tally.retried,
        run_seconds=tally.run_seconds,
        wait=spread(tally.waits),
        run=spread(tally.runs),
    )


def spread(histogram: Histogram) -> Spread:
    """Return the percentiles of a histogram."""
    p50, p95, p99 = (quantile(histogram, share) for share in (0.5, 0.95, 0.99))
    return Spread(p50=p50, p95=p95, p99=p99)


def _floor(moment: datetime, step: timedelta) -> datetime:
    moment = moment.astimezone(UTC)
    day = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    return day + (moment - day) // step * step
