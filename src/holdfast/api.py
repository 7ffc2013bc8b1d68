"""The functions of the public API that are not methods of a task or of a result."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from celery import Celery, Signature, current_app
from celery.result import AsyncResult

from holdfast.exceptions import JobNotFound
from holdfast.ledger import interventions


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
    jobs: str | AsyncResult[Any] | Iterable[str | AsyncResult[Any]],
    *,
    terminate: bool = True,
    actor: str = "",
) -> None:
    """Cancel jobs for good, by id or result handle.

    Waiting jobs never run. Running ones are stopped if `terminate` is true: their rows are cancelled at
    once, and nothing their attempts do to their own rows counts any more; a thread is not stopped but its
    end is refused. The audit gets a line for each job, with the actor.
    """
    many = [jobs] if isinstance(jobs, str | AsyncResult) else jobs
    ids = [job if isinstance(job, str) else job.id for job in many]
    if ids:
        current_app.control.revoke(ids, terminate=terminate, actor=actor)


def replay(job: str | AsyncResult[Any], *, actor: str = "") -> AsyncResult[Any]:
    """Put a finished job back to work as a new attempt of the same job; the audit gets a line, with the actor.

    The move and the line are one transaction, or part of the one that is open. The job is published once that has
    committed; if the process dies before, a worker with the duty publishes it.

    Raises:
        JobNotFound: there is no such job, or it is not finished.
    """
    job_id = job if isinstance(job, str) else job.id
    ticket = interventions.replay(job_id, actor=actor)
    if ticket is None:
        raise JobNotFound(
            f"Job {job_id} cannot be replayed: it is not in the ledger, or it has not finished yet."
        )
    current_app.outbox.publish_on_commit([ticket])
    return AsyncResult(job_id)
