"""Sums that only rise: what became of jobs since counting began, for those who compare two moments, as metrics do.

A minute is added by the transaction that writes it, so it is in the sums once, whoever counts and however often. What
if it dies here? Then neither is written, and whoever has the duty next writes both. Calls are counted by the time in
their ids, half a minute late: one whose transaction commits later than that is in no sum. A job whose id says nothing
of a time, as those of steps of a workflow and those that a caller chose, is counted with its end: again if a replay
ends it again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from holdfast.ledger import histograms
from holdfast.ledger.clocks import NOW
from holdfast.ledger.database import alias, atomic, connection, dialect
from holdfast.ledger.ids import TELLS_TIME, bound_at, minted_at
from holdfast.ledger.models.totals import Total
from holdfast.ledger.moments import as_moment
from holdfast.ledger.tallies import ALL, MOST_NAMES, OTHERS, Key, Tallies, Tally

# A sum in which nothing was counted for so long makes room.
KEPT = timedelta(days=60)
# From the time in its id on, until a call is counted.
LATE = timedelta(seconds=30)
MINUTE = timedelta(minutes=1)
# So far beyond what can be counted a call is looked for: all that is younger, by clocks that are a bit fast, too.
AHEAD = LATE + MINUTE
_COUNT = f"SELECT task, queue, count(*) FROM holdfast_job WHERE id >= %s AND id < %s AND {TELLS_TIME} GROUP BY 1, 2"
_LOOK = "SELECT {now}, (SELECT id FROM holdfast_job WHERE id >= %s ORDER BY id LIMIT 1)"


@dataclass(frozen=True, slots=True)
class Sum:
    """What was counted of a task, of a queue, or, with neither, of all; "*" are those that are not told apart."""

    task: str
    queue: str
    tally: Tally


def sums() -> list[Sum]:
    """Return all sums: one statement, and a row for each task and queue, some 400 at most."""
    return [
        Sum(
            row.task,
            row.queue,
            Tally(
                recorded=row.recorded,
                succeeded=row.succeeded,
                failed=row.failed,
                cancelled=row.cancelled,
                retried=row.retried,
                run_seconds=row.run_seconds,
                waits=histograms.read(row.waits),
                runs=histograms.read(row.runs),
            ),
        )
        for row in _rows().order_by("task", "queue")
    ]


def add(more: Tallies) -> None:
    """Add what was counted of all, by task and by queue; in the caller's transaction, and of two the second waits."""
    before = _locked(more)
    if ALL not in before:
        _make_all()
        before = _locked(more)
    if unknown := [key for key in more if key not in before]:
        more = _folded(more, unknown)
        before |= _locked({key: one for key, one in more.items() if key not in before})
    rows = [_added(before.get(key), key, tally) for key, tally in sorted(more.items())]
    _rows().bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["task", "queue"],
        update_fields=[*_NUMBERS, "waits", "runs", "changed_at"],
    )


def begin_recorded() -> datetime:
    """Return up to which time in their ids calls are counted; the first who asks lets it begin now."""
    until = _recorded_until()
    if until is None:
        with atomic():
            _make_all()
            _all().filter(recorded_until=None).update(recorded_until=dialect().now() - LATE)
        until = _recorded_until()
        assert until is not None
    return until


def next_recorded(since: datetime) -> tuple[datetime, datetime | None]:
    """Return up to when calls can be counted now, and when the first of them from a moment on was made; None: there is
    none. One that is counted only later is told as well. One look into the index of ids.
    """
    here = connection()
    first = bound_at(since)
    with here.cursor() as cursor:
        cursor.execute(_LOOK.format(now=NOW[here.vendor]), [first])
        now, id = cursor.fetchone()
    until = as_moment(now) - LATE
    # The ids of callers and workflows mostly sort behind all that are made by the clock.
    if id is None or id >= bound_at(until + AHEAD):
        return until, None
    return until, max(since, minted_at(id) or since)


def count_recorded(since: datetime, until: datetime, *, before: datetime) -> int | None:
    """Add the calls whose ids were made in a stretch of time; return how many, None if somebody else has moved on.

    It reads these calls, by their ids.

    Args:
        since: the beginning of it.
        until: its end, from which the next one goes on.
        before: up to when calls were counted, as whoever asks knows it.
    """
    found: dict[Key, Tally] = defaultdict(Tally)
    with connection().cursor() as cursor:
        cursor.execute(_COUNT, [bound_at(since), bound_at(until)])
        for task, queue, n in cursor.fetchall():
            for key in (ALL, (task, ""), ("", queue)):
                found[key].recorded += n
    with atomic():
        if not _all().filter(recorded_until=before).update(recorded_until=until):
            return None
        if found:
            add(found)
    return found[ALL].recorded


def prune() -> int:
    """Delete the sums of tasks and queues of which nothing was counted for two months; return how many."""
    old = _rows().filter(changed_at__lt=Now() - KEPT).exclude(Q(task="", queue="") | _of_others())
    return old.delete()[0] if old.exists() else 0


_NUMBERS = ("recorded", "succeeded", "failed", "cancelled", "retried", "run_seconds")


def _recorded_until() -> datetime | None:
    return _all().values_list("recorded_until", flat=True).first()


def _make_all() -> None:
    """Make the row of all, unless it is there."""
    _rows().bulk_create([Total(task="", queue="", changed_at=Now())], ignore_conflicts=True)


def _locked(keys: Iterable[Key]) -> dict[Key, Total]:
    """Return the rows of these keys, and of all; the row of all comes first, and keeps others out until the commit."""
    wanted = {ALL, *keys}
    rows = _rows().filter(
        Q(queue="", task__in={task for task, queue in wanted if not queue})
        | Q(task="", queue__in={queue for task, queue in wanted if not task})
    )
    found = rows.order_by("task", "queue").select_for_update()
    return {(row.task, row.queue): row for row in found}


def _folded(more: Tallies, unknown: Iterable[Key]) -> dict[Key, Tally]:
    """Return the same with no more names than there may be: those that come later are counted as one."""
    names = list(_rows().values_list("task", "queue"))
    left = [MOST_NAMES - sum(bool(key[kind]) for key in names) for kind in (0, 1)]
    late = set()
    for key in sorted(unknown):
        kind = 1 if key[1] else 0
        if OTHERS not in key:
            left[kind] -= 1
            if left[kind] < 0:
                late.add(key)
    found: dict[Key, Tally] = defaultdict(Tally)
    for key, tally in more.items():
        others = (OTHERS, "") if key[0] else ("", OTHERS)
        found[others if key in late else key].add(tally)
    return dict(found)


def _added(before: Total | None, key: Key, tally: Tally) -> Total:
    """Return a new row in place of the one before, which an insert that meets it updates."""
    old = before or Total(task=key[0], queue=key[1])
    numbers = {name: getattr(old, name) + getattr(tally, name) for name in _NUMBERS}
    waits, runs = histograms.read(old.waits), histograms.read(old.runs)
    waits.update(tally.waits)
    runs.update(tally.runs)
    return Total(
        task=old.task,
        queue=old.queue,
        changed_at=Now(),
        waits=histograms.write(waits),
        runs=histograms.write(runs),
        **numbers,
    )


def _of_others() -> Q:
    return Q(task=OTHERS) | Q(queue=OTHERS)


def _all() -> QuerySet[Total]:
    return _rows().filter(task="", queue="")


def _rows() -> QuerySet[Total]:
    return Total.objects.using(alias())
