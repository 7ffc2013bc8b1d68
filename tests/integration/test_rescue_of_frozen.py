"""A process that freezes inside the transaction that ends its attempt holds the job's row: the rescue does not wait."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import DatabaseError, connections
from django.db.models.functions import Now

from holdfast.exceptions import AttemptLost
from holdfast.ledger import interventions, snoozing, transitions, workers
from holdfast.ledger.database import atomic
from holdfast.ledger.fence import lock
from holdfast.ledger.models import Job, Worker
from holdfast.ledger.records import Hold, Ticket
from holdfast.ledger.states import State
from tests.eventually import eventually
from tests.rows import FAILURE, RESULT, hire, new_job

ENDS: dict[str, Callable[[Hold], Any]] = {
    "success with successors": lambda hold: transitions.succeed(hold, stored=None),
    "success with a result": lambda hold: transitions.succeed(hold, stored=RESULT),
    "failure": lambda hold: transitions.fail(hold, stored=FAILURE, error="e"),
    "retry": lambda hold: transitions.retry(hold, job=new_job(hold.id), stored=None, error="e"),
    "snooze": lambda hold: snoozing.snooze(hold, delay=timedelta(seconds=1)),
    "reject": lambda hold: transitions.reject(hold, error="no"),
    "replaced": transitions.await_replacement,
}


@pytest.fixture
def alias(ledger: str) -> str:
    if connections[ledger].vendor != "postgresql":
        pytest.skip("SQLite has one writer: frozen in a transaction it stops everybody")
    return ledger


class Frozen:
    """A transaction in a thread of its own that stands still before its commit."""

    def __init__(self, alias: str, work: Callable[[], Any]) -> None:
        self.broken: Exception | None = None
        self._thaw = threading.Event()
        self._inside = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(alias, work))
        self._thread.start()
        assert self._inside.wait(60)

    def _run(self, alias: str, work: Callable[[], Any]) -> None:
        try:
            with atomic():
                work()
                self._inside.set()
                self._thaw.wait(60)
        except DatabaseError as error:
            self.broken = error
        finally:
            with suppress(DatabaseError):
                connections[alias].close()

    def thaw(self) -> None:
        self._thaw.set()
        self._thread.join(60)


def running(worker: UUID) -> Hold:
    (ticket,) = transitions.record([new_job()])
    (job,) = transitions.claim([(ticket.id, ticket.token, False)], worker=worker).claimed
    return Hold(job.id, job.token, worker)


def rescue(alias: str, worker: UUID) -> list[Ticket]:
    Worker.objects.using(alias).filter(id=worker).update(lease_until=Now() - timedelta(seconds=1))
    workers.declare_lost()
    lapsed, worker_of = workers.lapsed_jobs(limit=100)
    return interventions.rescue(lapsed, worker_of=worker_of)


@pytest.mark.parametrize("end", sorted(ENDS))
def test_end_that_froze_is_undone_and_its_job_rescued(alias: str, end: str) -> None:
    worker = hire()
    hold = running(worker)
    frozen = Frozen(alias, lambda: ENDS[end](hold))
    try:
        # The server ends a session in its own time: until then its row is left for the next pass.
        eventually(lambda: [ticket.id for ticket in rescue(alias, worker)] == [hold.id])
    finally:
        frozen.thaw()
    assert frozen.broken is not None
    assert Job.objects.using(alias).get(id=hold.id).state == State.QUEUED
    with suppress(AttemptLost):
        assert not ENDS[end](hold), "it has lost its lease"
    assert Job.objects.using(alias).get(id=hold.id).token == hold.token + 1


def test_row_that_somebody_else_has_locked_holds_up_no_other(alias: str) -> None:
    worker = hire()
    holds = [running(worker) for _ in range(3)]
    locked = min(holds).id
    somebody = Frozen(alias, lambda: list(lock(Job.objects.filter(id=locked))))
    try:
        rescued = {ticket.id for ticket in rescue(alias, worker)}
        assert rescued == {hold.id for hold in holds} - {locked}
    finally:
        somebody.thaw()
    assert somebody.broken is None
    eventually(lambda: [ticket.id for ticket in rescue(alias, worker)] == [locked])
