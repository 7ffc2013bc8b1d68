"""The moves made from outside an attempt, one function per verb: by an operator, a caller, a loop or another job's end.

Each is one transaction that may die at any line and be asked again. An attempt that is under way loses its fence.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

from django.db.models import F, QuerySet
from django.db.models.functions import Now

from holdfast.ledger import audit, batches, checkpoints, logs, lost_spans
from holdfast.ledger.database import alias, atomic, dialect
from holdfast.ledger.fence import RISE, WORKER_NAME, cancelled, job_rows, lock, remember
from holdfast.ledger.fingerprints import fingerprint
from holdfast.ledger.limiting import limits
from holdfast.ledger.marks import transaction_mark
from holdfast.ledger.models import Attempt, Job, Payload, Result
from holdfast.ledger.records import Hold, LapsedJob, StoredResult, Ticket
from holdfast.ledger.returns import MOST, Cut, put_back
from holdfast.ledger.states import DEAD_LETTERS, FINAL, OPEN, Outcome, Reason, State
from holdfast.ledger.states import Hold as HoldReason
from holdfast.ledger.transitions import lose, store_result
from holdfast.spans import By
from holdfast.tickets import COUNTED, Standby

LAPSED = "its worker's lease ran out"


def cancel(
    job_ids: Iterable[str], *, running: bool, ask: bool = False, actor: str | None = None
) -> list[str]:
    """Cancel jobs for good; running ones only if `running` says so. Returns the ids of those that were running.

    With `ask` the running ones that are left alone are asked to stop by themselves: see `wishes`. Asked twice,
    the first time stands.
    """
    ids = list(job_ids)
    with atomic():
        rows = list(
            lock(Job.objects.filter(id__in=ids, state__in=sorted(OPEN))).values_list(
                "id", "state", "cancel_asked_at"
            )
        )
        ended = [id for id, state, _ in rows if running or state != State.RUNNING]
        stopped = [id for id, state, _ in rows if running and state == State.RUNNING]
        lost_spans.tell(stopped, cause="it was cancelled", by=By.CANCEL, killed=True)
        job_rows().filter(id__in=ended).update(token=RISE, **cancelled())
        asked = [
            id
            for id, state, at in rows
            if ask and not running and state == State.RUNNING and not at
        ]
        job_rows().filter(id__in=asked).update(cancel_asked_at=Now())
        for action, jobs in (("cancel", ended), ("ask to stop", asked)):
            if jobs and actor is not None:
                audit.note_each(action, actor=actor, jobs=jobs)
    return stopped


def expire(job_ids: Iterable[str]) -> int:
    """End waiting jobs whose time to be of use is over; one that somebody's transaction holds is left."""
    late = job_rows().filter(
        id__in=list(job_ids), state__in=[State.HELD, State.QUEUED], expires_at__lte=Now()
    )
    with atomic():
        mine = list(lock(late, wait=False).values_list("id", flat=True))
        return (
            job_rows()
            .filter(id__in=mine)
            .update(
                state=State.EXPIRED,
                token=RISE,
                reason=Reason.EXPIRED,
                finished_at=Now(),
                unsettled=F("linked"),
            )
        )


def bury(job_id: str, *, reason: str, task: str | None = None) -> bool:
    """Make a waiting job dead: nobody knows its task, or nobody can read its body."""
    waiting = job_rows().filter(id=job_id, state__in=[State.HELD, State.QUEUED])
    if task is not None:
        waiting = waiting.filter(task=task)
    with atomic():
        name = lock(waiting).values_list("task", flat=True).first()
        return name is not None and bool(
            waiting.update(
                state=State.DEAD,
                token=RISE,
                reason=reason,
                finished_at=Now(),
                unsettled=F("linked"),
                fingerprint=fingerprint(name, reason),
            )
        )


def replay(job_id: str, *, actor: str | None = None, from_start: bool = False) -> Ticket | None:
    """Put a finished job back to work; what its last attempt left is kept in the list of attempts.

    One that has not succeeded goes on from its checkpoint, unless it is to begin at the start.
    """
    with atomic():
        tickets = _put_back(job_rows().filter(id=job_id))
        if tickets and from_start:
            checkpoints.clear([job_id])
        if tickets and actor is not None:
            audit.note("replay", actor=actor, job=job_id)
        return tickets[0] if tickets else None


def replay_many(tokens: Mapping[str, int], *, actor: str | None, detail: str = "") -> list[Ticket]:
    """Put finished jobs back to work, given with their tokens: one that has moved since is left alone.

    The audit gets a line; with no actor the caller writes it.
    """
    with atomic():
        tickets = _put_back(job_rows().filter(id__in=list(tokens)), tokens=tokens)
        if tickets and actor is not None:
            only = tickets[0].id if len(tickets) == 1 else None
            audit.note("replay", actor=actor, job=only, count=len(tickets), detail=detail)
        return tickets


def discard(tokens: Mapping[str, int], *, actor: str | None, detail: str = "") -> int:
    """Give up dead letters: cancelled, and deleted after the retention of jobs that are no dead letters.

    One whose waiters have not been told yet is left alone: the settler is on its way. The audit gets a line; with no
    actor the caller writes it.
    """
    given_up = job_rows().filter(
        id__in=list(tokens), state__in=sorted(DEAD_LETTERS), unsettled=False
    )
    with atomic():
        rows = lock(given_up).values_list("id", "token")
        ids = [id for id, token in rows if tokens[id] == token]
        job_rows().filter(id__in=ids).update(
            state=State.CANCELLED,
            token=RISE,
            reason=Reason.DISCARDED,
            finished_at=Now(),
            fingerprint="",
        )
        if ids and actor is not None:
            only = ids[0] if len(ids) == 1 else None
            audit.note("discard", actor=actor, job=only, count=len(ids), detail=detail)
        return len(ids)


def edit(
    job_id: str,
    *,
    token: int,
    headers: str,
    body: bytes,
    actor: str,
    content_encoding: str | None = None,
) -> bool:
    """Change what a dead letter is called with; the line of the audit keeps what it was called with before.

    False: the job has moved, nothing is written.
    """
    with atomic():
        if not lock(
            job_rows().filter(id=job_id, token=token, state__in=sorted(DEAD_LETTERS))
        ).exists():
            return False
        payload = Payload.objects.using(alias()).get(job=job_id)
        before = {
            "headers": payload.headers,
            "body": b64encode(bytes(payload.body)).decode(),
            "content_encoding": payload.content_encoding,
        }
        audit.note("edit", actor=actor, job=job_id, detail=json.dumps({"before": before}))
        payload.headers, payload.body = headers, body
        payload.content_encoding = content_encoding or payload.content_encoding
        payload.save(using=alias(), update_fields=["headers", "body", "content_encoding"])
        # It belongs to what the job was called with before.
        checkpoints.clear([job_id])
        return True


def run_now(job_id: str, *, token: int, actor: str) -> bool:
    """Make a job due that waits for its time: its ETA, the delay of a retry, the end of a snooze.

    The relay publishes it; at its limits, and for a pause, it waits all the same. False: it has moved, or waits for
    something else; nothing is written.
    """
    waiting = job_rows().filter(id=job_id, token=token, state=State.HELD, due_at__isnull=False)
    with atomic():
        if not lock(waiting).exists():
            return False
        waiting.update(token=RISE, hold=HoldReason.RELAY, due_at=Now(), wait_seconds=0.0)
        audit.note("run now", actor=actor, job=job_id)
        return True


def rescue(lapsed: Iterable[LapsedJob], *, worker_of: dict[str, UUID | None]) -> list[Ticket]:
    """Give back the jobs of workers that are gone; return what must be published."""
    rows = list(lapsed)
    # A process frozen inside a transaction still holds its locks: end it on the server first.
    dialect().end_transactions([transaction_mark(row.id, row.token) for row in rows])
    cut = [
        Cut(Hold(row.id, row.token, worker), counts=not row.ahead)
        for row in rows
        if (worker := worker_of[row.id]) is not None
    ]
    tickets: list[Ticket] = []
    for start in range(0, len(cut), MOST):
        # A row that a transaction of somebody else holds waits for the next pass: the others need not.
        back = put_back(cut[start : start + MOST], outcome=Outcome.LOST, error=LAPSED)
        tickets += back.tickets
        for one in back.apart:
            ticket = lose(one.hold, cause=LAPSED, ahead=not one.counts, wait=False)
            tickets += [ticket] if ticket else []
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
    with atomic():
        name = lock(waiting).values_list("task", flat=True).first()
        return name is not None and bool(
            waiting.update(
                state=State.FAILED,
                token=RISE,
                reason=Reason.REPLACEMENT_FAILED,
                finished_at=Now(),
                hold="",
                fingerprint=fingerprint(name, Reason.REPLACEMENT_FAILED),
            )
        )


def settle(job_id: str) -> bool:
    """Note that those who waited for this job have been told; False if somebody else did it first."""
    return bool(job_rows().filter(id=job_id, unsettled=True).update(unsettled=False))


def forget(id: str) -> None:
    """Delete an id's result, and its job if that is finished."""
    with atomic():
        Result.objects.using(alias()).filter(id=id).delete()
        finished = job_rows().filter(id=id, state__in=FINAL)
        member = lock(finished).values_list("batch_id", "state").first()
        if member is not None:
            batches.note_deleted([member])
            finished.delete()
            Payload.objects.using(alias()).filter(job=id).delete()
            limits.forget([id])
            Attempt.objects.using(alias()).filter(job=id).delete()
            logs.forget(id)
            checkpoints.clear([id])


def _put_back(rows: QuerySet[Job], *, tokens: Mapping[str, int] | None = None) -> list[Ticket]:
    finished = lock(rows.filter(state__in=FINAL)).values(
        "id",
        "state",
        "attempts",
        "token",
        "worker",
        "started_at",
        "task",
        "queue",
        "priority",
        "batch_id",
        "limited",
        worker_name=WORKER_NAME,
    )
    found = [row for row in finished if tokens is None or tokens[row["id"]] == row["token"]]
    for row in found:
        if row["state"] == State.SUCCEEDED:
            remember(row["id"], row, Outcome.REPLAYED, error="", traceback="")
    checkpoints.clear(row["id"] for row in found if row["state"] == State.SUCCEEDED)
    ids = [row["id"] for row in found]
    waiting = [row["id"] for row in found if row["limited"]]
    job_rows().filter(id__in=ids).update(
        state=State.QUEUED,
        token=RISE,
        failures=0,
        losses=0,
        suspect=False,
        reason="",
        fingerprint="",
        expires_at=None,
        finished_at=None,
        unsettled=False,
        cancel_asked_at=None,
        worker=None,
        published_at=Now(),
    )
    batches.watch(row["batch_id"] for row in found)
    if waiting:
        # The relay lets them wait at their limits, and in when there is room.
        job_rows().filter(id__in=waiting).update(
            state=State.HELD,
            hold=HoldReason.RELAY,
            due_at=Now(),
            wait_seconds=0.0,
            published_at=None,
        )
    Result.objects.using(alias()).filter(id__in=ids).delete()
    _begin_retries_anew(ids)
    return [
        (Standby if row["limited"] else Ticket)(
            row["id"], row["token"] + 1, row["task"], row["queue"], row["priority"]
        )
        for row in found
    ]


def _begin_retries_anew(ids: Sequence[str]) -> None:
    """Forget how often the jobs were retried: their replay may be retried as often again."""
    retried = []
    for payload in Payload.objects.using(alias()).filter(
        job__in=ids, headers__contains='"retries"'
    ):
        headers = json.loads(payload.headers)
        # What the retry rules have counted goes with it: see `holdfast.dispatch.retrying`.
        headers.pop(COUNTED, None)
        if headers.pop("retries", None):
            payload.headers = json.dumps(headers)
            retried.append(payload)
    Payload.objects.using(alias()).bulk_update(retried, ["headers"], batch_size=100)
