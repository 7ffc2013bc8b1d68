"""Workers as people see them: who lives, who was lost, and what each has claimed; a fixed number of statements."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connections
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext

from holdfast.conf import get_settings
from holdfast.ledger import transitions, workers
from holdfast.ledger.models import Worker
from holdfast.ledger.reads import worker_reads
from holdfast.ledger.reads.worker_reads import GoneWorker, LiveWorker
from tests.rows import hire, new_job

DAY = timedelta(days=1)


def claim(worker: UUID, count: int) -> None:
    tickets = transitions.record([new_job() for _ in range(count)])
    transitions.claim([(one.id, one.token, False) for one in tickets], worker=worker)


def asked_by(ledger: str, ask: Any) -> int:
    with CaptureQueriesContext(connections[ledger]) as asked:
        ask()
    return len(asked)


def test_claimed_jobs_are_counted_and_listed_by_worker(ledger: str) -> None:
    busy, idle = hire(), hire()
    claim(busy, 3)
    assert worker_reads.running_by_worker() == {busy: 3}
    jobs = worker_reads.jobs_of(busy)
    assert len(jobs) == 3
    assert all(job.seconds >= 0 and job.attempt == 1 and not job.asked_to_stop for job in jobs)
    assert worker_reads.jobs_of(idle) == []


def test_lost_workers_are_told_from_those_that_stopped(ledger: str) -> None:
    lives, lost, stopped, silent, old = (hire() for _ in range(5))
    rows = Worker.objects.using(ledger)
    rows.filter(id__in=[lost, old]).update(lost_at=Now())
    rows.filter(id=old).update(lost_at=Now() - 2 * DAY)
    workers.retire(stopped)
    rows.filter(id=silent).update(lease_until=Now() - timedelta(seconds=5))
    assert [worker.id for worker in worker_reads.gone(within=DAY)] == [lost]
    assert [worker.id for worker in worker_reads.gone(within=DAY, lost=False)] == [stopped]
    assert isinstance(worker_reads.find(lives), LiveWorker)
    found = worker_reads.find(silent)
    assert isinstance(found, GoneWorker)
    assert found.lost, "its lease is over, and nobody has said so yet"
    assert worker_reads.find(uuid4()) is None


def test_heartbeat_has_an_age(ledger: str) -> None:
    hire()
    Worker.objects.using(ledger).update(
        lease_until=Now() + timedelta(seconds=get_settings().lease_seconds - 9)
    )
    (worker,) = worker_reads.workers()
    assert worker.beat_seconds == pytest.approx(9, abs=8)
    Worker.objects.using(ledger).update(lease_seconds=None)
    assert worker_reads.workers()[0].beat_seconds is None


def test_slots_that_have_changed_are_noted_with_the_queues(ledger: str) -> None:
    worker = hire()
    workers.note_queues(worker, ["a", "b"], slots=7)
    (row,) = worker_reads.workers()
    assert (row.queues, row.slots) == (["a", "b"], 7)


def test_fifty_workers_cost_as_many_statements_as_one(ledger: str) -> None:
    def look() -> None:
        worker_reads.workers()
        worker_reads.running_by_worker()
        worker_reads.gone(within=DAY)

    claim(hire(), 1)
    one = asked_by(ledger, look)
    for _ in range(49):
        claim(hire(), 2)
    assert len(worker_reads.workers()) == 50
    assert asked_by(ledger, look) == one
