"""What needs attention: each trouble is told with its list, is not told where all is well, and costs little."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db.models import F
from django.db.models.functions import Now

from holdfast.beat import listing
from holdfast.console import attention, sources
from holdfast.console.attention import Attention, Seen, Severity, Trouble
from holdfast.ledger import pauses, transitions, workers
from holdfast.ledger import schedules as ledger_schedules
from holdfast.ledger.models import Attempt, Job, Occurrence, Worker
from holdfast.ledger.reads import queue_reads, worker_reads
from holdfast.ledger.schedules import Standing
from holdfast.ledger.states import State
from tests.finished import finished
from tests.integration.test_idle_statements import counted
from tests.rows import hire, new_job
from tests.surroundings import current_app


def seen() -> Seen:
    return Seen(
        now=datetime.now(UTC),
        queues=queue_reads.queues(held=False),
        workers=worker_reads.workers(),
    )


def told(source: Callable[[Seen], Any]) -> list[str]:
    return [trouble.sentence for trouble in source(seen())]


@pytest.fixture
def quiet(console: str) -> Iterator[str]:
    """An empty ledger and an app without schedules."""
    with current_app("redis://127.0.0.1:1/0"):
        yield console


LEDGER_SOURCES = [
    sources.unserved_queues,
    sources.stalled_workers,
    sources.lost_workers,
    sources.dead_letters,
    sources.long_runs,
    sources.paused_with_backlog,
    sources.duties,
    sources.schedules,
]


@pytest.mark.parametrize("source", LEDGER_SOURCES, ids=lambda source: source.__name__)
def test_nothing_is_told_of_a_ledger_where_all_is_well(
    quiet: str, source: Callable[[Seen], Any]
) -> None:
    worker = hire()
    assert workers.take_duty(workers.UPKEEP, worker, seconds=60)
    transitions.record([new_job()])
    pauses.pause(pauses.QUEUE, "empty", actor="ada", reason="")
    assert told(source) == []


def test_queue_without_worker_is_told_after_a_lease(quiet: str) -> None:
    transitions.record([new_job(queue="orphan") for _ in range(3)])
    assert told(sources.unserved_queues) == []
    Job.objects.using(quiet).update(published_at=Now() - timedelta(seconds=90))
    (trouble,) = sources.unserved_queues(seen())
    assert trouble.sentence == "No worker takes the jobs of queue orphan: 3 wait"
    assert trouble.severity is Severity.CRITICAL


def test_stalled_and_lost_workers_are_told_by_name(quiet: str) -> None:
    stalled, lost = hire(), uuid4()
    Worker.objects.using(quiet).filter(id=stalled).update(stalled_at=Now() - timedelta(seconds=40))
    workers.register(
        workers.Incarnation(
            id=lost, name="gone@host", host="h", pid=1, pool="p", concurrency=1, queues=[]
        )
    )
    Worker.objects.using(quiet).filter(id=lost).update(lost_at=Now())
    assert told(sources.stalled_workers) == [
        "Worker w takes no jobs since 40 s, though it has room"
    ]
    assert len(told(sources.lost_workers)) == 1
    assert "gone@host" in told(sources.lost_workers)[0]
    # Back under its name, or gone for long.
    workers.register(
        workers.Incarnation(
            id=uuid4(), name="gone@host", host="h", pid=2, pool="p", concurrency=1, queues=[]
        )
    )
    assert told(sources.lost_workers) == []


def test_dead_letters_are_told_by_error_without_secrets(quiet: str) -> None:
    now = datetime.now(UTC)
    recent = finished(3, at=now, state=State.FAILED, task="shop.charge", fingerprint="a" * 16)
    finished(1, at=now - timedelta(days=3), state=State.DEAD, task="old", fingerprint="b" * 16)
    for id in recent:
        Attempt.objects.using(quiet).create(
            job=id,
            number=1,
            token=1,
            outcome="failed",
            ended_at=now,
            error="Refused: password='hunter2'\nsecond line",
        )
    first, rest = sources.dead_letters(seen())
    assert first.sentence.startswith("3 of shop.charge failed in the last 24 h: Refused: password=")
    assert "hunter2" not in first.sentence
    assert "second" not in first.sentence
    assert first.url in {f"/holdfast/errors/{'a' * 16}/", "/holdfast/errors/", ""}
    assert rest.sentence == "4 dead letters wait to be replayed or discarded"
    assert rest.severity is Severity.NOTE


def test_job_that_died_without_a_word_is_told_with_the_reason(quiet: str) -> None:
    id, *_ = finished(1, at=datetime.now(UTC), state=State.DEAD, task="gone", fingerprint="a" * 16)
    Job.objects.using(quiet).filter(id=id).update(reason="unknown task")
    assert told(sources.dead_letters)[0] == "1 of gone failed in the last 24 h: unknown task"


def test_job_that_runs_far_longer_than_usual_is_told(quiet: str) -> None:
    worker = hire()
    tickets = transitions.record([new_job(task=task) for task in ("slow", "slow", "new")])
    transitions.claim([(one.id, one.token, False) for one in tickets], worker=worker)
    hangs, waits, fresh = (ticket.id for ticket in tickets)
    jobs = Job.objects.using(quiet)
    jobs.update(started_at=Now() - timedelta(minutes=10))
    jobs.filter(id=waits).update(ahead=True)  # in its worker, for a slot
    assert told(sources.long_runs) == [], "nothing is known of what is usual"

    finished(25, at=datetime.now(UTC), state=State.SUCCEEDED, task="slow")
    jobs.filter(state=State.SUCCEEDED).update(started_at=F("finished_at") - timedelta(seconds=3))
    (trouble,) = sources.long_runs(seen())
    # The clock goes on meanwhile.
    assert trouble.sentence.startswith("A job of slow has run for 10 min")
    assert trouble.sentence.endswith("; nearly all of them take 3.0 s at most")
    assert trouble.url == f"/holdfast/jobs/{hangs}/"
    jobs.filter(id=hangs).update(started_at=Now() - timedelta(seconds=50))
    assert told(sources.long_runs) == [], "nobody is woken for less than a minute"
    assert fresh


def test_paused_queue_is_told_when_jobs_wait_for_it(quiet: str) -> None:
    pauses.pause(pauses.QUEUE, "mail", actor="ada", reason="")
    pauses.pause(pauses.TASK, "shop.sync", actor="", reason="")
    tickets = transitions.record(
        [new_job(queue="mail"), new_job(queue="mail"), new_job(task="shop.sync")]
    )
    pauses.shelve((ticket.id, ticket.token) for ticket in tickets[1:])
    assert sorted(told(sources.paused_with_backlog)) == [
        "Queue mail is paused by ada, and 2 jobs wait for it",
        "Task shop.sync is paused by somebody, and 1 job waits for it",
    ]


def test_duties_that_nobody_holds_are_told(quiet: str) -> None:
    assert told(sources.duties) == []  # nothing is there that anybody would do
    worker = hire()
    assert "upkeep" in told(sources.duties)[0]
    workers.take_duty(workers.UPKEEP, worker, seconds=-1)
    assert "upkeep" in told(sources.duties)[0]
    workers.take_duty(workers.UPKEEP, worker, seconds=60)
    assert told(sources.duties) == []
    now = datetime.now(UTC)
    ledger_schedules.begin({"nightly": Standing(timing="t", anchor_at=now, decided_until=now)})
    assert told(sources.duties) == [
        "No scheduler runs: nothing periodic begins. Start one: celery beat"
    ]


def test_missed_and_late_schedules_are_told(quiet: str) -> None:
    now = datetime.now(UTC)
    for n, outcome in enumerate(("missed", "missed", "fired")):
        Occurrence.objects.using(quiet).create(
            schedule="nightly",
            due_at=now - timedelta(hours=n),
            outcome=outcome,
            decided_at=now - timedelta(hours=n),
        )
    assert told(sources.schedules) == ["Schedule nightly: 2 due times in the last 24 h were missed"]
    with current_app("redis://127.0.0.1:1/0") as app:
        app.conf.beat_schedule = {"hourly": {"task": "t", "schedule": timedelta(hours=1)}}
        app.task(seen, name="t", shared=False)
        (timing,) = [each.timing for each in listing.schedules()]
        long_ago = now - timedelta(hours=2)
        ledger_schedules.begin(
            {"hourly": Standing(timing=timing, anchor_at=long_ago, decided_until=long_ago)}
        )
        late = told(sources.schedules)
    assert "Schedule hourly is late" in late[-1]


def test_broker_that_does_not_answer_is_told(quiet: str) -> None:
    (trouble,) = sources.broker(seen())
    assert trouble.severity is Severity.CRITICAL


def test_worst_comes_first_and_a_source_is_asked_when_it_is_due(quiet: str) -> None:
    asked: list[str] = []

    def source(name: str, severity: Severity) -> attention.Source:
        def ask(_seen: Seen) -> Iterator[Trouble]:
            asked.append(name)
            yield Trouble(kind=name, severity=severity, message=name)

        return ask

    clock = [100.0]
    looks = Attention(
        [(source("rare", Severity.NOTE), 30.0), (source("often", Severity.CRITICAL), 0.0)],
        lambda: clock[0],
    )
    assert [each.kind for each in looks.look(seen())] == ["often", "rare"]
    clock[0] += 29
    assert len(looks.look(seen())) == 2
    assert asked == ["rare", "often", "often"]
    clock[0] += 1
    looks.look(seen())
    assert asked[3:] == ["rare", "often"]


def test_source_that_fails_is_a_trouble_and_hides_no_other(quiet: str) -> None:
    def broken(_seen: Seen) -> list[Trouble]:
        raise RuntimeError("no luck")

    fine = Trouble(kind="x", severity=Severity.CRITICAL, message="x")
    found = Attention([(broken, 0.0), (lambda _seen: [fine], 0.0)]).look(seen())
    assert [each.sentence for each in found] == ["x", "broken could not be looked at: no luck"]


def test_looks_cost_the_same_however_many_dead_letters_there_are(quiet: str) -> None:
    costs = []
    for more in (5, 200):
        for n in range(more):
            finished(1, at=datetime.now(UTC), state=State.FAILED, fingerprint=f"{n % 7:016}")
        now = seen()
        with counted(quiet) as statements:
            for source in LEDGER_SOURCES:
                list(source(now))
        costs.append(len(statements))
    assert costs[0] == costs[1]
