"""What there is to know of jobs that run or are over, by the ledger; and what it costs to ask."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from io import StringIO
from uuid import uuid4

import pytest
from django.core.management import call_command
from django.db import connections
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext

import holdfast
from holdfast import Celery
from holdfast.exceptions import JobNotFound
from holdfast.ledger import interventions, transitions, workers
from holdfast.ledger.models import Worker
from holdfast.ledger.reads import standing
from holdfast.ledger.records import Hold
from holdfast.testing.services import RedisServer
from holdfast.waiting import Kind
from tests.asked_why import claim, first, record, row, waits
from tests.rows import FAILURE, hire
from tests.surroundings import shop_app


@pytest.fixture(autouse=True)
def app(ledger: str, redis_server: RedisServer) -> Iterator[Celery]:
    """An app whose broker is there and empty."""
    with shop_app(redis_server.url, number=13) as app:
        yield app


# -- running ------------------------------------------------------------------------------------------


def test_running_job_says_where_since_when_and_how_its_worker_is() -> None:
    worker = hire()
    hold = claim(record(), worker)
    (wait,) = holdfast.why_waits(hold.id)
    assert (wait.kind, wait.workers, wait.trouble) == (Kind.RUNNING, ("w",), False)
    assert "renewed" in wait.text
    Worker.objects.using("ledger").filter(id=worker).update(stalled_at=Now())
    assert waits(hold.id)[Kind.STALLED].trouble


def test_job_claimed_ahead_waits_in_the_memory_of_its_worker() -> None:
    worker = hire()
    running, ahead = record(), record()
    claim(running, worker)
    row(running).update(started_at=Now() - timedelta(minutes=3))
    claim(ahead, worker, ahead=True)
    (wait,) = holdfast.why_waits(ahead)
    assert wait.kind == Kind.CLAIMED
    assert [job.id for job in wait.jobs] == [running]
    assert "3 min" in wait.text
    transitions.succeed(Hold(running, 2, worker), stored=None)
    assert first(ahead).kind == Kind.RUNNING


def test_job_of_a_lost_worker_is_about_to_be_given_back() -> None:
    worker = hire()
    hold = claim(record(), worker)
    Worker.objects.using("ledger").filter(id=worker).update(
        lease_until=Now() - timedelta(seconds=1)
    )
    wait = first(hold.id)
    assert (wait.kind, wait.trouble) == (Kind.LOST_WORKER, True)
    other = hire()
    assert workers.take_duty(workers.UPKEEP, other, seconds=30)
    assert first(hold.id).trouble is False
    Worker.objects.using("ledger").filter(id=worker).delete()
    assert "not known any more" in first(hold.id).text


def test_job_that_was_asked_to_stop_says_since_when() -> None:
    hold = claim(record(), hire())
    interventions.cancel([hold.id], running=False, ask=True)
    assert list(waits(hold.id)) == [Kind.CANCEL_ASKED, Kind.RUNNING]


def test_job_beyond_its_time_limit_looks_stuck(app: Celery) -> None:
    hold = claim(record(headers=json.dumps({"timelimit": [30, None]})), hire())
    assert Kind.STUCK not in waits(hold.id)
    row(hold.id).update(started_at=Now() - timedelta(minutes=1))
    wait = waits(hold.id)[Kind.STUCK]
    assert wait.trouble
    assert "longer than its time limit of 30 s" in wait.text


def test_job_slower_than_the_runs_of_its_task_is_told() -> None:
    worker = hire()
    done = [claim(record(), worker) for _ in range(standing.ENOUGH)]
    for hold in done:
        transitions.succeed(hold, stored=None)
    hold = claim(record(), worker)
    other = claim(record(task="rare"), worker)
    for slow in (hold, other):
        row(slow.id).update(started_at=Now() - timedelta(hours=1))
    assert "99 of 100 of the last 20 runs" in waits(hold.id)[Kind.STUCK].text
    assert Kind.STUCK not in waits(other.id), "too few runs say nothing"


# -- over, and what it costs --------------------------------------------------------------------------


def test_job_that_is_over_waits_for_nothing_but_to_be_told_of() -> None:
    hold = claim(record(linked=True), hire())
    transitions.fail(hold, stored=FAILURE, error="x", told=False)
    assert first(hold.id).kind == Kind.TELLING
    interventions.settle(hold.id)
    assert holdfast.why_waits(hold.id) == []
    with pytest.raises(JobNotFound, match="never recorded"):
        holdfast.why_waits("nobody")


def test_command_says_it_in_words_and_as_json() -> None:
    id = record(queue="mail")
    out = StringIO()
    call_command("holdfast", "jobs", "why", id, stdout=out)
    assert "UNSERVED: No live worker takes jobs from the queue mail." in out.getvalue()
    out = StringIO()
    call_command("holdfast", "jobs", "why", id, "--json", stdout=out)
    (unserved, *_) = json.loads(out.getvalue())
    assert (unserved["kind"], unserved["trouble"]) == ("unserved", True)
    interventions.cancel([id], running=True)
    out = StringIO()
    call_command("holdfast", "jobs", "why", id, stdout=out)
    assert "waits for nothing" in out.getvalue()


def test_cost_does_not_follow_what_stands_around(ledger: str) -> None:
    last = record()
    with CaptureQueriesContext(connections[ledger]) as few:
        holdfast.why_waits(last)
    for _ in range(30):
        hire(uuid4())
        record()
    last = record()
    with CaptureQueriesContext(connections[ledger]) as many:
        holdfast.why_waits(last)
    assert len(many) <= len(few) + 2, "an estimate, and who has the duty"
    assert len(many) <= 12
