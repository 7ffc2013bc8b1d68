"""One job with all that the ledger keeps of it: its row, its body, its result and the attempts that came before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import OuterRef, Subquery

from holdfast.ledger.database import alias
from holdfast.ledger.models import Attempt, Job, Payload, Result
from holdfast.ledger.records import StoredResult
from holdfast.ledger.states import State


@dataclass(slots=True, kw_only=True)
class PastAttempt:
    """An attempt that is over and did not end its job in success."""

    outcome: str
    worker: UUID | None
    started_at: datetime | None
    error: str
    traceback: str


@dataclass(slots=True, kw_only=True)
class History:
    """One job at one moment; times are those of the database's clock.

    Attributes:
        attempts: how often it was claimed.
        past: the attempts that are over, oldest first; one that runs or has succeeded is on the job itself.
        body: the arguments as they were recorded; None if only the job is left.
        stored: the result, the error or the progress, if there is one.
    """

    id: str
    task: str
    queue: str
    state: State
    token: int
    attempts: int
    reason: str
    recorded_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    worker: UUID | None
    headers: str
    body: bytes | None
    content_type: str
    content_encoding: str
    stored: StoredResult | None
    past: Sequence[PastAttempt]


_ROW = (
    "id",
    "task",
    "queue",
    "token",
    "attempts",
    "reason",
    "recorded_at",
    "started_at",
    "finished_at",
    "worker",
)
_PAYLOAD = ("headers", "body", "content_type", "content_encoding")
_RESULT = ("status", "result", "content_type", "content_encoding", "traceback", "children")


def history_of(job_id: str) -> History | None:
    """Return a job with its body, result and attempts; None if there is none with this id.

    Row, body and result are read by one statement. The attempts come after it; those that ended since are
    left out, so that the whole is one moment of the job's life.
    """
    payload = Payload.objects.using(alias()).filter(job=OuterRef("id"))
    result = Result.objects.using(alias()).filter(id=OuterRef("id"))
    beside = {
        **{f"payload_{name}": Subquery(payload.values(name)) for name in _PAYLOAD},
        **{f"stored_{name}": Subquery(result.values(name)) for name in _RESULT},
    }
    row = (
        Job.objects.using(alias())
        .filter(id=job_id)
        .annotate(**beside)
        .values("state", *_ROW, *beside)
        .first()
    )
    if row is None:
        return None
    body = row["payload_body"]
    return History(
        **{name: row[name] for name in _ROW},
        state=State(row["state"]),
        headers=row["payload_headers"] or "{}",
        body=None if body is None else bytes(body),
        content_type=row["payload_content_type"] or "",
        content_encoding=row["payload_content_encoding"] or "",
        stored=_stored(row),
        past=_past(row),
    )


def _stored(row: dict[str, Any]) -> StoredResult | None:
    if row["stored_status"] is None:
        return None
    values = {name: row[f"stored_{name}"] for name in _RESULT}
    if values["result"] is not None:
        values["result"] = bytes(values["result"])
    return StoredResult(**values)


def _past(row: dict[str, Any]) -> list[PastAttempt]:
    over = row["attempts"]
    if over == 0 or (over == 1 and row["state"] in {State.RUNNING, State.SUCCEEDED}):
        return []
    # Every move raises the token, so an attempt with a lower one was over when the row was read.
    ended = Attempt.objects.using(alias()).filter(job=row["id"], token__lt=row["token"])
    return [
        PastAttempt(**values)
        for values in ended.order_by("id").values(
            "outcome", "worker", "started_at", "error", "traceback"
        )
    ]
