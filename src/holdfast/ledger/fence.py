"""The fence around every move of a job: which rows it may hit, and the token it leaves behind.

A move out of running hits a row only while it is still running with the token and the worker of the
attempt that asks. Every move raises the token, and no token is used twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import IntEnum
from typing import Any

from django.db.models import F, OuterRef, QuerySet, Subquery
from django.db.models.functions import Now

from holdfast.exceptions import JobMoved
from holdfast.ledger import logs
from holdfast.ledger.database import alias, atomic, dialect
from holdfast.ledger.fingerprints import fingerprint
from holdfast.ledger.marks import transaction_mark
from holdfast.ledger.models import Attempt, Job, Worker
from holdfast.ledger.records import Hold
from holdfast.ledger.states import DEAD_LETTERS, OPEN, Outcome, Reason, State

RISE = F("token") + 1
# The outcomes that are failures, each with what stands for the class of an error that there is none of.
FAILURES = {
    Outcome.FAILED: Reason.ERROR,
    Outcome.RETRIED: "retry",
    # A loss is counted with the dead letters that so many of them make.
    Outcome.LOST: Reason.POISON,
    Outcome.REJECTED: Reason.REJECTED,
}
WORKER_NAME = Subquery(Worker.objects.filter(id=OuterRef("worker")).values("name")[:1])


class Left(IntEnum):
    """How an attempt that asked to leave has left; false if it did not stand any more."""

    NOT = 0
    AS_ASKED = 1
    CANCELLED = 2
    """Its job would have gone on, but somebody had asked it to stop."""


def cancelled(reason: str = Reason.CANCELLED) -> dict[str, Any]:
    """Return the columns of a job that is cancelled now."""
    return {
        "state": State.CANCELLED,
        "reason": reason,
        "finished_at": Now(),
        "hold": "",
        "due_at": None,
        "unsettled": F("linked"),
    }


def job_rows() -> QuerySet[Job]:
    """Return all jobs of the ledger's database."""
    return Job.objects.using(alias())


def lock(rows: QuerySet[Job], *, wait: bool = True) -> QuerySet[Job]:
    """Lock rows in the order of the key, so that two that lock many cannot wait for each other.

    Without `wait` rows that are locked are left out.
    """
    return rows.using(alias()).order_by("id").select_for_update(skip_locked=not wait)


@contextmanager
def as_seen(job_id: str, token: int) -> Iterator[State]:
    """Let what is done inside meet a job as somebody has seen it: one transaction, in which its row is locked.

    Yields its state. Sent twice, the second finds that the first has moved it.

    Raises:
        JobMoved: it has another token, or is gone; nothing inside is done.
    """
    with atomic():
        row = lock(job_rows().filter(id=job_id)).values_list("token", "state").first()
        if row is None or row[0] != token:
            now = "gone" if row is None else State(row[1]).name.lower()
            raise JobMoved(
                f"Nothing was done: job {job_id} has moved on since you looked at it, and is {now} now. "
                "Look at it again, and decide anew."
            )
        yield State(row[1])


def mark(hold: Hold) -> None:
    """Name the open transaction after the attempt it is about to end: frozen in it, it is ended by the rescue."""
    dialect().mark_transaction(transaction_mark(hold.id, hold.token))


def held_by(hold: Hold) -> QuerySet[Job]:
    """Return the job of an attempt for as long as the attempt stands."""
    return job_rows().filter(id=hold.id, token=hold.token, state=State.RUNNING, worker=hold.worker)


def leave(
    hold: Hold,
    outcome: str,
    /,
    *,
    error: str = "",
    traceback: str = "",
    kind: str = "",
    **changes: Any,
) -> Left:
    """End a standing attempt: note how it ended, and move its job.

    A job that was asked to stop does not go on, whatever the attempt asks for: it is cancelled.
    What failed gets its fingerprint of `kind`, the class of the error, or else of the reason; so does a dead letter.
    """
    columns = ("attempts", "token", "worker", "started_at", "task", "cancel_asked_at")
    row = lock(held_by(hold)).values(*columns, worker_name=WORKER_NAME).first()
    if row is None:
        return Left.NOT
    left = Left.AS_ASKED
    if row["cancel_asked_at"] is not None and changes.get("state") in OPEN:
        left = Left.CANCELLED
        counted = {name: changes[name] for name in ("failures", "losses") if name in changes}
        changes = cancelled() | counted
    cause = ""
    if outcome in FAILURES:
        kind = kind or changes.get("reason") or FAILURES[outcome]
        cause = fingerprint(row["task"], kind, traceback)
    if changes.get("state") in DEAD_LETTERS:
        changes["fingerprint"] = cause
    remember(hold.id, row, outcome, error=error, traceback=traceback, cause=cause)
    logs.keep(hold, number=row["attempts"])
    held_by(hold).update(token=RISE, **changes)
    return left


def remember(
    job_id: str,
    row: Mapping[str, Any],
    outcome: str,
    *,
    error: str,
    traceback: str,
    cause: str = "",
) -> None:
    """Write the row of an attempt that is over."""
    one = attempt_of(job_id, row, outcome, error=error, traceback=traceback, cause=cause)
    one.save(using=alias(), force_insert=True)


def attempt_of(
    job_id: str,
    row: Mapping[str, Any],
    outcome: str,
    *,
    error: str,
    traceback: str = "",
    cause: str = "",
) -> Attempt:
    """Return the row of an attempt that is over, to be written; `cause` is the fingerprint of one that failed."""
    return Attempt(
        job=job_id,
        number=row["attempts"],
        token=row["token"],
        worker=row["worker"],
        worker_name=row["worker_name"] or "",
        started_at=row["started_at"],
        ended_at=Now(),
        outcome=outcome,
        error=error[:2000],
        traceback=traceback,
        fingerprint=cause,
        uncounted=bool(cause),
    )
