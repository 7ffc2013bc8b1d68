"""An attempt whose process is ended on purpose is a span: by a time limit, by who cancels it, by a stop."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from uuid import UUID, uuid4

import pytest
from django.db import transaction
from django.utils import timezone

from holdfast import Celery
from holdfast.ledger import interventions, transitions, workers
from holdfast.ledger.database import alias
from holdfast.ledger.models import Job
from holdfast.ledger.records import Hold
from holdfast.ledger.workers import Incarnation
from holdfast.testing import HoldfastJobs
from tests.eventually import eventually
from tests.harness import Site, new_site
from tests.project import watched
from tests.traced import Receiver, Seen, Spans, receiver, traced

SPEAK, LINGER = watched.speak.name, watched.linger.name


@pytest.fixture
def seen() -> Iterator[Spans]:
    with traced() as found:
        yield found


def _worker(pool: str) -> UUID:
    id = uuid4()
    workers.register(
        Incarnation(
            id=id, name="one@host", host="host", pid=1, pool=pool, concurrency=4, queues=["celery"]
        )
    )
    return id


def _claim(worker: UUID, *ids: str) -> list[Hold]:
    jobs = list(Job.objects.using(alias()).filter(id__in=ids))
    tickets = [(job.id, job.token, False) for job in jobs]
    assert len(transitions.claim(tickets, worker=worker).claimed) == len(ids)
    tokens = dict(Job.objects.using(alias()).filter(id__in=ids).values_list("id", "token"))
    return [Hold(id, tokens[id], worker) for id in ids]


def test_job_that_is_cancelled_while_a_process_runs_it_has_a_span_and_its_replay_is_linked_to_it(
    jobs: HoldfastJobs, app: Celery, seen: Spans
) -> None:
    sent = app.tasks[SPEAK].delay("it")
    _claim(_worker("prefork"), sent.id)
    assert interventions.cancel([sent.id], running=True) == [sent.id]
    killed = seen.one("process")
    assert (killed.attributes["holdfast.left_by"], killed.attributes["holdfast.attempt"]) == (
        "cancel",
        1,
    )
    assert killed.attributes["holdfast.worker"] == "one@host"
    assert not killed.failed
    assert "error.type" not in killed.attributes
    interventions.replay(sent.id)
    jobs.drain()
    assert seen.all("process")[-1].links == (killed.id,)


def test_attempt_that_tells_of_itself_is_not_told_of_by_who_cancels_it(
    jobs: HoldfastJobs, app: Celery, seen: Spans
) -> None:
    ids = [app.tasks[SPEAK].delay("it").id for _ in range(2)]
    _claim(_worker("threads"), ids[0])
    assert interventions.cancel(ids, running=True) == [ids[0]]
    assert not seen.all("process")


def test_cancel_that_does_not_commit_tells_of_nothing(
    jobs: HoldfastJobs, app: Celery, seen: Spans
) -> None:
    sent = app.tasks[SPEAK].delay("it")
    _claim(_worker("prefork"), sent.id)
    with transaction.atomic(using=alias()):
        interventions.cancel([sent.id], running=True)
        transaction.set_rollback(True, using=alias())
    assert not seen.all("process")


def test_of_what_a_stop_gives_back_only_what_was_killed_has_a_span(
    jobs: HoldfastJobs, app: Celery, seen: Spans
) -> None:
    ids = [app.tasks[SPEAK].delay("it").id for _ in range(4)]
    waited, ran, asked, moved = _claim(_worker("threads"), *ids)
    # One that is moved by itself, and one that another has moved before.
    Job.objects.using(alias()).filter(id=asked.id).update(cancel_asked_at=timezone.now())
    interventions.cancel([moved.id], running=True)
    transitions.hand_back(
        [waited, ran, asked, moved], cause="the worker stopped", killed={ran, asked, moved}
    )
    told = {span.attributes["messaging.message.id"]: span for span in seen.all("process")}
    assert told.keys() == {ran.id, asked.id}
    assert {span.attributes["holdfast.left_by"] for span in told.values()} == {"stop"}
    assert not any(span.failed for span in told.values())
    jobs.drain()
    links = {
        span.attributes["messaging.message.id"]: span.links for span in seen.all("process")[2:]
    }
    assert links == {waited.id: (), ran.id: (told[ran.id].id,)}


# -- by real processes --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def collector() -> Iterator[Receiver]:
    with receiver() as found:
        yield found


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def site(request: pytest.FixtureRequest, collector: Receiver) -> Iterator[Site]:
    told = {"HOLDFAST_TRACING": "True", "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url}
    with new_site(str(request.param), request, environment=told) as site:
        yield site


def _runs(collector: Receiver, job: str) -> list[Seen]:
    runs = [
        span for span in collector.all("process") if span.attributes["messaging.message.id"] == job
    ]
    return sorted(runs, key=lambda span: span.attributes["holdfast.attempt"])


@pytest.mark.slow
@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGQUIT])
@pytest.mark.short_on("sqlite")
def test_time_limit_cancel_and_stop_leave_a_span_each(
    site: Site, collector: Receiver, stop: signal.Signals
) -> None:
    site.kill_workers()
    site.empty()
    include = f"--include={watched.__name__}"
    environment = {"HOLDFAST_STOP_SECONDS": "0.5", "OTEL_BSP_SCHEDULE_DELAY": "100"}
    worker = site.worker(include, concurrency=3, environment=environment)
    linger = site.app.tasks[LINGER]
    limited = linger.apply_async(("limited", 1), time_limit=1.0)
    revoked, stopped = linger.delay("revoked", 1), linger.delay("stopped", 1)
    for name in ("limited", "revoked", "stopped"):
        site.await_effect(name)

    # As by Celery's own command: the worker that runs it cancels it.
    super(type(site.app.control), site.app.control).revoke(revoked.id, terminate=True)
    eventually(lambda: _runs(collector, limited.id), told="the time limit is told")
    eventually(lambda: _runs(collector, revoked.id), told="the cancel is told")
    (run,) = _runs(collector, limited.id)
    assert run.attributes["holdfast.left_by"] == "time limit"
    assert (run.failed, run.says) == (True, "TimeLimitExceeded: hard limit of 1.0 s")
    (run,) = _runs(collector, revoked.id)
    assert (run.attributes["holdfast.left_by"], run.failed) == ("cancel", False)
    assert site.states()[revoked.id] == "cancelled"

    worker.signal(stop)
    worker.wait()
    # Sent before the process ends.
    (told,) = _runs(collector, stopped.id)
    assert (told.attributes["holdfast.left_by"], told.failed) == ("stop", False)
    site.worker(include, environment=environment)
    assert stopped.get(timeout=60) == "stopped"
    eventually(lambda: len(_runs(collector, stopped.id)) == 2, told="the next one is told")
    assert _runs(collector, stopped.id)[1].links == (told.id,)
    # Each of them once, also where its process had the time to tell of itself.
    assert [len(_runs(collector, one.id)) for one in (limited, revoked)] == [1, 1]
