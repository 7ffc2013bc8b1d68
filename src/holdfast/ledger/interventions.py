"""The moves made from outside an attempt, one function per verb: by an operator, a caller, a loop or another job's end.

Each is one transaction that may die at any line and be asked again. An attempt that is under way loses its fence.
"""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from django.db.models import F
from django.db.models.functions import Now

from holdfast.ledger.database import alias, atomic, dialect
from holdfast.ledger.fence import RISE, job_rows, lock, remember
from holdfast.ledger.models import Attempt, Job, Payload, Result
from holdfast.ledger.records import Hold, LapsedJob, StoredResult, Ticket
from holdfast.ledger.states import FINAL, Outcome, Reason, State
from holdfast.ledger.states import Hold as HoldReason
from holdfast.ledger.transitions import lose, store_result, transaction_mark


def cancel(job_ids: Iterable[str], *, running: bool) -> list[str]:
    """Cancel jobs for good; running ones only if asked. Returns the ids of those that were running."""
    ids = list(job_ids)
    states = [State.HELD, State.QUEUED, State.RUNNING] if running else [State.HELD, State.QUEUED]
    with atomic():
        rows = list(
            lock(Job.objects.filter(id__in=ids, state__in=states)).values_list("id", "state")
        )
        job_rows().filter(id__in=[id for id, _ in rows]).update(
            state=State.CANCELLED,
            token=RISE,
            reason=Reason.CANCELLED,
            finished_at=Now(),
            hold="",
            due_at=None,
            unsettled=F("linked"),
        )
    return [id for id, state in rows if state == State.RUNNING]


def expire(job_ids: Iterable[str]) -> int:
    """End waiting jobs whose time to be of use is over."""
    late = job_rows().filter(
        id__in=list(job_ids), state__in=[State.HELD, State.QUEUED], expires_at__lte=Now()
    )
    return late.update(
        state=State.EXPIRED,
        token=RISE,
        reason=Reason.EXPIRED,
        finished_at=Now(),
        unsettled=F("linked"),
    )


def bury(job_id: str, *, reason: str, task: str | None = None) -> bool:
    """Make a waiting job dead: nobody knows its task, or nobody can read its body."""
    waiting = job_rows().filter(id=job_id, state__in=[State.HELD, State.QUEUED])
    if task is not None:
        waiting = waiting.filter(task=task)
    return bool(
        waiting.update(
            state=State.DEAD, token=RISE, reason=reason, finished_at=Now(), unsettled=F("linked")
        )
    )


def replay(job_id: str) -> Ticket | None:
    """Put a finished job back to work; what its last attempt left is kept in the list of attempts."""
    with atomic():
        row = (
            lock(Job.objects.filter(id=job_id, state__in=FINAL))
            .values(
                "state", "attempts", "token", "worker", "started_at", "task", "queue", "priority"
            )
            .first()
        )
        if row is None:
            return None
        if row["state"] == State.SUCCEEDED:
            remember(job_id, row, Outcome.REPLAYED, error="", traceback="")
        job_rows().filter(id=job_id).update(
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


def store_bare(id: str, stored: StoredResult, *, failed: bool) -> None:
    """Write the state of an id that no attempt stands for, such as the step of a chain that will never be sent.

    A job that runs or waits to run is left alone, but for one that waits for a replacement that failed.
    """
    with atomic():
        known = lock(Job.objects.filter(id=id)).exists()
        if not known or (failed and abandon(id)):
            store_result(id, stored, bare=not known)


def abandon(job_id: str) -> bool:
    """Fail a job that waits for its replacement: a step before the last one has failed, so it will never come."""
    waiting = job_rows().filter(id=job_id, state=State.HELD, hold=HoldReason.REPLACED)
    return bool(
        waiting.update(
            state=State.FAILED,
            token=RISE,
            reason=Reason.REPLACEMENT_FAILED,
            finished_at=Now(),
            hold="",
        )
    )


def settle(job_id: str) -> bool:
    """Note that those who waited for this job have been told; False if somebody else did it first."""
    return bool(job_rows().filter(id=job_id, unsettled=True).update(unsettled=False))


def forget(id: str) -> None:
    """Delete an id's result, and its job if that is finished."""
    with atomic():
        Result.objects.using(alias()).filter(id=id).delete()
        if job_rows().filter(id=id, state__in=FINAL).delete()[0]:
            Payload.objects.using(alias()).filter(job=id).delete()
            Attempt.objects.using(alias()).filter(job=id).delete()
