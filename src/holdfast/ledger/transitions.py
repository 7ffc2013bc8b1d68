"""Every move of a job, one function per verb; each is one transaction that may die at any line and be asked again.

The fence: a move out of running hits a row only while it is still running with the token and the worker of the
attempt that asks. Every move raises the token, and no token is used twice.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db.models import Case, F, QuerySet, When
from django.db.models.functions import Now

from holdfast.conf import get_settings
from holdfast.exceptions import AttemptLost
from holdfast.ledger.database import alias, atomic, dialect
from holdfast.ledger.models import Attempt, Job, Payload, Result, Worker
from holdfast.ledger.records import (
    ClaimBatch,
    Hold,
    LapsedJob,
    NewJob,
    Refusal,
    StoredResult,
    Ticket,
)
from holdfast.ledger.states import FINAL, Outcome, Reason, State
from holdfast.ledger.states import Hold as HoldReason

RISE = F("token") + 1


def record(jobs: Sequence[NewJob]) -> list[Ticket]:
    """Write new jobs in the caller's transaction; return those that are queued and must be published.

    An id that is already in the ledger is left as it is: a successor sent again after a crash changes nothing.
    """
    by_id = {job.id: job for job in jobs}
    rows = dialect().record(list(by_id.values()))
    return [
        Ticket(id, token, by_id[id].task, by_id[id].queue, by_id[id].priority)
        for id, state, token in rows
        if state == State.QUEUED
    ]


def publish_due(*, limit: int) -> list[Ticket]:
    """Turn held jobs whose time has come into queued ones; the caller puts them on the broker, or recalls them."""
    return dialect().publish_due(limit)


def recall(tickets: Iterable[Ticket], *, delay: timedelta = timedelta()) -> int:
    """Take back jobs that could not be put on the broker: the relay publishes them after `delay`."""
    tokens = {ticket.id: ticket.token for ticket in tickets}
    with atomic():
        rows = _lock(Job.objects.filter(id__in=tokens, state=State.QUEUED))
        mine = [id for id, token in rows.values_list("id", "token") if tokens[id] == token]
        return (
            _jobs()
            .filter(id__in=mine)
            .update(
                state=State.HELD,
                token=RISE,
                hold=HoldReason.RELAY,
                due_at=Now() + delay,
                published_at=None,
            )
        )


def republish(tickets: Iterable[Ticket]) -> list[Ticket]:
    """Give queued jobs that the broker has lost a new token; return what must be published in their place."""
    wanted = {ticket.id: ticket for ticket in tickets}
    with atomic():
        rows = _lock(Job.objects.filter(id__in=wanted, state=State.QUEUED)).values_list(
            "id", "token"
        )
        mine = [id for id, token in rows if wanted[id].token == token]
        _jobs().filter(id__in=mine).update(token=RISE, published_at=Now())
    return [wanted[id]._replace(token=wanted[id].token + 1) for id in mine]


def claim(
    tickets: Sequence[tuple[str, int, bool]], *, worker: UUID, last_chances: bool = True
) -> ClaimBatch:
    """Take jobs for one attempt each, by (id, token, claimed ahead of a free slot).

    Counts the attempt in the same statement: a job that kills its worker has been counted before it starts.
    Without `last_chances` it refuses jobs that one more loss would make dead.
    """
    most = 2**31 - 1 if last_chances else max(1, get_settings().max_lost_attempts - 1)
    unique = {id: (id, token, ahead) for id, token, ahead in tickets}
    batch = ClaimBatch(
        claimed=dialect().claim(list(unique.values()), worker=worker, losses_below=most)
    )
    missed = unique.keys() - {job.id for job in batch.claimed}
    if missed:
        batch.refused = _explain(
            {id: unique[id] for id in missed}, worker=worker, losses_below=most
        )
    return batch


def _explain(
    missed: dict[str, tuple[str, int, bool]], *, worker: UUID, losses_below: int
) -> dict[str, Refusal]:
    standing = (
        Worker.objects.using(alias())
        .filter(id=worker, lost_at=None, lease_until__gt=Now())
        .exists()
    )
    rows = {
        row["id"]: row
        for row in _jobs()
        .filter(id__in=missed)
        .values(
            "id",
            "state",
            "token",
            "suspect",
            "losses",
            late=Case(When(expires_at__lte=Now(), then=True), default=False),
        )
    }
    why: dict[str, Refusal] = {}
    for id, (_, token, ahead) in missed.items():
        row = rows.get(id)
        if row is None:
            why[id] = Refusal.UNKNOWN
        elif row["token"] != token or row["state"] != State.QUEUED:
            why[id] = Refusal.STALE
        elif row["late"]:
            why[id] = Refusal.EXPIRED
        elif not standing:
            why[id] = Refusal.NO_LEASE
        elif row["losses"] >= losses_below:
            why[id] = Refusal.LAST_CHANCE
        else:
            why[id] = Refusal.SUSPECT if ahead and row["suspect"] else Refusal.NO_LEASE
    return why


def succeed(hold: Hold, *, stored: StoredResult | None) -> bool:
    """End an attempt in success, with its result where one is kept. False: the job has moved on, nothing is written."""
    return dialect().succeed(hold, stored=stored)


def fail(hold: Hold, *, stored: StoredResult | None, error: str) -> bool:
    """End an attempt in an error that nothing retries."""
    with atomic():
        left = _leave(
            hold,
            Outcome.FAILED,
            error=error,
            traceback=(stored.traceback if stored else "") or "",
            state=State.FAILED,
            failures=F("failures") + 1,
            finished_at=Now(),
        )
        if left and stored:
            store_result(hold.id, stored)
        return left


def retry(
    hold: Hold,
    *,
    job: NewJob,
    stored: StoredResult | None,
    error: str,
    outcome: str = Outcome.RETRIED,
) -> Ticket | None:
    """Put the job back with what it is to be called with next; counted as a failure unless it is a replacement.

    Returns the ticket to publish if it is due at once, None if it is held.

    Raises:
        AttemptLost: the job has moved on, nothing is written.
    """
    delayed = job.due_at is not None or bool(job.delay_seconds)
    due = (
        job.due_at if job.due_at is not None else Now() + timedelta(seconds=job.delay_seconds or 0)
    )
    with atomic():
        left = _leave(
            hold,
            outcome,
            error=error,
            traceback=(stored.traceback if stored else "") or "",
            state=State.HELD if delayed else State.QUEUED,
            failures=F("failures") + (1 if outcome == Outcome.RETRIED else 0),
            hold=HoldReason.RETRY if delayed else "",
            due_at=due if delayed else None,
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
        _write_payload(job)
        if stored:
            store_result(hold.id, stored)
    return None if delayed else Ticket(hold.id, hold.token + 1, job.task, job.queue, job.priority)


def await_replacement(hold: Hold) -> bool:
    """Leave the job to whatever replaced it: a chain or chord whose last step carries this id."""
    with atomic():
        return _leave(
            hold,
            Outcome.REPLACED,
            state=State.HELD,
            hold=HoldReason.REPLACED,
            due_at=None,
            worker=None,
        )


def hand_back(holds: Iterable[Hold], *, cause: str) -> list[Ticket]:
    """Return jobs of attempts that were interrupted: counted neither as failure nor as loss."""
    tickets = []
    for hold in holds:
        with atomic():
            if not _leave(
                hold,
                Outcome.HANDED_BACK,
                error=cause,
                state=State.QUEUED,
                worker=None,
                published_at=Now(),
            ):
                continue
            row = _jobs().values_list("task", "queue", "priority").get(id=hold.id)
            tickets.append(Ticket(hold.id, hold.token + 1, *row))
    return tickets


def lose(hold: Hold, *, cause: str, ahead: bool = False) -> Ticket | None:
    """Give back the job of an attempt whose process is gone; dead after `max_lost_attempts`.

    Returns the ticket to publish, or None if the job is dead or had moved on.
    """
    with atomic():
        row = _lock(_held_by(hold)).values("losses", "linked", "task", "queue", "priority").first()
        if row is None:
            return None
        losses = row["losses"] + (0 if ahead else 1)
        if losses >= get_settings().max_lost_attempts:
            _leave(
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
        _leave(
            hold,
            Outcome.LOST,
            error=cause,
            state=State.QUEUED,
            losses=losses,
            suspect=True,
            worker=None,
            published_at=Now(),
        )
        return Ticket(hold.id, hold.token + 1, row["task"], row["queue"], row["priority"])


def reject(hold: Hold, *, error: str) -> bool:
    """End an attempt whose task refused its message: the job is dead."""
    return bury_attempt(hold, reason=Reason.REJECTED, error=error)


def bury_attempt(hold: Hold, *, reason: str, error: str) -> bool:
    """End an attempt of a job that cannot be run by anybody."""
    with atomic():
        return _leave(
            hold,
            Outcome.REJECTED,
            error=error,
            state=State.DEAD,
            reason=reason,
            finished_at=Now(),
            unsettled=F("linked"),
        )


def bury(job_id: str, *, reason: str, task: str | None = None) -> bool:
    """Make a waiting job dead: nobody knows its task, or nobody can read its body."""
    waiting = _jobs().filter(id=job_id, state__in=[State.HELD, State.QUEUED])
    if task is not None:
        waiting = waiting.filter(task=task)
    return bool(
        waiting.update(
            state=State.DEAD, token=RISE, reason=reason, finished_at=Now(), unsettled=F("linked")
        )
    )


def expire(job_ids: Iterable[str]) -> int:
    """End waiting jobs whose time to be of use is over."""
    late = _jobs().filter(
        id__in=list(job_ids), state__in=[State.HELD, State.QUEUED], expires_at__lte=Now()
    )
    return late.update(
        state=State.EXPIRED,
        token=RISE,
        reason=Reason.EXPIRED,
        finished_at=Now(),
        unsettled=F("linked"),
    )


def cancel(job_ids: Iterable[str], *, running: bool) -> list[str]:
    """Cancel jobs for good; running ones only if asked. Returns the ids of those that were running."""
    ids = list(job_ids)
    states = [State.HELD, State.QUEUED, State.RUNNING] if running else [State.HELD, State.QUEUED]
    with atomic():
        rows = list(
            _lock(Job.objects.filter(id__in=ids, state__in=states)).values_list("id", "state")
        )
        _jobs().filter(id__in=[id for id, _ in rows]).update(
            state=State.CANCELLED,
            token=RISE,
            reason=Reason.CANCELLED,
            finished_at=Now(),
            hold="",
            due_at=None,
            unsettled=F("linked"),
        )
    return [id for id, state in rows if state == State.RUNNING]


def replay(job_id: str) -> Ticket | None:
    """Put a finished job back to work; what its last attempt left is kept in the list of attempts."""
    with atomic():
        row = (
            _lock(Job.objects.filter(id=job_id, state__in=FINAL))
            .values(
                "state", "attempts", "token", "worker", "started_at", "task", "queue", "priority"
            )
            .first()
        )
        if row is None:
            return None
        if row["state"] == State.SUCCEEDED:
            _remember(job_id, row, Outcome.REPLAYED, error="", traceback="")
        _jobs().filter(id=job_id).update(
            state=State.QUEUED,
            token=RISE,
            failures=0,
            losses=0,
            suspect=False,
            reason="",
            expires_at=None,
            finished_at=None,
            unsettled=False,
            worker=None,
            published_at=Now(),
        )
        Result.objects.using(alias()).filter(id=job_id).delete()
        return Ticket(job_id, row["token"] + 1, row["task"], row["queue"], row["priority"])


def settle(job_id: str) -> bool:
    """Note that those who waited for this job have been told; False if somebody else did it first."""
    return bool(_jobs().filter(id=job_id, unsettled=True).update(unsettled=False))


def store_result(
    id: str, stored: StoredResult, *, hold: Hold | None = None, bare: bool = False
) -> bool:
    """Write the result or progress of an id; with a hold, only while its attempt stands."""
    with atomic():
        if hold is not None and not _lock(_held_by(hold)).exists():
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


def store_bare(id: str, stored: StoredResult, *, failed: bool) -> None:
    """Write the state of an id that no attempt stands for, such as the step of a chain that will never be sent.

    A job that runs or waits to run is left alone, but for one that waits for a replacement that failed.
    """
    with atomic():
        row = _lock(Job.objects.filter(id=id)).values("state", "hold").first()
        if row is not None:
            replaced = row["state"] == State.HELD and row["hold"] == HoldReason.REPLACED
            if not replaced or not failed:
                return
            _jobs().filter(id=id).update(
                state=State.FAILED,
                token=RISE,
                hold="",
                finished_at=Now(),
                reason="replacement failed",
            )
        store_result(id, stored, bare=row is None)


def forget(id: str) -> None:
    """Delete an id's result, and its job if that is finished."""
    with atomic():
        Result.objects.using(alias()).filter(id=id).delete()
        if _jobs().filter(id=id, state__in=FINAL).delete()[0]:
            Payload.objects.using(alias()).filter(job=id).delete()
            Attempt.objects.using(alias()).filter(job=id).delete()


def rescue(lapsed: Iterable[LapsedJob], *, worker_of: dict[str, UUID | None]) -> list[Ticket]:
    """Give back the jobs of workers that are gone; return what must be published."""
    rows = list(lapsed)
    # A process frozen inside a transaction still holds its locks: end it on the server first.
    dialect().end_transactions([transaction_mark(row.id, row.token) for row in rows])
    tickets = []
    for row in rows:
        worker = worker_of[row.id]
        if worker is None:
            continue
        ticket = lose(
            Hold(row.id, row.token, worker), cause="its worker's lease ran out", ahead=row.ahead
        )
        if ticket:
            tickets.append(ticket)
    return tickets


def transaction_mark(job_id: str, token: int) -> str:
    """Name the transaction of an attempt, short enough for a server's list of connections."""
    return f"holdfast:{hashlib.sha256(f'{job_id}:{token}'.encode()).hexdigest()[:32]}"


def _jobs() -> QuerySet[Job]:
    return Job.objects.using(alias())


def _lock(rows: QuerySet[Job]) -> QuerySet[Job]:
    # In the order of the key, so that two that lock many cannot wait for each other.
    return rows.using(alias()).order_by("id").select_for_update()


def _held_by(hold: Hold) -> QuerySet[Job]:
    return _jobs().filter(id=hold.id, token=hold.token, state=State.RUNNING, worker=hold.worker)


def _leave(
    hold: Hold, outcome: str, /, *, error: str = "", traceback: str = "", **changes: Any
) -> bool:
    row = _lock(_held_by(hold)).values("attempts", "token", "worker", "started_at").first()
    if row is None:
        return False
    _remember(hold.id, row, outcome, error=error, traceback=traceback)
    _held_by(hold).update(token=RISE, **changes)
    return True


def _remember(
    job_id: str, row: Mapping[str, Any], outcome: str, *, error: str, traceback: str
) -> None:
    Attempt.objects.using(alias()).create(
        job=job_id,
        number=row["attempts"],
        token=row["token"],
        worker=row["worker"],
        started_at=row["started_at"],
        ended_at=Now(),
        outcome=outcome,
        error=error[:2000],
        traceback=traceback,
    )


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
