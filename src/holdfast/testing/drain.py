"""Runs what is due, in the test's own process: the loops of a worker by hand, one round after the other."""

from __future__ import annotations

import os
import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID, uuid4

from holdfast.exceptions import HoldfastError
from holdfast.ledger import interventions, pauses, publishing, rehearsal, transitions, workers
from holdfast.ledger.records import ClaimedJob, Refusal, Ticket
from holdfast.testing import attempt
from holdfast.testing.clock import travel_to_next_due
from holdfast.testing.nowhere import road
from holdfast.upkeep.completer import Completer
from holdfast.upkeep.settler import Settler

BATCH = 1000


class NeverEmpty(HoldfastError):
    """Jobs go on sending jobs: the drain has given up, and what is due is still there."""


def drain(app: Any, *, raise_errors: bool, rounds: int, skip_waits: bool) -> int:
    """Run what is due and what becomes due by that; see `HoldfastJobs.drain`."""
    ran: Counter[str] = Counter()
    if not road.is_open:
        return 0
    healers = (Settler(app.backend.settle), Completer(app.backend.finish_batch))
    with _hired() as worker:
        for _ in range(rounds):
            tickets = _due(healers)
            if not tickets and skip_waits and travel_to_next_due():
                tickets = _due(healers)
            if not tickets:
                return ran.total()
            for ticket in tickets:
                job = _claim(ticket, worker)
                if job is None:
                    continue
                ran[job.task] += 1
                error = attempt.run(app, job, worker=worker)
                if error is not None and raise_errors:
                    _raise(error, job)
    raise NeverEmpty(
        f"After {rounds} rounds jobs are still due: {_counted(ticket.task for ticket in _due(healers))}. "
        f"Attempts that were run: {_counted(ran.elements())}. A job that sends itself again and again never ends: "
        "end it in the test, or give drain(rounds=...) if so many are meant."
    )


def _due(healers: tuple[Settler, Completer]) -> list[Ticket]:
    """Do what the loops of a worker do, and return what a worker would be given then."""
    while sum(healer.one_pass() for healer in healers):
        pass
    while len(publishing.publish_due(limit=BATCH)) == BATCH:
        pass
    rehearsal.let_all_in()
    return rehearsal.queued()


def _claim(ticket: Ticket, worker: UUID) -> ClaimedJob | None:
    # A test that stands still in a debugger must not lose its lease.
    workers.renew(worker)
    batch = transitions.claim([(ticket.id, ticket.token, False)], worker=worker)
    if batch.refused.get(ticket.id) == Refusal.EXPIRED:
        interventions.expire([ticket.id])
    if batch.refused.get(ticket.id) == Refusal.PAUSED:
        pauses.shelve([(ticket.id, ticket.token)])
    return batch.claimed[0] if batch.claimed else None


@contextmanager
def _hired() -> Iterator[UUID]:
    worker = uuid4()
    workers.register(
        workers.Incarnation(
            id=worker,
            name="holdfast.testing",
            host=socket.gethostname(),
            pid=os.getpid(),
            pool="drain",
            concurrency=1,
            queues=[],
        )
    )
    try:
        yield worker
    finally:
        workers.retire(worker)


def _raise(error: Exception, job: ClaimedJob) -> None:
    error.add_note(f"holdfast: attempt {job.attempt} of job {job.id}, {job.task} on {job.queue}")
    raise error


def _counted(tasks: Iterator[str]) -> str:
    return ", ".join(f"{task} {times} times" for task, times in Counter(tasks).most_common())
