"""Dead letters as people look for them: selected by what they have in common, in batches, never all at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import (
    Count,
    Exists,
    F,
    Max,
    Min,
    OuterRef,
    Q,
    QuerySet,
    TextField,
    Value,
)
from django.db.models.functions import Cast, Length, Now

from holdfast.ledger.database import alias, connection
from holdfast.ledger.fence import job_rows
from holdfast.ledger.models import Attempt, Job, Payload
from holdfast.ledger.reads.search.parts import DEAD
from holdfast.ledger.records import Message
from holdfast.ledger.states import Reason, State


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What dead letters are selected by; None does not select."""

    task: str | None = None
    queue: str | None = None
    reason: str | None = None
    error: str | None = None
    fingerprint: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    ids: tuple[str, ...] | None = None
    batches: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """The row of one dead letter, with the error of its last attempt."""

    id: str
    token: int
    task: str
    queue: str
    state: str
    reason: str
    fingerprint: str
    attempts: int
    failures: int
    losses: int
    recorded_at: datetime
    finished_at: datetime
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Dead letters with one cause: how many there are, the first and the last, and what one of them said."""

    fingerprint: str
    task: str
    reason: str
    error: str
    count: int
    first: datetime
    last: datetime
    sample: str = ""
    """The id of the one that said so."""


@dataclass(frozen=True, slots=True)
class Place:
    """How far a walk has come: the end and the id of the last job it has seen."""

    # SQLite compares times as texts, and a text that went through Python may have got more digits.
    finished_at: datetime | str
    id: str


def count(wanted: Wanted) -> int:
    """Count dead letters."""
    return _selected(wanted).count()


def clock() -> datetime | None:
    """Return the database's clock as rows are stamped with it; None if there is no dead letter."""
    rows = _selected(Wanted()).annotate(now=Now())
    # In the order of the index: in the order of the key it would read history until it meets one.
    now: datetime | None = rows.order_by("finished_at").values_list("now", flat=True).first()
    return now


def batch(wanted: Wanted, *, after: Place | None, limit: int) -> tuple[list[Letter], Place | None]:
    """Return the next dead letters of a walk, in the order of their ends, and how far it has come."""
    found = list(_page(wanted, after=after)[:limit])
    errors = last_errors([job.id for job in found])
    place = Place(found[-1].place, found[-1].id) if found else after
    return [_letter(job, errors.get(job.id, "")) for job in found], place


def latest(wanted: Wanted, *, limit: int) -> list[Letter]:
    """Return the dead letters that ended last, the newest first."""
    found = list(_selected(wanted).order_by("-finished_at", "-id")[:limit])
    errors = last_errors([job.id for job in found])
    return [_letter(job, errors.get(job.id, "")) for job in found]


def tokens(
    wanted: Wanted, *, after: Place | None, limit: int
) -> tuple[dict[str, int], Place | None]:
    """Return id and token of the next dead letters of a walk, and how far it has come."""
    found = list(_page(wanted, after=after).values_list("id", "token", "place")[:limit])
    place = Place(found[-1][2], found[-1][0]) if found else after
    return {id: token for id, token, _ in found}, place


def groups(wanted: Wanted) -> list[Group]:
    """Return the selected dead letters by cause, the most frequent first."""
    rows = list(
        _selected(wanted)
        .order_by()
        .values("fingerprint", "task", "state", "reason")
        .annotate(
            n=Count("id"), first=Min("finished_at"), last=Max("finished_at"), sample=Max("id")
        )
        .order_by("-n", "-last")
    )
    errors: dict[str, str] = {}
    for start in range(0, len(rows), 500):
        errors |= last_errors([row["sample"] for row in rows[start : start + 500]])
    return [
        Group(
            fingerprint=row["fingerprint"],
            task=row["task"],
            reason=_reason(row["state"], row["reason"]),
            error=errors.get(row["sample"], ""),
            count=row["n"],
            first=row["first"],
            last=row["last"],
            sample=row["sample"],
        )
        for row in rows
    ]


def last_errors(ids: Sequence[str]) -> dict[str, str]:
    """Return the error of each job's latest attempt that did not succeed."""
    rows = Attempt.objects.using(alias()).filter(job__in=ids).order_by("id")
    return dict(rows.values_list("job", "error"))


def messages(ids: Sequence[str]) -> dict[str, Message]:
    """Return what jobs are called with."""
    tasks = dict(job_rows().filter(id__in=ids).values_list("id", "task"))
    return {
        row.job: Message(
            job=row.job,
            task=tasks[row.job],
            headers=row.headers,
            body=bytes(row.body),
            content_type=row.content_type,
            content_encoding=row.content_encoding,
        )
        for row in Payload.objects.using(alias()).filter(job__in=ids)
        if row.job in tasks
    }


def small_messages(tasks: Mapping[str, str], *, largest: int) -> dict[str, Message]:
    """Return what jobs are called with, given with their tasks, where that has so many bytes at most; one statement."""
    rows = Payload.objects.using(alias()).filter(job__in=list(tasks))
    return {
        row.job: Message(
            job=row.job,
            task=tasks[row.job],
            headers=row.headers,
            body=bytes(row.body),
            content_type=row.content_type,
            content_encoding=row.content_encoding,
        )
        for row in rows.annotate(size=Length("body")).filter(size__lte=largest)
    }


def _page(wanted: Wanted, *, after: Place | None) -> Any:
    is_text = connection().vendor == "sqlite"
    place: Any = Cast("finished_at", TextField()) if is_text else F("finished_at")
    rows = _selected(wanted).annotate(place=place).order_by("finished_at", "id")
    if after is None:
        return rows
    there: Any = Value(after.finished_at, TextField()) if is_text else after.finished_at
    behind = Q(finished_at=there, id__gt=after.id) | Q(finished_at__gt=there)
    # An index serves the range, and not the alternative.
    return rows.filter(behind, finished_at__gte=there)


def _selected(wanted: Wanted) -> QuerySet[Job]:
    # So that SQLite takes the index of dead letters.
    rows = DEAD.rows().filter(finished_at__isnull=False)
    exact = {
        "task": wanted.task,
        "queue": wanted.queue,
        "fingerprint": wanted.fingerprint,
        "finished_at__gte": wanted.since,
        "finished_at__lte": wanted.until,
        "id__in": wanted.ids,
        "batch_id__in": wanted.batches,
    }
    rows = rows.filter(**{key: value for key, value in exact.items() if value is not None})
    if wanted.reason is not None:
        reason = Q(reason=wanted.reason)
        if wanted.reason == Reason.ERROR:
            # Failures of a release that did not say why.
            reason |= Q(reason="", state=State.FAILED)
        rows = rows.filter(reason)
    if wanted.error is not None:
        last = Attempt.objects.using(alias()).filter(
            job=OuterRef("id"), number=OuterRef("attempts")
        )
        rows = rows.filter(Exists(last.filter(error__icontains=wanted.error)))
    return rows


def _letter(job: Job, error: str) -> Letter:
    assert job.finished_at is not None
    return Letter(
        id=job.id,
        token=job.token,
        task=job.task,
        queue=job.queue,
        state=State(job.state).name.lower(),
        reason=_reason(job.state, job.reason),
        fingerprint=job.fingerprint,
        attempts=job.attempts,
        failures=job.failures,
        losses=job.losses,
        recorded_at=job.recorded_at,
        finished_at=job.finished_at,
        error=error,
    )


def _reason(state: int, reason: str) -> str:
    return Reason.ERROR if state == State.FAILED and not reason else reason
