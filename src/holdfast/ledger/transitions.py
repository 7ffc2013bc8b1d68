"""The moves of a call and of an attempt, one function per verb; each is one transaction that may die at any line.

What died half-way may be asked again. The moves made from outside an attempt are in `interventions`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import timedelta
from functools import partial
from uuid import UUID

from django.db import OperationalError
from django.db.models import F
from django.db.models.functions import Now

from holdfast.conf import get_settings
from holdfast.exceptions import Aborted, AttemptLost
from holdfast.ledger import checkpoints, logs, lost_spans, unique
from holdfast.ledger.database import alias, atomic, dialect
from holdfast.ledger.fence import RISE, Left, cancelled, held_by, job_rows, leave, lock, mark
from holdfast.ledger.limiting import limits
from holdfast.ledger.models import Payload, Result
from holdfast.ledger.reads.refusals import refusals
from holdfast.ledger.records import (
    NO_ENTRY,
    Alike,
    ClaimBatch,
    Entry,
    Hold,
    NewJob,
    StoredResult,
    Ticket,
)
from holdfast.ledger.returns import MOST, Cut, put_back
from holdfast.ledger.states import Hold as HoldReason
from holdfast.ledger.states import Outcome, Reason, State
from holdfast.spans import By


def record(jobs: Sequence[NewJob], *, entry: Entry = NO_ENTRY) -> list[Ticket]:
    """Write new jobs in the caller's transaction; return those that are queued and must be published.

    Those that are to wait at a limit are queued if the entry holds, and wait if it does not.
    An id that is already in the ledger is left as it is: a successor sent again after a crash changes nothing.
    A job that waits for its replacement becomes the one that is recorded under its id.

    Raises:
        UniqueConflict: another job has the key of a unique one; nothing is written.
    """
    if any(job.unique is not None for job in jobs):
        return unique.record(jobs, write=_record, entry=entry)
    return _record(jobs, entry=entry)


def _record(jobs: Sequence[NewJob], *, entry: Entry = NO_ENTRY) -> list[Ticket]:
    by_id = {job.id: job for job in jobs}
    rows = dialect().record(list(by_id.values()), entry=entry)
    return [
        Ticket(id, token, by_id[id].task, by_id[id].queue, by_id[id].priority)
        for id, state, token in rows
        if state == State.QUEUED
    ]


def record_fresh(job: NewJob) -> Ticket:
    """Write one job in the caller's transaction under an id that was minted for this very call; return its ticket.

    For what most calls are: not unique, not limited, of no batch or group, due at once. Never asked twice for one id.
    """
    dialect().record_fresh(job)
    return Ticket(job.id, 1, job.task, job.queue, job.priority)


def record_alike(template: NewJob, rows: Iterable[list[Alike]]) -> list[Ticket]:
    """Write many jobs under ids minted for them, all else of them like a template's; return their tickets.

    In the caller's transaction, or all of them in one. They are due at once, not unique and not limited; a template
    without a root stands for jobs that are each their own root. Never asked twice for one id.
    """
    with atomic():
        ids = dialect().record_alike(template, rows)
    task, queue, priority = template.task, template.queue, template.priority
    return [Ticket(id, 1, task, queue, priority) for id in ids]


def claim(
    tickets: Sequence[tuple[str, int, bool]],
    *,
    worker: UUID,
    last_chances: bool = True,
    skip_locked: bool = False,
) -> ClaimBatch:
    """Take jobs for one attempt each, by (id, token, claimed ahead of a free slot).

    Counts the attempt in the same statement: a job that kills its worker has been counted before it starts.
    Without `last_chances` it refuses jobs that one more loss would make dead. A job that somebody's transaction holds
    is refused with `skip_locked`, and in a session that bounds its waits; all others wait for that transaction.
    """
    most = 2**31 - 1 if last_chances else max(1, get_settings().max_lost_attempts - 1)
    asked = {id: (id, token, ahead) for id, token, ahead in tickets}
    take = partial(dialect().claim, list(asked.values()), worker=worker, losses_below=most)
    try:
        batch = ClaimBatch(claimed=take(skip_locked=skip_locked))
    except OperationalError as error:
        if skip_locked or not dialect().met_a_lock(error):
            raise
        skip_locked = True
        batch = ClaimBatch(claimed=take(skip_locked=True))
    missed = asked.keys() - {job.id for job in batch.claimed}
    if missed:
        batch.refused = refusals(
            {id: asked[id] for id in missed},
            worker=worker,
            losses_below=most,
            skipped_locked=skip_locked,
        )
    return batch


def succeed(hold: Hold, *, stored: StoredResult | None) -> bool:
    """End an attempt in success, with its result where one is kept. False: the job has moved on, nothing is written."""
    return dialect().succeed(hold, stored=stored, log=logs.pending(hold))


def ignore(hold: Hold) -> bool:
    """End an attempt whose body asked to be ignored: what it stored itself stays what is shown."""
    with atomic():
        ended = succeed(hold, stored=None)
        if ended:
            job_rows().filter(id=hold.id).update(reason=Reason.IGNORED)
        return ended


def fail(
    hold: Hold,
    *,
    stored: StoredResult | None,
    error: str,
    kind: str = "",
    traceback: str = "",
    reason: str = Reason.ERROR,
    told: bool = True,
) -> bool:
    """End an attempt in an error that nothing retries.

    Args:
        hold: the attempt.
        stored: what the result API shows of it, if results are kept.
        error: the error with its message.
        kind: the class of the error: with the traceback it groups what failed alike.
        traceback: the text of the traceback, if it is not the stored one.
        reason: whether it failed at once or after its last retry.
        told: whether those who wait for the job hear of it in this transaction; if not, the settler tells them.
    """
    with atomic():
        mark(hold)
        left = leave(
            hold,
            Outcome.FAILED,
            error=error,
            traceback=traceback or (stored.traceback if stored else "") or "",
            kind=kind or error.partition("(")[0],
            state=State.FAILED,
            reason=reason,
            failures=F("failures") + 1,
            finished_at=Now(),
            unsettled=False if told else F("linked"),
        )
        if left and stored:
            store_result(hold.id, stored)
        return bool(left)


def retry(
    hold: Hold,
    *,
    job: NewJob,
    stored: StoredResult | None,
    error: str,
    kind: str = "",
    traceback: str = "",
    outcome: str = Outcome.RETRIED,
) -> Ticket | None:
    """Put the job back with what it is to be called with next; counted as a failure unless it is a replacement.

    Returns the ticket to publish if it is due at once, None if it is held, or cancelled because that was asked for.

    Raises:
        AttemptLost: the job has moved on, nothing is written.
    """
    replaced = outcome == Outcome.REPLACED
    # A retry keeps its admission, and the job its limits; what replaces a job waits for an admission of its own.
    waits = replaced and bool(job.limits)
    delayed = job.due_at is not None or bool(job.delay_seconds) or waits
    due = (
        job.due_at if job.due_at is not None else Now() + timedelta(seconds=job.delay_seconds or 0)
    )
    with atomic():
        mark(hold)
        left = leave(
            hold,
            outcome,
            error=error,
            kind=kind,
            traceback=traceback,
            state=State.HELD if delayed else State.QUEUED,
            failures=F("failures") + (1 if outcome == Outcome.RETRIED else 0),
            limited=waits if replaced else F("limited"),
            hold=HoldReason.RETRY if delayed else "",
            due_at=due if delayed else None,
            wait_seconds=None if job.due_at is not None else job.delay_seconds or 0.0,
            published_at=None if delayed else Now(),
            task=job.task,
            queue=job.queue,
            priority=job.priority,
            linked=job.linked,
            ignore_result=job.ignore_result,
            worker=None,
        )
        if not left:
            raise AttemptLost(hold.id, hold.token)
        if left == Left.CANCELLED:
            return None
        if outcome == Outcome.REPLACED:
            checkpoints.clear([hold.id])
        _write_payload(job)
        if replaced:
            limits.forget([hold.id])
            limits.take_part([job])
        if stored:
            store_result(hold.id, stored)
    return None if delayed else Ticket(hold.id, hold.token + 1, job.task, job.queue, job.priority)


def await_replacement(hold: Hold) -> bool:
    """Leave the job to whatever replaced it: a chain or chord whose last step carries this id.

    Raises:
        Aborted: the job was asked to stop; nothing is written, and what replaces it must not be sent.
    """
    with atomic():
        mark(hold)
        left = leave(
            hold,
            Outcome.REPLACED,
            state=State.HELD,
            hold=HoldReason.REPLACED,
            due_at=None,
            worker=None,
        )
        if left == Left.CANCELLED:
            raise Aborted(f"Job {hold.id} was asked to stop: it is not replaced.")
        if left:
            checkpoints.clear([hold.id])
            limits.forget([hold.id])
        return bool(left)


def hand_back(holds: Iterable[Hold], *, cause: str, killed: Collection[Hold] = ()) -> list[Ticket]:
    """Return jobs of attempts that were interrupted: counted neither as failure nor as loss.

    Of those that were killed while their bodies ran a trace is told here.
    """
    cut = [Cut(hold, killed=hold in killed) for hold in holds]
    tickets: list[Ticket] = []
    for start in range(0, len(cut), MOST):
        back = put_back(cut[start : start + MOST], outcome=Outcome.HANDED_BACK, error=cause)
        tickets += back.tickets
        # One that somebody has locked is waited for, with all others on their queues.
        tickets += filter(None, (_hand_back(one, cause) for one in back.apart + back.missed))
    return tickets


def _hand_back(one: Cut, cause: str) -> Ticket | None:
    hold = one.hold
    with atomic():
        if one.killed and lock(held_by(hold)).values("id").first() is not None:
            lost_spans.tell([hold.id], cause=cause, by=By.STOP)
        left = leave(
            hold,
            Outcome.HANDED_BACK,
            error=cause,
            state=State.QUEUED,
            worker=None,
            published_at=Now(),
        )
        if left != Left.AS_ASKED:
            return None
        row = job_rows().values_list("task", "queue", "priority").get(id=hold.id)
        return Ticket(hold.id, hold.token + 1, *row)


def lose(hold: Hold, *, cause: str, ahead: bool = False, wait: bool = True) -> Ticket | None:
    """Give back the job of an attempt whose process is gone; dead after `max_lost_attempts`.

    Returns the ticket to publish, or None if the job is dead, was asked to stop, or had moved on. Without `wait` a job
    whose row somebody has locked is left as it is, too.
    """
    with atomic():
        row = (
            lock(held_by(hold), wait=wait)
            .values("losses", "linked", "task", "queue", "priority")
            .first()
        )
        if row is None:
            return None
        lost_spans.tell([hold.id], cause=cause)
        losses = row["losses"] + (0 if ahead else 1)
        if losses >= get_settings().max_lost_attempts:
            leave(
                hold,
                Outcome.LOST,
                error=cause,
                state=State.DEAD,
                reason=Reason.POISON,
                losses=losses,
                finished_at=Now(),
                unsettled=row["linked"],
            )
            return None
        left = leave(
            hold,
            Outcome.LOST,
            error=cause,
            state=State.QUEUED,
            losses=losses,
            suspect=True,
            worker=None,
            published_at=Now(),
        )
        if left == Left.CANCELLED:
            return None
        return Ticket(hold.id, hold.token + 1, row["task"], row["queue"], row["priority"])


def revoke(hold: Hold, *, reason: str = Reason.CANCELLED) -> bool:
    """Cancel the job of an attempt that was stopped on purpose, while the attempt stands."""
    with atomic():
        ended = bool(held_by(hold).update(token=RISE, **cancelled(reason)))
        if ended:
            logs.keep(hold)
        return ended


def reject(hold: Hold, *, error: str) -> bool:
    """End an attempt whose task refused its message: the job is dead."""
    return bury_attempt(hold, reason=Reason.REJECTED, error=error)


def bury_attempt(hold: Hold, *, reason: str, error: str) -> bool:
    """End an attempt of a job that cannot be run by anybody."""
    with atomic():
        mark(hold)
        left = leave(
            hold,
            Outcome.REJECTED,
            error=error,
            state=State.DEAD,
            reason=reason,
            finished_at=Now(),
            unsettled=F("linked"),
        )
        return bool(left)


def store_result(
    id: str, stored: StoredResult, *, hold: Hold | None = None, bare: bool = False
) -> bool:
    """Write the result or progress of an id; with a hold, only while its attempt stands."""
    with atomic():
        if hold is not None and not lock(held_by(hold)).exists():
            return False
        Result.objects.using(alias()).update_or_create(
            id=id,
            defaults={
                "status": stored.status,
                "result": stored.result,
                "content_type": stored.content_type,
                "content_encoding": stored.content_encoding,
                "traceback": stored.traceback,
                "children": stored.children,
                "stored_at": Now(),
                "bare": bare,
            },
        )
        return True


def _write_payload(job: NewJob) -> None:
    Payload.objects.using(alias()).update_or_create(
        job=job.id,
        defaults={
            "headers": job.headers,
            "body": job.body,
            "content_type": job.content_type,
            "content_encoding": job.content_encoding,
        },
    )
