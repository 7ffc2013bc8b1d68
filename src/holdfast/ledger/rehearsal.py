"""What a test reads of the ledger and moves in it by hand; nothing of a running site comes here.

A test's ledger is small: everything here reads or writes whole tables.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import F, OrderBy, QuerySet
from django.db.models.expressions import RawSQL
from django.db.models.functions import Now

from holdfast.ledger.database import alias, atomic, connection
from holdfast.ledger.fence import RISE, job_rows
from holdfast.ledger.limiting import limits
from holdfast.ledger.models import Attempt, Chord, ChordPart, Group, Job, Payload, Result
from holdfast.ledger.models.limits import Limited, Place
from holdfast.ledger.models.logs import AttemptLog
from holdfast.ledger.models.pauses import Shelved
from holdfast.ledger.models.unique import UniqueKey
from holdfast.ledger.records import Message, Ticket
from holdfast.ledger.states import OPEN, Hold, State


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One job with what it is called with."""

    id: str
    task: str
    queue: str
    priority: int
    state: State
    hold: str
    reason: str
    due_at: datetime | None
    expires_at: datetime | None
    attempts: int
    failures: int
    losses: int
    message: Message


def rows() -> list[Row]:
    """Return every job, the oldest first."""
    payloads = {payload.job: payload for payload in Payload.objects.using(alias())}
    return [
        Row(
            **{
                name: getattr(job, name)
                for name in Row.__dataclass_fields__
                if name not in {"state", "message"}
            },
            state=State(job.state),
            message=_message(job, payloads[job.id]),
        )
        for job in job_rows().order_by("recorded_at", *_as_written())
        if job.id in payloads
    ]


def queued() -> list[Ticket]:
    """Return the tickets of all jobs that a worker would be given now, in the order of their publication."""
    waiting: QuerySet[Job] = job_rows().filter(state=State.QUEUED)
    found = waiting.order_by("published_at", *_as_written())
    return [Ticket(*row) for row in found.values_list("id", "token", "task", "queue", "priority")]


def let_all_in() -> None:
    """Let every limited job go on whose time has come, whatever its limits say: a test is not to wait for them."""
    while limits.line_up_due(limit=1000):
        pass
    with atomic():
        waiting = job_rows().filter(state=State.HELD, hold=Hold.LIMIT)
        ids = list(waiting.values_list("id", flat=True))
        limits.limited_rows().filter(job__in=ids).update(place=Place.ADMITTED)
        waiting.update(state=State.QUEUED, token=RISE, hold="", published_at=Now())


def bring_forward(by: timedelta) -> None:
    """Make every open job due, and expire, so much earlier: for these rows it is as if the time had passed."""
    waiting = job_rows().filter(state__in=sorted(OPEN))
    with atomic():
        waiting.filter(due_at__isnull=False).update(due_at=F("due_at") - by)
        waiting.filter(expires_at__isnull=False).update(expires_at=F("expires_at") - by)
        taken = UniqueKey.objects.using(alias()).filter(until__isnull=False)
        taken.update(until=F("until") - by)


def erase() -> None:
    """Delete every job and all that belongs to jobs."""
    with atomic():
        for model in (
            Payload,
            Attempt,
            AttemptLog,
            Result,
            ChordPart,
            Chord,
            Group,
            UniqueKey,
            Limited,
            Shelved,
            Job,
        ):
            model.objects.using(alias()).all().delete()


def _message(job: Job, payload: Payload) -> Message:
    return Message(
        job=job.id,
        task=job.task,
        headers=payload.headers,
        body=bytes(payload.body),
        content_type=payload.content_type,
        content_encoding=payload.content_encoding,
    )


def _as_written() -> list[OrderBy | str]:
    """Order rows of the same instant: SQLite's clock has milliseconds, and many rows fit into one."""
    if connection().vendor == "sqlite":
        return [OrderBy(RawSQL("holdfast_job.rowid", []))]
    return ["id"]
