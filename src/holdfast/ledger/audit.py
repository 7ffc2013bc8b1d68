"""Who intervened: one line for each replay, discard, edit and cancelling, in the transaction that makes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Q, QuerySet, Subquery
from django.db.models.functions import Now

from holdfast.ledger.database import alias
from holdfast.ledger.models import Audit


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditLine:
    """One intervention: of one job, or of a batch of `count` jobs."""

    at: datetime
    actor: str
    action: str
    job: str | None
    count: int | None
    detail: str
    id: int = 0
    """Rises with each line; `search` goes on behind it."""


def note(
    action: str,
    *,
    actor: str,
    job: str | None = None,
    count: int | None = None,
    detail: str = "",
) -> None:
    """Write a line, in the transaction that is open."""
    about = {} if job is None else {"job": job}
    Audit.objects.using(alias()).create(
        at=Now(), actor=actor[:255], action=action, count=count, detail=detail, **about
    )


def note_each(action: str, *, actor: str, jobs: Sequence[str]) -> None:
    """Write a line about each job, in the transaction that is open."""
    rows = [Audit(at=Now(), actor=actor[:255], action=action, job=job) for job in jobs]
    Audit.objects.using(alias()).bulk_create(rows, batch_size=500)


def lines(*, job: str | None = None, limit: int = 100) -> list[AuditLine]:
    """Return the latest lines, newest first; with a job, those about it alone."""
    rows = _lines() if job is None else _lines().filter(job=job)
    return [_shown(row) for row in rows.order_by("-id")[:limit]]


def search(
    *,
    actor: str = "",
    action: str = "",
    job: str = "",
    since: datetime | None = None,
    until: datetime | None = None,
    before: int | None = None,
    limit: int = 50,
) -> list[AuditLine]:
    """Return lines by who, what, about which job and when, newest first; with `before`, those behind that line.

    One statement by an index; each of these narrows it. A line that was deleted meanwhile has nothing behind it.
    """
    exact = {"actor": actor, "action": action, "job": job}
    rows = _lines().filter(**{name: value for name, value in exact.items() if value})
    if since is not None:
        rows = rows.filter(at__gte=since)
    if until is not None:
        rows = rows.filter(at__lt=until)
    if before is not None:
        # Where the time of the line is, and not what Python reads of it: SQLite compares times as texts.
        there = Subquery(_lines().filter(id=before).values("at"))
        rows = rows.filter(Q(at__lt=there) | Q(at=there, id__lt=before), at__lte=there)
    return [_shown(row) for row in rows.order_by("-at", "-id")[:limit]]


def actions() -> list[str]:
    """Return the actions that there are lines of, by one short index look each; a hundred at most."""
    found: list[str] = []
    rows = _lines().order_by("action").values_list("action", flat=True)
    action = rows.first()
    while action is not None and len(found) < 100:
        found.append(action)
        action = rows.filter(action__gt=action).first()
    return found


def prune(*, older_than: timedelta, limit: int) -> int:
    """Delete one batch of old lines; return how many."""
    old = _lines().filter(at__lt=Now() - older_than).order_by("at")
    return _lines().filter(id__in=list(old.values_list("id", flat=True)[:limit])).delete()[0]


def _shown(row: Audit) -> AuditLine:
    return AuditLine(
        id=int(row.pk),
        at=row.at,
        actor=row.actor,
        action=row.action,
        job=row.job,
        count=row.count,
        detail=row.detail,
    )


def _lines() -> QuerySet[Audit]:
    return Audit.objects.using(alias())
