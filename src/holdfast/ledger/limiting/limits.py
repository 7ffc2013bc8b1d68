"""The rows of limits: who takes part in which, where each job stands, and what a limit allows; no admission here.

What if it dies here? Every function is one transaction or part of the caller's. No limit's row is locked in a
transaction that records jobs: producers never wait for each other.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Case, Min, QuerySet, When
from django.db.models.functions import Now

from holdfast.ledger import audit
from holdfast.ledger.database import alias, atomic
from holdfast.ledger.dialects.places import places_of
from holdfast.ledger.fence import RISE, job_rows, lock
from holdfast.ledger.limiting.bounds import Bounds
from holdfast.ledger.models.limits import Limit, Limited, Place
from holdfast.ledger.records import NewJob, Use
from holdfast.ledger.states import Hold, State

UNDER_WAY = (State.QUEUED, State.RUNNING)


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitRow:
    """A limit as it stands."""

    name: str
    declared: Bounds
    override: Bounds | None
    changed_at: datetime

    @property
    def bounds(self) -> Bounds:
        """What holds: what was set at run time, else what the code says."""
        return self.declared if self.override is None else self.override


def declare(bounds: Mapping[str, Bounds], *, overwrite: bool) -> None:
    """Write limits that are not there; with `overwrite` bring those that are up to what the code says."""
    known = dict(limit_rows().filter(name__in=bounds).values_list("name", "declared"))
    new = [
        Limit(name=name, declared=its.as_text(), changed_at=Now())
        for name, its in sorted(bounds.items())
        if name not in known
    ]
    if new:
        Limit.objects.using(alias()).bulk_create(new, ignore_conflicts=True)
    if overwrite:
        for name, text in sorted(known.items()):
            if text != bounds[name].as_text():
                limit_rows().filter(name=name).update(
                    declared=bounds[name].as_text(), changed_at=Now()
                )


def override(name: str, bounds: Bounds | None, *, actor: str) -> bool:
    """Set what holds from now on, whatever the code says, or let the code's bounds hold again; False: no such limit."""
    with atomic():
        text = "" if bounds is None else bounds.as_text()
        found = limit_rows().filter(name=name).update(override=text, changed_at=Now())
        if found:
            audit.note("limit", actor=actor, detail=f"{name}: {text or 'as the code says'}")
        return bool(found)


def find(names: Iterable[str] | None = None) -> list[LimitRow]:
    """Return limits by name, or all of them."""
    rows = limit_rows() if names is None else limit_rows().filter(name__in=list(names))
    return [
        LimitRow(
            name=row.name,
            declared=Bounds.from_text(row.declared),
            override=Bounds.from_text(row.override) if row.override else None,
            changed_at=row.changed_at,
        )
        for row in rows.order_by("name")
    ]


def take_part(jobs: Iterable[NewJob]) -> None:
    """Note the limits of jobs that have taken the place of others, in the same transaction."""
    rows = [
        Limited(
            job=row.job,
            name=row.limit,
            key=row.key,
            weight=row.weight,
            rank=row.rank,
            place=row.place,
        )
        for row in places_of(jobs)
    ]
    Limited.objects.using(alias()).bulk_create(rows)


def forget(job_ids: Collection[str]) -> None:
    """Delete where jobs stand: they are gone, or take part in other limits from now on."""
    limited_rows().filter(job__in=job_ids).delete()


def line_up(job_ids: Collection[str]) -> None:
    """Let held jobs wait at the first of their limits; in the transaction that moves them."""
    rows = limited_rows().filter(job__in=job_ids)
    firsts = rows.order_by().values("job").annotate(first=Min("id")).values("first")
    rows.update(
        place=Case(
            When(id__in=list(firsts.values_list("first", flat=True)), then=Place.WAITING),
            default=Place.AWAY,
        )
    )


def stand_away(job_ids: Collection[str]) -> None:
    """Take jobs out of all lines, and give back what they had of their limits; in the transaction that moves them."""
    limited_rows().filter(job__in=job_ids).update(place=Place.AWAY)


def line_up_due(*, limit: int) -> int:
    """Let limited jobs whose time has come wait at their limits; return how many."""
    due = job_rows().filter(state=State.HELD, limited=True, due_at__lte=Now())
    # A look takes no lock.
    if not due.exists():
        return 0
    with atomic():
        first = list(due.order_by("due_at").values_list("id", flat=True)[:limit])
        ids = list(lock(due.filter(id__in=first), wait=False).values_list("id", flat=True))
        with_place = set(limited_rows().filter(job__in=ids).values_list("job", flat=True))
        job_rows().filter(id__in=with_place).update(hold=Hold.LIMIT, due_at=None, token=RISE)
        line_up(with_place)
        # Nothing says what they take of which limit: a ledger put together by hand. They go on without.
        job_rows().filter(id__in=set(ids) - with_place).update(limited=False)
    return len(ids)


def uses_of(job_id: str) -> list[Use]:
    """Return what a job takes of its limits while it is under way."""
    rows = limited_rows().filter(job=job_id).order_by("id")
    return [Use(*row) for row in rows.values_list("name", "key", "weight")]


def limit_rows() -> QuerySet[Limit]:
    """Return all limits."""
    return Limit.objects.using(alias())


def limited_rows() -> QuerySet[Limited]:
    """Return where all jobs stand at their limits."""
    return Limited.objects.using(alias())
