"""Why a job waits: `holdfast.why_waits(job)`; and the two things an operator can do about it, `run_now` and `reroute`.

What is said is read off the ledger at this moment, and for a queued job off the broker. Asking changes nothing.
"""

from __future__ import annotations

import json
from typing import Any

from celery import current_app
from celery.result import AsyncResult

from holdfast.exceptions import JobNotFound, SelectionRefused
from holdfast.ledger import interventions, rerouting
from holdfast.ledger.limiting.limits import uses_of
from holdfast.ledger.reads import standing as reads
from holdfast.ledger.states import State
from holdfast.policies.limits import of_queue
from holdfast.tickets import to_publish
from holdfast.waiting import held, queued, running
from holdfast.waiting.records import Kind, Wait

__all__ = ["Kind", "Wait", "reroute", "run_now", "why_waits"]

PRIORITIES = range(10)


def why_waits(job: str | AsyncResult[Any], *, broker: bool = True) -> list[Wait]:
    """Return why a job is not further than it is, what holds it now first; nothing for one that is over.

    For a job that runs: where, since when, how long its lease stands, and whether it looks stuck.

    A few looks by key or small index, each bounded; of a queued job also one at the broker, within
    `publish_timeout_seconds`.

    Args:
        job: its id or its result handle.
        broker: False leaves the broker alone.

    Raises:
        JobNotFound: there is no such job.
    """
    job_id = job if isinstance(job, str) else job.id
    row = reads.standing(job_id)
    if row is None:
        raise JobNotFound(
            f"Job {job_id} is not in the ledger: it was never recorded, it was deleted after its retention, or it is a "
            "step of a workflow that has not been sent yet: `holdfast graph` of a job before it shows that."
        )
    return why(row, broker=broker)


def why(row: reads.Standing, *, broker: bool = True) -> list[Wait]:
    """Return the same of a row that has been read."""
    match row.state:
        case State.HELD:
            return held.why(row, broker=broker)
        case State.QUEUED:
            return queued.why(row, broker=broker)
        case State.RUNNING:
            return running.why(row)
    return running.after_the_end(row)


def run_now(job_id: str, *, token: int, actor: str) -> bool:
    """Make a job due that waits for its ETA, the delay of its retry or the end of a snooze; the audit gets a line.

    The relay publishes it within `relay_seconds`; at its limits, and for a pause, it waits all the same. The move and
    the line are one transaction: after a crash both are there or neither is.

    Args:
        job_id: of the job.
        token: as it was when somebody looked at it; see `holdfast.ledger.fence`.
        actor: who does it.

    Returns False if it has moved since, or waits for something else; nothing is changed then.
    """
    return interventions.run_now(job_id, token=token, actor=actor)


def reroute(
    job_id: str, *, token: int, actor: str, queue: str | None = None, priority: int | None = None
) -> bool:
    """Let a waiting job wait on another queue or with another priority; the audit says what was there before.

    Its message on the old queue does nothing any more. It is published on the new one once that has committed, or when
    its time comes; if the process dies before, a worker with the duty publishes it.

    Args:
        job_id: of the job.
        token: as of `run_now`.
        actor: who does it.
        queue: its new queue; None leaves it.
        priority: its new priority, from 0 to 9, 9 first; None leaves it.

    Returns False if it has moved since, does not wait any more, or is there already; nothing is changed then.

    Raises:
        SelectionRefused: there is no such queue or priority, or a limit of the queue would count it wrongly.
    """
    row = reads.standing(job_id)
    if row is None or (queue, priority) == (None, None):
        return False
    if priority is not None and priority not in PRIORITIES:
        raise SelectionRefused(
            f"Job {job_id} was not moved: {priority} is no priority. Give a number from 0 to 9; 9 goes first."
        )
    if queue is not None and queue != row.queue:
        _require_queue(row, queue)
    wanted = {"queue": queue, "priority": priority}
    detail = {
        name: [getattr(row, name), value] for name, value in wanted.items() if value is not None
    }
    tickets = rerouting.reroute(
        {job_id: token}, queue=queue, priority=priority, actor=actor, detail=json.dumps(detail)
    )
    current_app.outbox.publish_on_commit(to_publish(tickets))
    return bool(tickets)


def _require_queue(row: reads.Standing, queue: str) -> None:
    job_id = row.id
    try:
        # Where queues are not made by being named, the publisher could not publish it, nor anything after it.
        current_app.amqp.queues[queue]
    except KeyError:
        known = ", ".join(sorted(current_app.amqp.queues))
        raise SelectionRefused(
            f"Job {job_id} was not moved: CELERY_TASK_QUEUES has no queue {queue!r}. It has: {known}."
        ) from None
    here = {use.limit for use in uses_of(job_id)}
    for name in (row.queue, queue):
        for limit in of_queue(name):
            if name == queue or limit.name in here:
                raise SelectionRefused(
                    f"Job {job_id} was not moved: HOLDFAST['queue_limits'] bounds the queue {name!r}, and a job takes "
                    "part in the limits of the queue it was sent to. Cancel it and send it again, to the other queue."
                )
