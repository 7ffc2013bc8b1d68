"""Security events: noted by workers in counts, read by people, deleted with the audit."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import F, Q, QuerySet, Subquery
from django.db.models.functions import Now

from holdfast.ledger.database import alias
from holdfast.ledger.models.security import SecurityEvent


class Kind:
    """What was wrong with a message."""

    FORGED_TICKET = "forged ticket"
    FORGED_MESSAGE = "forged message"
    UNSIGNED = "unsigned message"
    MALFORMED = "malformed message"
    UNKNOWN_JOB = "unknown job"


@dataclass(slots=True, kw_only=True)
class Sighting:
    """Messages of one kind that a worker met, and what the first of them says of itself."""

    kind: str
    queue: str = ""
    task: str = ""
    job: str = ""
    worker: UUID | None = None
    digest: str = ""
    size: int = 0
    count: int = 0
    accepted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class EventLine:
    """One row: `count` messages of one kind between `at` and `last_at`, by the database's clock."""

    at: datetime
    last_at: datetime
    kind: str
    queue: str
    task: str
    job: str
    worker: UUID | None
    digest: str
    size: int
    count: int
    accepted: bool
    id: int
    """Rises with each row; `search` goes on behind it."""


_COLUMNS = tuple(EventLine.__dataclass_fields__)


def note(sighting: Sighting) -> int:
    """Write a row; return its number, for those that follow within the minute."""
    row = SecurityEvent(
        at=Now(),
        last_at=Now(),
        kind=sighting.kind,
        queue=_clean(sighting.queue),
        task=_clean(sighting.task),
        job=_clean(sighting.job),
        worker=sighting.worker,
        digest=sighting.digest,
        size=sighting.size,
        count=sighting.count,
        accepted=sighting.accepted,
    )
    row.save(using=alias(), force_insert=True)
    return int(row.pk)


def note_more(row: int, *, count: int) -> None:
    """Add to the count of a row."""
    _rows().filter(id=row).update(count=F("count") + count, last_at=Now())


def lines(*, since: datetime | None = None, limit: int = 100) -> list[EventLine]:
    """Return the latest events, newest first."""
    rows = _rows() if since is None else _rows().filter(last_at__gte=since)
    return [_shown(row) for row in rows.order_by("-id")[:limit]]


def search(
    *,
    kind: str = "",
    since: datetime | None = None,
    until: datetime | None = None,
    before: int | None = None,
    limit: int = 50,
) -> list[EventLine]:
    """Return events by what was wrong and when they began, newest first; with `before`, those behind that one."""
    rows = _rows().filter(kind=kind) if kind else _rows()
    if since is not None:
        rows = rows.filter(at__gte=since)
    if until is not None:
        rows = rows.filter(at__lt=until)
    if before is not None:
        there = Subquery(_rows().filter(id=before).values("at"))
        rows = rows.filter(Q(at__lt=there) | Q(at=there, id__lt=before), at__lte=there)
    return [_shown(row) for row in rows.order_by("-at", "-id")[:limit]]


def prune(*, older_than: timedelta, limit: int) -> int:
    """Delete one batch of old events; return how many."""
    old = _rows().filter(at__lt=Now() - older_than).order_by("at")
    return _rows().filter(id__in=list(old.values_list("id", flat=True)[:limit])).delete()[0]


def _shown(row: SecurityEvent) -> EventLine:
    return EventLine(**{name: getattr(row, name) for name in _COLUMNS})


def _clean(text: str) -> str:
    """Return what a message says of itself, fit to be stored and to be printed on a terminal."""
    return "".join(c if c.isprintable() else "?" for c in text[:255])


def _rows() -> QuerySet[SecurityEvent]:
    return SecurityEvent.objects.using(alias())
