"""An attempt whose process is gone is a span all the same: whoever gives its job back tells of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connections, transaction
from django.test.utils import CaptureQueriesContext
from opentelemetry.sdk.trace import TracerProvider

from holdfast import Celery, spans
from holdfast.ledger import interventions, transitions, workers
from holdfast.ledger.database import alias
from holdfast.ledger.models import Attempt, Job, Payload
from holdfast.ledger.states import Outcome, State
from holdfast.ledger.workers import Incarnation
from holdfast.telemetry import starting
from holdfast.testing import HoldfastJobs
from holdfast.testing.faults import worker_dies
from holdfast.tickets import FORMER
from tests.project import watched
from tests.traced import Spans, traced

SPEAK = watched.speak.name


@pytest.fixture
def seen() -> Iterator[Spans]:
    with traced() as found:
        yield found


def _gone(name: str = "gone@host") -> UUID:
    """Register a worker that has stopped since: what it holds is free."""
    id = uuid4()
    workers.register(
        Incarnation(
            id=id, name=name, host="host", pid=1, pool="prefork", concurrency=1, queues=["celery"]
        )
    )
    return id


def _claim(worker: UUID, *ids: str, ahead: bool = False) -> None:
    jobs = Job.objects.using(alias()).filter(id__in=ids)
    tickets = [(job.id, job.token, ahead) for job in jobs]
    assert len(transitions.claim(tickets, worker=worker).claimed) == len(ids)


def _rescue(*gone: UUID) -> list[str]:
    for worker in gone:
        workers.retire(worker)
    lapsed, worker_of = workers.lapsed_jobs(limit=500)
    return [ticket.id for ticket in interventions.rescue(lapsed, worker_of=worker_of)]


def test_lost_attempt_is_a_span_of_its_call_and_the_next_one_is_linked_to_it(
    jobs: HoldfastJobs, app: Celery, seen: Spans
) -> None:
    with seen.tracer.start_as_current_span("request"):
        sent = app.tasks[SPEAK].delay("it")
    worker = _gone()
    _claim(worker, sent.id)
    assert _rescue(worker) == [sent.id]
    lost = seen.one(f"process {SPEAK}")
    jobs.drain()
    _, done = seen.all(f"process {SPEAK}")

    create = seen.one(f"create {SPEAK}")
    assert (lost.trace, lost.parent, lost.kind) == (create.trace, create.id, "CONSUMER")
    assert (lost.failed, lost.says) == (True, "worker lost: its worker's lease ran out")
    assert lost.attributes == {
        "messaging.system": "holdfast",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": "celery",
        "messaging.message.id": sent.id,
        "messaging.message.conversation_id": sent.id,
        "holdfast.task": SPEAK,
        "holdfast.attempt": 1,
        "holdfast.retries": 0,
        "holdfast.left_by": "lost",
        "holdfast.worker": "gone@host",
        "error.type": "worker lost",
    }
    assert (done.parent, done.links) == (create.id, (lost.id,))
    assert (done.attributes["holdfast.attempt"], done.failed) == (2, False)

    (row,) = Attempt.objects.using(alias()).filter(job=sent.id, outcome=Outcome.LOST)
    assert row.started_at is not None
    assert lost.began / 1e9 == pytest.approx(row.started_at.timestamp(), abs=1e-3)
    # Stamped by two statements of one transaction.
    assert lost.ended / 1e9 == pytest.approx(row.ended_at.timestamp(), abs=5.0)
    assert lost.began <= lost.ended


def test_retry_and_losses_are_one_row_of_links(
    jobs: HoldfastJobs, app: Celery, seen: Spans
) -> None:
    sent = app.tasks[SPEAK].delay("it", fails=1)
    with worker_dies(SPEAK, times=2):
        jobs.drain()
    assert sent.get(timeout=1) == "it"
    # The fault dies at the end of a body, here: such a process tells of its run itself, too.
    runs = [
        span
        for span in seen.all("process")
        if span.attributes["holdfast.attempt"] in (1, 4)
        or span.attributes["holdfast.left_by"] == "lost"
    ]
    retried, once, twice, done = runs
    assert [span.attributes["holdfast.attempt"] for span in runs] == [1, 2, 3, 4]
    assert [span.attributes["holdfast.retries"] for span in runs] == [0, 1, 1, 1]
    assert [span.links for span in runs] == [(), (retried.id,), (once.id,), (twice.id,)]
    assert [span.failed for span in runs] == [True, True, True, False]
    assert done.attributes["holdfast.left_by"] == "return"


def test_job_that_dies_of_its_losses_leaves_a_span_for_each_and_its_replay_goes_on_from_the_last(
    jobs: HoldfastJobs, app: Celery, seen: Spans
) -> None:
    sent = app.tasks[SPEAK].delay("it")
    for _ in range(3):
        worker = _gone()
        _claim(worker, sent.id)
        _rescue(worker)
    assert Job.objects.using(alias()).get(id=sent.id).state == State.DEAD
    losses = seen.all("process")
    assert [span.attributes["holdfast.attempt"] for span in losses] == [1, 2, 3]
    assert [span.links for span in losses] == [(), (losses[0].id,), (losses[1].id,)]
    interventions.replay(sent.id)
    jobs.drain()
    assert seen.all("process")[-1].links == (losses[2].id,)


def test_rescue_that_does_not_commit_tells_of_nothing(
    jobs: HoldfastJobs, app: Celery, seen: Spans
) -> None:
    sent = app.tasks[SPEAK].delay("it")
    worker = _gone()
    _claim(worker, sent.id)
    with transaction.atomic(using=alias()):
        _rescue(worker)
        transaction.set_rollback(True, using=alias())
    assert not seen.all("process")
    assert _rescue(worker) == [sent.id]
    seen.one(f"process {SPEAK}")


def test_many_losses_cost_two_reads_and_a_write_and_none_where_nobody_traces(
    jobs: HoldfastJobs, app: Celery, seen: Spans
) -> None:
    def cost(many: int) -> int:
        ids = [app.tasks[SPEAK].delay(str(number)).id for number in range(many)]
        worker = _gone()
        _claim(worker, *ids, ahead=True)
        with CaptureQueriesContext(connections[alias()]) as statements:
            assert sorted(_rescue(worker)) == sorted(ids)
        return len(statements)

    few, many = cost(2), cost(60)
    assert few == many
    starting.uninstall()
    assert cost(60) == many - 3


class _Broken(TracerProvider):
    def get_tracer(self, *args: Any, **kwargs: Any) -> Any:
        return None


def test_tracer_that_breaks_and_headers_that_nobody_can_read_hold_up_no_rescue(
    jobs: HoldfastJobs, app: Celery, seen: Spans
) -> None:
    unread, told = (app.tasks[SPEAK].delay("it").id for _ in range(2))
    worker = _gone()
    _claim(worker, unread, told)
    Payload.objects.using(alias()).filter(job=unread).update(headers="{")
    assert sorted(_rescue(worker)) == sorted([unread, told])
    assert seen.one(f"process {SPEAK}").attributes["messaging.message.id"] == told

    starting.install(_Broken())
    worker = _gone()
    _claim(worker, told)
    assert _rescue(worker) == [told]
    assert spans.tracer is not None
    headers = json.loads(Payload.objects.using(alias()).get(job=told).headers)
    assert headers[FORMER], "what was known of the attempt before stays"


def test_moments_of_a_lost_attempt_are_the_ledgers_also_where_its_clock_was_set_back(
    seen: Spans,
) -> None:
    claimed = datetime(2026, 3, 29, 0, 59, 59, 123457, tzinfo=UTC)
    tracer = spans.tracer
    assert tracer is not None
    for ended in (claimed + timedelta(seconds=35), claimed - timedelta(hours=1)):
        lost = spans.Lost(
            job="id",
            task="task",
            queue="celery",
            attempt=2,
            headers={},
            worker="",
            began_at=claimed,
            ended_at=ended,
            cause="gone",
        )
        span = tracer.losing(lost)
        assert span is not None
        span.end()
    first, second = seen.all("process task")
    assert first.began == 1774745999_123457000
    assert (first.ended - first.began, second.ended - second.began) == (35 * 10**9, 0)
    assert "holdfast.worker" not in first.attributes
