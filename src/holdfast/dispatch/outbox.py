"""How a call leaves: recorded in the caller's transaction, published once that has committed.

Runs in every process that sends. What if it dies here? Before the record's commit: nothing was promised.
After it: the job is in the ledger as queued, and the relay publishes what the broker does not show.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

from django.db import connections, transaction

from holdfast import spans
from holdfast.broker.publisher import Publisher, Unavailable
from holdfast.dispatch import limiting
from holdfast.interruptions import let_out_interruption
from holdfast.ledger import publishing, transitions
from holdfast.ledger.connections.aside import in_event_loop, in_thread
from holdfast.ledger.database import (
    alias,
    atomic,
    in_transaction,
    is_passing,
    with_patience,
)
from holdfast.ledger.records import Alike, NewJob, Ticket
from holdfast.ledger.states import Hold as HoldReason

logger = logging.getLogger("holdfast.dispatch")
T = TypeVar("T")
Last = TypeVar("Last", "_Publication", "_Admission")
# Jobs in one statement: more of them would not be faster, and would be in memory twice.
CHUNK = 1000
_collecting: ContextVar[list[NewJob] | None] = ContextVar("holdfast_collecting", default=None)


class Outbox:
    """Records jobs and publishes them after the commit; one per app and process."""

    def __init__(self, publisher: Publisher) -> None:
        self.publisher = publisher

    @contextmanager
    def batch(self) -> Iterator[None]:
        """Collect the calls made inside, and record them with one statement at the end.

        An exception inside records none of them.
        """
        if _collecting.get() is not None:
            yield
            return
        jobs: list[NewJob] = []
        reset = _collecting.set(jobs)
        try:
            yield
        finally:
            _collecting.reset(reset)
        if jobs:
            self.send(jobs)

    @contextmanager
    def capture(self) -> Iterator[list[NewJob]]:
        """Collect the calls made inside without recording them; the caller sends what it makes of them."""
        jobs: list[NewJob] = []
        reset = _collecting.set(jobs)
        try:
            yield jobs
        finally:
            _collecting.reset(reset)

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Record each call made inside where it is made, whatever collects calls around."""
        reset = _collecting.set(None)
        try:
            yield
        finally:
            _collecting.reset(reset)

    def add(self, job: NewJob) -> None:
        """Send one job, or leave it to the batch that is open."""
        jobs = _collecting.get()
        if jobs is None:
            self.send([job])
        else:
            jobs.append(job)

    def add_fresh(self, job: NewJob) -> None:
        """Send one job whose id was minted for this very call, or leave it to the batch that is open.

        It is one of most: queued at once, not unique, not limited, of no batch or group.
        """
        jobs = _collecting.get()
        if jobs is not None:
            # Who collects may send what he has collected twice.
            jobs.append(job)
        elif in_event_loop() or _foreign_transaction() or not self.publisher.available:
            self.send([job])
        else:
            self.publish_on_commit([transitions.record_fresh(job)])

    def takes_alike(self) -> bool:
        """Tell whether jobs can be sent from here as those of one kind: see `send_alike`."""
        return not (in_event_loop() or _foreign_transaction()) and self.publisher.available

    def send_alike(self, template: NewJob, rows: Iterable[list[Alike]]) -> list[str]:
        """Record many jobs of one kind in the transaction that is open, or in one, and publish them on its commit.

        Returns their ids. The ids were minted for this very call, see `NewJob.is_like_others` for the kind. An error
        on the way takes back all of them, and nothing else.
        """
        tickets = transitions.record_alike(template, rows)
        self.publish_on_commit(tickets)
        return [ticket.id for ticket in tickets]

    def show(self, handle: Any) -> None:
        """Let a result handle made beside the call show the job that stands for it: that of a group's member."""
        jobs = _collecting.get()
        unique = jobs[-1].unique if jobs and jobs[-1].id == handle.id else None
        if unique is not None:
            unique.handles.append(handle)

    def send(self, jobs: Sequence[NewJob]) -> None:
        """Record jobs in the transaction that is open, or in one of their own, and publish them on commit."""
        if in_event_loop():
            # Django refuses the database here; a view that runs in the loop has no transaction either.
            in_thread(lambda: self.send(jobs))
            return
        other = _foreign_transaction()
        if other is not None:
            # Recorded when that transaction commits: a crash between the two commits loses the call.
            transaction.on_commit(lambda: self.send(jobs), using=other)
            return
        if not self.publisher.available:
            for job in jobs:
                if not job.limits:
                    job.hold = job.hold or HoldReason.RELAY
        if len(jobs) <= CHUNK or any(job.unique for job in jobs):
            self._record(jobs)
            return
        with atomic():
            for start in range(0, len(jobs), CHUNK):
                self._record(jobs[start : start + CHUNK])

    def _record(self, jobs: Sequence[NewJob]) -> None:
        limited = [job for job in jobs if job.limits]
        if limited:
            limiting.prepare(limited)
        # While the broker is away an admission would only use up what the limits give: the relay does it later.
        at_once = limited and self.publisher.available
        tickets = limiting.record(jobs) if at_once else transitions.record(jobs)
        if tickets:
            self.publish_on_commit(tickets)
        if limited:
            gone = {ticket.id for ticket in tickets}
            self._admit_on_commit([job for job in limited if job.id not in gone])

    def publish_on_commit(self, tickets: Sequence[Ticket]) -> None:
        """Publish after the open transaction commits, at once if there is none; never if it rolls back."""
        if not in_transaction():
            self.publish(tickets)
            return
        waiting = _last_of(_Publication, self)
        if waiting is not None:
            waiting.tickets.extend(tickets)
        else:
            transaction.on_commit(_Publication(self, list(tickets)), using=alias())

    def _admit_on_commit(self, jobs: Sequence[NewJob]) -> None:
        """Let jobs in after the open transaction commits, at once if there is none."""
        if not jobs:
            return
        if not in_transaction():
            self.admit(jobs)
            return
        waiting = _last_of(_Admission, self)
        if waiting is not None:
            waiting.jobs.extend(jobs)
        else:
            transaction.on_commit(_Admission(self, list(jobs)), using=alias())

    def admit(self, jobs: Sequence[NewJob]) -> None:
        """Let in now what waits at limits, as far as it fits, and publish it."""
        if self.publisher.available and (tickets := limiting.admit(jobs)):
            self.publish(tickets)

    def publish(self, tickets: Sequence[Ticket]) -> None:
        """Publish now; what the broker does not take goes back to the relay. Never raises for the broker."""
        span = None if spans.tracer is None else spans.tracer.publishing(tickets)
        try:
            self.publisher.publish(tickets)
        except Unavailable as unavailable:
            try:
                publishing.recall(unavailable.rest)
            except Exception as error:
                let_out_interruption(error)
                if not is_passing(error):
                    raise
                # The rows say queued: the relay finds that the broker does not show them.
                logger.warning(
                    "Could not note that %d jobs are unpublished: %s", len(unavailable.rest), error
                )
        finally:
            if span is not None:
                span.end()


class _Publication:
    """What one transaction will publish when it commits."""

    def __init__(self, outbox: Outbox, tickets: list[Ticket]) -> None:
        self.outbox = outbox
        self.tickets = tickets

    def __call__(self) -> None:
        with _beside_the_commit():
            self.outbox.publish(self.tickets)


class _Admission:
    """What one transaction will let in when it commits."""

    def __init__(self, outbox: Outbox, jobs: list[NewJob]) -> None:
        self.outbox = outbox
        self.jobs = jobs

    def __call__(self) -> None:
        with _beside_the_commit():
            self.outbox.admit(self.jobs)


@contextmanager
def _beside_the_commit() -> Iterator[None]:
    """Let no error out: the commit stands, and the relay does what was not done. Django would swallow a time limit."""
    try:
        yield
    except Exception as error:
        let_out_interruption(error)
        logger.exception("Jobs were recorded and are not published: the relay does it")


def _last_of(kind: type[Last], outbox: Outbox) -> Last | None:
    """Return what was registered last for the commit, if it can be done for more of the same.

    That is: same transaction, same savepoints, nothing registered in between.
    """
    connection = connections[alias()]
    if not connection.run_on_commit:
        return None
    savepoints, work, *_ = connection.run_on_commit[-1]
    if isinstance(work, kind) and work.outbox is outbox:
        return work if savepoints == set(connection.savepoint_ids) else None
    return None


def _foreign_transaction() -> str | None:
    """Return the alias of an open transaction on another database, if the ledger's has none."""
    if in_transaction():
        return None
    ledger = alias()
    for connection in connections.all(initialized_only=True):
        if connection.alias != ledger and connection.in_atomic_block:
            return connection.alias
    return None


def patiently(work: Callable[[], T], *, seconds: float, what: str) -> T:
    """Do ledger work that may be asked twice, waiting for the database where that is possible."""
    return work() if in_transaction() else with_patience(work, seconds=seconds, what=what)
