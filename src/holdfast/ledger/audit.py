"""Who intervened: one line for each replay, discard, edit and cancelling, in the transaction that makes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import QuerySet
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
    return [
        AuditLine(
            at=row.at,
            actor=row.actor,
            action=row.action,
            job=row.job,
            count=row.count,
            detail=row.detail,
        )
        for row in rows.order_by("-id")[:limit]
    ]


def prune(*, older_than: timedelta, limit: int) -> int:
    """Delete one batch of old lines; return how many."""
    old = _lines().filter(at__lt=Now() - older_than).order_by("at")
    return _lines().filter(id__in=list(old.values_list("id", flat=True)[:limit])).delete()[0]


def _lines() -> QuerySet[Audit]:
    return Audit.objects.using(alias())
