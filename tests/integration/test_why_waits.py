"""Why a job waits: every reason made for real on both databases, with its evidence and what will end it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.db.models.functions import Now

import holdfast
from holdfast import Celery, Unique
from holdfast.ledger import interventions, pauses, publishing, snoozing, transitions, workers
from holdfast.ledger.models import Job, Worker
from holdfast.ledger.reads import standing
from holdfast.ledger.records import Ticket, Use
from holdfast.testing.services import RedisServer
from holdfast.waiting import Kind, queued
from tests import limited
from tests.asked_why import claim, first, record, row, waits
from tests.rows import hire, new_job
from tests.surroundings import current_app, shop_app


@pytest.fixture(autouse=True)
def app(ledger: str, redis_server: RedisServer) -> Iterator[Celery]:
    """An app whose broker is there and empty."""
    with shop_app(redis_server.url, number=13) as app:
        yield app


def publish(app: Celery, id: str) -> None:
    job = row(id).get()
    app.outbox.publisher.publish([Ticket(job.id, job.token, job.task, job.queue, job.priority)])


# -- held ---------------------------------------------------------------------------------------------


def test_job_that_is_not_due_says_when_it_is() -> None:
    wait = first(record(delay_seconds=3600))
    assert wait.kind == Kind.ETA
    assert wait.until is not None
    assert "59 min" in wait.text
    assert not wait.trouble


def test_retry_names_the_attempt_that_failed_and_its_error() -> None:
    hold = claim(record(), hire())
    transitions.retry(
        hold, job=new_job(hold.id, delay_seconds=600), stored=None, error="Timeout('slow')"
    )
    wait = first(hold.id)
    assert wait.kind == Kind.RETRY
    assert wait.text.startswith("Attempt 1 failed")
    assert "Timeout('slow')" in wait.text


def test_snooze_says_why_the_body_comes_back() -> None:
    hold = claim(record(), hire())
    snoozing.snooze(hold, delay=timedelta(hours=2), reason="the file is not there")
    wait = first(hold.id)
    assert wait.kind == Kind.SNOOZE
    assert wait.text.endswith("in 2 h: the file is not there.") or "1 h 59 min" in wait.text


def test_job_that_is_due_waits_for_the_relay_or_for_somebody_who_is_it(app: Celery) -> None:
    id = record()
    publishing.recall([Ticket(id, 1, "t", "q", 0)], delay=timedelta(seconds=-5))
    wait = first(id)
    assert (wait.kind, wait.trouble) == (Kind.RELAY, True)
    assert "Start a worker" in wait.ends
    worker = hire()
    assert workers.take_duty(workers.UPKEEP, worker, seconds=30)
    wait = first(id)
    assert (wait.kind, wait.workers, wait.trouble) == (Kind.RELAY, ("w",), False)


def test_broker_that_is_away_is_named_first() -> None:
    queued, held = record(), record()
    publishing.recall([Ticket(held, 1, "t", "q", 0)], delay=timedelta(seconds=-5))
    with current_app("redis://127.0.0.1:1/0"):
        for id in (queued, held):
            wait = first(id)
            assert (wait.kind, wait.trouble) == (Kind.BROKER, True)
        assert Kind.BROKER not in waits(queued, broker=False)


def test_limit_says_who_is_in_and_the_place_in_line() -> None:
    limited.bound(concurrency=1)
    worker = hire()
    for id in ("in", "second", "third"):
        limited.wait(id)
    assert limited.admit() == ["in"]
    limited.run(worker, "in")
    wait = first("third")
    assert wait.kind == Kind.LIMIT
    assert [(job.id, job.state) for job in wait.jobs] == [("in", "running")]
    assert wait.jobs[0].since is not None
    assert "number 2 in line" in wait.text
    assert "1 at once" in wait.text


def test_limit_by_key_names_the_key_and_a_rate_that_it_refills() -> None:
    limited.bound("keys", per_key=1)
    limited.wait("a1", Use("keys", "a"))
    limited.wait("a2", Use("keys", "a"))
    limited.admit("keys")
    assert "for a" in first("a2").text
    ((a1, since),) = [(job.id, job.since) for job in first("a2").jobs]
    assert (a1, since is not None) == ("a1", True)
    limited.bound("rate", rate="1/h")
    limited.wait("r1", Use("rate"))
    limited.wait("r2", Use("rate"))
    (admitted,) = limited.admit("rate")
    interventions.cancel([admitted], running=True)
    wait = first("r2")
    assert (wait.jobs, "1/h" in wait.text, "rate" in wait.ends) == ((), True, True)


@pytest.mark.parametrize("kind", [pauses.QUEUE, pauses.TASK])
def test_pause_says_who_and_why_before_and_after_the_job_is_shelved(kind: str) -> None:
    id = record()
    pauses.pause(kind, {"queue": "q", "task": "t"}[kind], actor="ada", reason="gateway is down")
    said = first(id)
    assert (said.kind, said.trouble) == (Kind.PAUSE, True)
    assert "by ada: gateway is down" in said.text
    pauses.shelve([(id, 1)])
    assert first(id) == said
    pauses.resume(kind, {"queue": "q", "task": "t"}[kind], actor="ada")
    over = first(id)
    assert (over.kind, over.trouble) == (Kind.PAUSE, False)


def test_replaced_job_names_the_open_jobs_that_stand_in_its_place() -> None:
    parent = record(id="a", root_id="a")
    hold = claim(parent, hire())
    transitions.await_replacement(hold)
    record(id="b", root_id="a", parent_id="a")
    wait = first(parent)
    assert wait.kind == Kind.REPLACEMENT
    assert [job.id for job in wait.jobs] == ["b"]
    interventions.cancel(["b"], running=True)
    assert first(parent).jobs == ()


# -- queued -------------------------------------------------------------------------------------------


def test_queue_that_nobody_serves_says_which_workers_there_are() -> None:
    id = record(queue="mail")
    assert "no live worker at all" in first(id).text
    hire()
    wait = first(id)
    assert (wait.kind, wait.trouble, wait.workers) == (Kind.UNSERVED, True, ("w",))
    assert "w (q)" in wait.text
    assert "-Q mail" in wait.ends


def test_stalled_workers_are_not_taken_for_workers() -> None:
    id = record()
    worker = hire()
    Worker.objects.using("ledger").filter(id=worker).update(stalled_at=Now() - timedelta(minutes=2))
    wait = first(id)
    assert (wait.kind, wait.workers) == (Kind.STALLED, ("w",))


def test_busy_workers_say_what_they_run() -> None:
    worker = hire()
    running = record()
    claim(running, worker)
    wait = waits(record())[Kind.BUSY]
    assert [job.id for job in wait.jobs] == [running]
    assert "w (1/1)" in wait.text


def test_those_before_it_are_counted_and_not_beyond_a_bound(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hire()
    for _ in range(3):
        record()
    record(priority=9)
    last = record()
    record(priority=1, queue="other")
    assert waits(last)[Kind.LINE].text.startswith("4 jobs of the queue q")
    monkeypatch.setattr(standing, "MOST", 2)
    assert waits(last)[Kind.LINE].text.startswith("more than 2 jobs")


def test_turn_is_guessed_from_the_pace_of_the_last_minutes() -> None:
    worker = hire()
    for _ in range(4):
        transitions.succeed(claim(record(), worker), stored=None)
    Job.objects.using("ledger").filter(queue="q").update(finished_at=Now() - timedelta(seconds=40))
    record()
    assert "about" in waits(record())[Kind.LINE].ends


def test_message_is_looked_for_where_it_should_be(app: Celery) -> None:
    worker = hire()
    id = record()
    publish(app, id)
    wait = first(id)
    assert wait.kind == Kind.MESSAGE
    assert "lies on the broker" in wait.text

    app.outbox.publisher.client().flushdb()
    wait = waits(id)[Kind.LOST_MESSAGE]
    assert wait.trouble, "nobody has the duty to publish it again"
    assert workers.take_duty(workers.UPKEEP, worker, seconds=30)
    assert "publishes it again in" in waits(id)[Kind.LOST_MESSAGE].ends
    row(id).update(published_at=Now() - timedelta(minutes=5))
    wait = waits(id)[Kind.LOST_MESSAGE]
    assert (wait.trouble, "looks each" in wait.ends) == (False, True)


def test_message_far_back_in_a_long_list_is_not_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queued, "NEAR", 1)
    first_one, *_, last = (record() for _ in range(4))
    assert Kind.LOST_MESSAGE in waits(first_one)
    assert Kind.LOST_MESSAGE not in waits(last)


def test_message_of_an_old_token_is_not_taken_for_its_own(app: Celery) -> None:
    id = record()
    publish(app, id)
    row(id).update(token=2)
    assert Kind.LOST_MESSAGE in waits(id)


def test_suspect_job_says_that_it_is_claimed_alone() -> None:
    hold = claim(record(), hire())
    transitions.lose(hold, cause="its worker was killed")
    wait = waits(hold.id)[Kind.SUSPECT]
    assert "1 of 3" in wait.text
    assert "its worker was killed" in wait.text


def test_expiry_is_told_and_one_before_the_due_time_is_trouble() -> None:
    soon = waits(record(expires_in_seconds=60))[Kind.EXPIRES]
    assert (soon.trouble, soon.until is not None) == (False, True)
    never = waits(record(delay_seconds=3600, expires_in_seconds=60))[Kind.EXPIRES]
    assert (never.trouble, "will never run" in never.text) == (True, True)
    late = record(expires_in_seconds=60)
    row(late).update(expires_at=Now() - timedelta(seconds=1))
    assert "has expired" in waits(late)[Kind.EXPIRES].text


def test_unique_key_that_went_to_another_job_is_told(app: Celery) -> None:
    @app.task(name="shop.report", shared=False, unique=Unique(scope="unfinished"))
    def report(day: str) -> None:
        """Never run here."""

    one = report.delay("monday").id
    interventions.bury(one, reason="poison")
    other = report.delay("monday").id
    assert other != one
    assert Kind.UNIQUE not in waits(other)
    holdfast.replay(one)
    wait = waits(one)[Kind.UNIQUE]
    assert [job.id for job in wait.jobs] == [other]
