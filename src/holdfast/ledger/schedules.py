"""The statements of schedules: what is decided of each, and the rows of its occurrences; clocks are the database's.

Run by `celery beat`, and by whoever looks at schedules. A decision and what it makes are one transaction: the caller
opens it, `decide` is the fence in it, and a process that dies before the commit has decided nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import OuterRef, QuerySet, Subquery
from django.db.models.functions import Now

from holdfast.ledger import pauses
from holdfast.ledger.clocks import has_lapsed
from holdfast.ledger.database import alias, atomic, connection
from holdfast.ledger.models import Duty
from holdfast.ledger.models.schedules import Decision, Occurrence, Schedule
from holdfast.ledger.pauses import Paused

__all__ = ["Decided", "Decision", "Standing"]

DUTY = "schedules"
# How the reason of an occurrence begins that was skipped because its schedule was paused.
PAUSED = "paused"
MOST_OF_LATE = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What is decided of a schedule: every due time up to `decided_until`, which rises with each decision."""

    timing: str
    anchor_at: datetime
    decided_until: datetime
    active: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """One occurrence: its due time, and what became of it."""

    due_at: datetime
    outcome: str
    job: str | None = None
    reason: str = ""


def standings(names: Collection[str] | None = None) -> dict[str, Standing]:
    """Return what is decided of each schedule by name; of all without names."""
    rows = _schedules() if names is None else _schedules().filter(name__in=names)
    return {
        row.name: Standing(
            timing=row.timing,
            anchor_at=row.anchor_at,
            decided_until=row.decided_until,
            active=row.active,
        )
        for row in rows
    }


def begin(begun: Mapping[str, Standing]) -> dict[str, Standing]:
    """Take schedules up from a moment on: those never seen, those that were gone, those with another timing.

    Nothing before the moment is an occurrence. Of two that begin one at once the first counts. Returns what stands.
    """
    rows = [
        Schedule(
            name=name,
            timing=one.timing,
            anchor_at=one.anchor_at,
            decided_until=one.decided_until,
        )
        for name, one in begun.items()
    ]
    _schedules().bulk_create(rows, batch_size=500, ignore_conflicts=True)
    standing = standings(begun.keys())
    for name, one in begun.items():
        before = standing[name]
        if before.timing == one.timing and before.active:
            continue
        standing[name] = replace(one, decided_until=max(before.decided_until, one.decided_until))
        read = _schedules().filter(name=name, decided_until=before.decided_until)
        read.update(**asdict(standing[name]))
    return standing


def begin_again(name: str, before: Standing, *, at: datetime) -> Standing | None:
    """Let a schedule go on from a moment that lies before what is decided; None: somebody else has moved it.

    Its due times are other ones from there on, or they would have been decided already.
    """
    after = replace(before, anchor_at=at, decided_until=at)
    read = _schedules().filter(name=name, decided_until=before.decided_until, timing=before.timing)
    return after if read.update(anchor_at=at, decided_until=at) else None


def put_away(names: Iterable[str]) -> int:
    """Note that no source names these schedules any more: if one comes back, it begins anew."""
    return _schedules().filter(name__in=list(names), active=True).update(active=False)


def decide(name: str, *, since: datetime, decided: Sequence[Decided]) -> Sequence[Decided] | None:
    """Write what became of the due times that come next, oldest first; inside the caller's transaction.

    Returns those that are written now; one that has its row already is left out, and nothing may be made of it.
    None: somebody else has decided them, nothing is written. The row of the schedule stays locked until the
    caller commits: of two that decide at once, one waits and is told None. Of a schedule that is paused they are
    written as skipped: look at what is returned before anything is made of it.
    """
    until = decided[-1].due_at
    if not _schedules().filter(name=name, decided_until=since).update(decided_until=until):
        return None
    # After the lock: a pause that has committed by now is seen, and one that comes now waits for this commit.
    pause = pauses.schedule_pause(name)
    if pause is not None:
        decided = [_heeding(pause, one) for one in decided]
    there = set(
        Occurrence.objects.using(alias())
        .filter(schedule=name, due_at__in=[one.due_at for one in decided])
        .values_list("due_at", flat=True)
    )
    new = [one for one in decided if one.due_at not in there]
    Occurrence.objects.using(alias()).bulk_create([_row(name, one) for one in new])
    return new


def is_being_decided(name: str) -> bool:
    """Tell whether a decision on a schedule is under way that began before now; outside of transactions.

    On SQLite the transaction of a decision keeps all other writers out, so there is none beside the caller.
    """
    if connection().vendor != "postgresql":
        return False
    row = _schedules().filter(name=name)
    with atomic():
        return row.exists() and row.select_for_update(skip_locked=True).first() is None


def note(name: str, decided: Decided) -> None:
    """Write an occurrence that no timing asked for."""
    _row(name, decided).save(using=alias(), force_insert=True)


def correct(name: str, decided: Decided) -> None:
    """Write another job, and why, to an occurrence of the caller's transaction."""
    rows = Occurrence.objects.using(alias()).filter(schedule=name, due_at=decided.due_at)
    rows.update(job=decided.job, reason=decided.reason[:2000])


def last_occurrences(names: Collection[str]) -> dict[str, Decided]:
    """Return the latest occurrence of each schedule by name: one look into the index for each."""
    latest = (
        Occurrence.objects.using(alias())
        .filter(schedule=OuterRef("name"))
        .order_by("-due_at")
        .values("pk")[:1]
    )
    rows = _schedules().filter(name__in=names).annotate(last=Subquery(latest))
    last = Occurrence.objects.using(alias()).filter(
        pk__in=[row.last for row in rows if row.last is not None]
    )
    return {
        row.schedule: Decided(
            due_at=row.due_at, outcome=row.outcome, job=row.job, reason=row.reason
        )
        for row in last
    }


def of_late(outcome: str, *, seconds: float) -> dict[str, tuple[int, str]]:
    """Return by schedule how many of its due times came to this in the last so many seconds, and why the latest did.

    Of the 1,000 that were decided last.
    """
    rows = (
        Occurrence.objects.using(alias())
        .filter(decided_at__gt=Now() - timedelta(seconds=seconds), outcome=outcome)
        .order_by("-decided_at")
        .values_list("schedule", "reason")
    )
    found: dict[str, tuple[int, str]] = {}
    for name, reason in rows[:MOST_OF_LATE]:
        count, latest = found.get(name, (0, reason))
        found[name] = (count + 1, latest)
    return found


def duty_holder() -> tuple[UUID | None, bool]:
    """Return who holds the duty of the schedules, and whether another scheduler may take it now."""
    row = (
        Duty.objects.using(alias())
        .filter(name=DUTY)
        .annotate(now=Now())
        .values_list("holder", "until", "seconds", "now")
        .first()
    )
    if row is None:
        return None, True
    holder, until, seconds, now = row
    return holder, holder is None or has_lapsed(until, seconds, moments=[now])


def prune(*, older_than: timedelta, limit: int) -> int:
    """Delete one batch of old occurrences, and the schedules that are gone as long; return how many rows.

    What prevents a second job for a due time is `decided_until`, which stays.
    """
    gone = _schedules().filter(active=False, decided_until__lt=Now() - older_than)
    old = Occurrence.objects.using(alias()).filter(decided_at__lt=Now() - older_than)
    ids = list(old.order_by("decided_at").values_list("pk", flat=True)[:limit])
    count = Occurrence.objects.using(alias()).filter(pk__in=ids).delete()[0] if ids else 0
    if gone.exists():
        count += gone.delete()[0]
    return count


def _heeding(pause: Paused, one: Decided) -> Decided:
    """Skip what would make a job, and all that came due in the pause; what was missed before it stays so."""
    if one.outcome != Decision.FIRED and one.due_at < pause.at:
        return one
    by = f" by {pause.by}" if pause.by else ""
    reason = f"{PAUSED}{by}" + (f": {pause.reason}" if pause.reason else "")
    return replace(one, outcome=Decision.SKIPPED, job=None, reason=reason)


def _row(name: str, decided: Decided) -> Occurrence:
    return Occurrence(
        schedule=name,
        due_at=decided.due_at,
        outcome=decided.outcome,
        job=decided.job,  # type: ignore[misc]  # the stub of CharField is not generic in null
        reason=decided.reason[:2000],
        decided_at=Now(),
    )


def _schedules() -> QuerySet[Schedule]:
    return Schedule.objects.using(alias())
