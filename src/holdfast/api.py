"""The functions of the public API that are not methods of a task or of a result."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from celery import Celery, Signature, current_app
from celery.result import AsyncResult

from holdfast.batches import Batch
from holdfast.dispatch.trees import Jobs, ids_of
from holdfast.exceptions import JobNotFound
from holdfast.ledger import interventions, wishes
from holdfast.ledger.reads import attempts as ledger_attempts
from holdfast.ledger.reads import queue_reads
from holdfast.ledger.reads.attempts import AttemptRow
from holdfast.ledger.reads.queue_reads import Queue
from holdfast.tickets import to_publish

# A tree is as deep as its longest chain, but no step ends again and again between two looks.
ROUNDS = 20
# Jobs cancelled in one transaction, unless one is open: databases bound what one statement may name.
CHUNK = 1000


def apply_many(signatures: Iterable[Signature[Any]]) -> list[AsyncResult[Any]]:
    """Send many signatures in one go: recorded together, published together, all of them or none.

    Inside a transaction they are part of it. Signatures of one task with the same options are sent
    faster by that task's own `apply_many`.
    """
    sendable = list(signatures)
    if not sendable:
        return []
    app: Celery = sendable[0].app
    with app.producer_or_acquire() as producer:
        return [signature.apply_async(producer=producer) for signature in sendable]


def cancel(
    jobs: Jobs | Batch,
    *,
    terminate: bool = True,
    only_waiting: bool = False,
    actor: str = "",
) -> None:
    """Cancel jobs for good, by id, result handle, `GroupResult`, or many of these; a handle brings its whole tree.

    A batch is cancelled with all its members, those that are added later too.

    Waiting jobs never run. Running ones are stopped if `terminate` is true: their rows are cancelled at
    once, and nothing their attempts do to their own rows counts any more; a thread is not stopped but its
    end is refused. Without `terminate` they are asked to stop: `is_aborted()` is true in their bodies from then on.
    With `only_waiting` they are left alone. The audit gets a line for each job, with the actor.

    May be called again; what has ended is left as it is. A thousand jobs are cancelled in one transaction, unless one
    is open. If the process dies in the middle some may be left: call it again.

    Raises:
        TypeError: one of `jobs` is neither an id nor a handle.
    """
    if isinstance(jobs, Batch):
        jobs.cancel(terminate=terminate, only_waiting=only_waiting, actor=actor)
        return
    running = terminate and not only_waiting
    # From the first steps to the last: one that ends before its turn has recorded the next one by then.
    ids = ids_of(jobs)
    for start in range(0, len(ids), CHUNK):
        left = ids[start : start + CHUNK]
        for _ in range(ROUNDS):
            current_app.control.revoke(left, terminate=running, ask=not only_waiting, actor=actor)
            # A step that ended while it was waited for has recorded the next one: that is part of the tree.
            left = wishes.left_to_cancel(left, running=running)
            if not left:
                break


def attempts(job: str | AsyncResult[Any]) -> list[AttemptRow]:
    """Return the attempts of a job, oldest first, each with its worker, times, error and the lines it has logged.

    One that runs is the last, with the outcome `running`.

    Raises:
        JobNotFound: there is no such job.
    """
    job_id = job if isinstance(job, str) else job.id
    found = ledger_attempts.attempts(job_id)
    if found is None:
        raise JobNotFound(
            f"Job {job_id} has no attempts to show: it was never recorded here, or it was deleted after its retention."
        )
    return found


def replay(
    job: str | AsyncResult[Any], *, actor: str = "", from_start: bool = False
) -> AsyncResult[Any]:
    """Put a finished job back to work as a new attempt of the same job; the audit gets a line, with the actor.

    The move and the line are one transaction, or part of the one that is open. The job is published once that has
    committed; if the process dies before, a worker with the duty publishes it. The new attempt goes on from the job's
    last checkpoint, unless `from_start` is true or the job had succeeded.

    Raises:
        JobNotFound: there is no such job, or it is not finished.
    """
    job_id = job if isinstance(job, str) else job.id
    ticket = interventions.replay(job_id, actor=actor, from_start=from_start)
    if ticket is None:
        raise JobNotFound(
            f"Job {job_id} cannot be replayed: it is not in the ledger, or it has not finished yet."
        )
    current_app.outbox.publish_on_commit(to_publish([ticket]))
    return AsyncResult(job_id)


def queues() -> list[Queue]:
    """Return each queue with what waits in it, since when, what runs, and which live workers serve it.

    Of bounded cost: no list is counted beyond 10,000 jobs, see `Queue.more`.
    """
    return queue_reads.queues()


def unserved_queues() -> list[str]:
    """Return the queues in which jobs wait that no live worker takes."""
    return queue_reads.unserved_queues()
