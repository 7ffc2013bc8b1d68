"""Workers, queues, jobs and schedules by the ledger: each sick state is made in a real one, and then mended."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db.models.functions import Now

from holdfast.ledger import pauses, schedules, security, transitions, workers
from holdfast.ledger.duty import UPKEEP
from holdfast.ledger.limiting import limits
from holdfast.ledger.limiting.bounds import Bounds
from holdfast.ledger.models import Attempt, Duty, Job, Pause, Schedule, Worker
from holdfast.ledger.records import Use
from holdfast.ledger.schedules import Decided, Decision
from holdfast.ledger.security import Sighting
from holdfast.ledger.states import Reason, State
from holdfast.ledger.workers import Consuming
from tests.doctor.asking import Told, ask, only
from tests.doctor.hired import hire
from tests.harness import Site, new_site
from tests.ledgers import empty
from tests.rows import new_job

AREAS = ("workers", "queues", "jobs", "schedules")
CHARGE = "tests.project.tasks.effect"


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def ground(request: pytest.FixtureRequest) -> Iterator[Site]:
    schedule = {"beat_scheduler": "holdfast.beat:Scheduler"}
    with new_site(request.param, request, celery=schedule) as site:
        yield site


@pytest.fixture
def site(ground: Site) -> Iterator[Site]:
    yield ground
    empty(ground.alias)


def record(count: int = 1, **more: Any) -> list[Any]:
    values = {"task": CHARGE, "queue": "celery"} | more
    return transitions.record([new_job(**values) for _ in range(count)])


def jobs(site: Site, tickets: list[Any], **columns: Any) -> None:
    """Set columns of jobs to what the clock has not come to yet."""
    ids = [ticket.id for ticket in tickets]
    Job.objects.using(site.alias).filter(id__in=ids).update(**columns)


def ago(seconds: float) -> Any:
    return Now() - timedelta(seconds=seconds)


def run(tickets: list[Any], worker: UUID) -> None:
    transitions.claim([(one.id, one.token, False) for one in tickets], worker=worker)


def see(site: Site, *ids: str) -> Told:
    return ask(site.environment, *only(*ids))


# -- nobody is there -----------------------------------------------------------------------------------


@pytest.mark.short_on("postgres")
def test_jobs_without_any_worker_and_a_worker_gone_without_a_word(site: Site) -> None:
    gone = hire("gone@host", lease=30)
    waiting, running = record(3, queue="orphan"), record(1)
    run(running, gone)
    jobs(site, waiting, published_at=ago(90))
    jobs(site, running, started_at=ago(600))
    Worker.objects.using(site.alias).filter(id=gone).update(lease_until=ago(300))

    told = see(site, "workers", "queues", "E611")

    assert told.ids == {"E501", "E504", "E611"}
    assert "1 queue (orphan)" in told.evidence("E501")
    assert "gone@host (process 7 on h)" in told.evidence("E504")
    assert running[0].id in told.evidence("E611")


def test_queue_without_a_worker_is_named_where_others_live(site: Site) -> None:
    hire("other@host", age=5)
    jobs(site, record(3, queue="orphan"), published_at=ago(90))

    told = see(site, "E501", "E601")

    assert told.ids == {"E601"}
    assert told.one("E601")["repair"] == "celery -A PROJECT worker -Q orphan"
    assert told.one("E601")["data"]["waiting"] == 3


@pytest.mark.short_on("sqlite")
def test_workers_that_are_not_well(site: Site) -> None:
    stalled = hire("stalled@host", age=5000)
    workers.renew(stalled, consuming=Consuming(70.0, 40.0))
    Worker.objects.using(site.alias).filter(id=stalled).update(
        lease_until=Now() + timedelta(seconds=600), lease_seconds=600
    )
    hire("late@host", left=60, age=5000)
    hire("twin@host", host="one")
    hire("twin@host", host="two")
    hire("idle@host", queues=["nobody-sends-here"])

    told = see(site, "workers")

    assert told.ids == {"E502", "W503", "E505", "W506", "W507"}
    assert "stalled@host" in told.evidence("E502")
    assert told.one("W503")["data"]["worker"] == "late@host"
    # How many of the others have lived for long enough by now is the machine's matter.
    assert "Nobody has held it yet, and " in told.evidence("E505")
    assert "late@host, stalled@host" in told.evidence("E505")
    assert "'nobody-sends-here' is served by idle@host" in told.evidence("W506")
    assert "twin@host: processes 7 on one, 7 on two" in told.evidence("W507")


def test_workers_and_queues_that_are_well_are_silent(site: Site) -> None:
    worker = hire("well@host", age=5000)
    assert workers.take_duty(UPKEEP, worker, seconds=600)
    running, waiting = record(2), record(3)
    run(running, worker)
    record(2, delay_seconds=3600)
    jobs(site, waiting, published_at=ago(2))
    pauses.pause("queue", "reports", actor="ada", reason="")

    told = see(site, "workers", "queues", "jobs")

    assert told.findings == []
    assert {"a_worker_lives", "queues_are_drained", "few_jobs_die"} <= set(told.asked)


# -- queues --------------------------------------------------------------------------------------------


def test_queue_that_takes_in_more_than_it_gets_done(site: Site) -> None:
    hire("w@host", queues=["celery", "slow"])
    record(150)
    slow = record(200, queue="slow")
    jobs(site, slow, recorded_at=ago(4000), published_at=ago(4000))
    done = record(2, queue="slow")
    jobs(
        site,
        done,
        state=State.SUCCEEDED,
        recorded_at=ago(4000),
        started_at=ago(5),
        finished_at=ago(4),
    )

    told = see(site, "W602", "W603")

    grows = told.one("W602")
    assert (grows["data"]["queue"], grows["data"]["arrived"]) == ("celery", 150)
    assert "grows by 150 a minute" in grows["evidence"]
    drains = told.one("W603")
    assert drains["data"]["queue"] == "slow"
    assert drains["data"]["seconds"] == pytest.approx(200 / 2 * 60)


def test_pauses_limits_and_tasks_that_keep_jobs_waiting(site: Site) -> None:
    hire("w@host", queues=["celery", "reports"])
    pauses.pause("queue", "reports", actor="ada", reason="the printer burns")
    Pause.objects.using(site.alias).update(at=ago(3 * 86400))
    held = record(2, queue="reports")
    pauses.shelve([(one.id, one.token) for one in held])
    limits.declare({"exports": Bounds(rate="1/h")}, overwrite=True)
    record(30, hold="limit", limits=(Use("exports"),))
    record(4, task="shop.renamed")
    record(2, delay_seconds=3600)
    Job.objects.using(site.alias).filter(due_at__isnull=False).update(due_at=ago(300))

    told = see(site, "queues")

    assert told.ids == {"W604", "W605", "E606", "E607"}
    assert "by ada (the printer burns) 3 days ago; 2 jobs are held" in told.evidence("W604")
    assert told.one("W604")["repair"] == "manage.py holdfast resume --queue reports"
    assert "lets in 1/h" in told.evidence("W605")
    assert "4 jobs of 'shop.renamed' wait in celery" in told.evidence("E606")
    assert told.one("E607")["data"]["count"] == 2


@pytest.mark.short_on("sqlite")
def test_schedule_that_has_been_paused_for_long(site: Site) -> None:
    pauses.pause("schedule", "nightly report", actor="ada", reason="")
    Pause.objects.using(site.alias).update(at=ago(3 * 86400))
    told = see(site, "queues")
    assert told.ids == {"W604"}
    assert "paused by ada 3 days ago; its due times are skipped" in told.evidence("W604")
    assert told.one("W604")["repair"] == "manage.py holdfast resume --schedule 'nightly report'"


# -- jobs ----------------------------------------------------------------------------------------------


@pytest.mark.short_on("postgres")
def test_runs_that_take_too_long(site: Site) -> None:
    worker = hire("w@host")
    usual = record(30)
    jobs(site, usual, state=State.SUCCEEDED, started_at=ago(102), finished_at=ago(100))
    long, limited = record(1), record(1, task="tests.project.tasks.limited_to_a_minute")
    run([*long, *limited], worker)
    jobs(site, long, started_at=ago(900))

    told = see(site, "W612", "E613")

    assert told.one("W612")["data"]["job"] == long[0].id
    assert told.one("W612")["data"]["usual_seconds"] == pytest.approx(2, abs=0.1)
    assert told.one("W612")["repair"] == f"manage.py holdfast cancel {long[0].id}"
    assert not told.all("E613")

    bounded = ask(
        site.environment | {"TEST_CELERY": '{"task_time_limit": 300}'}, *only("W612", "E613")
    )
    assert bounded.ids == {"E613"}
    assert "its time limit is 5 min" in bounded.evidence("E613")


def test_ends_that_nobody_wanted(site: Site) -> None:
    worker = hire("w@host")
    poison, unknown = record(2), record(3, task="shop.renamed")
    failed, expired, untold = record(12), record(6), record(1)
    old = record(4)
    over = {"finished_at": ago(60), "queue": "celery"}
    jobs(site, poison, state=State.DEAD, reason=Reason.POISON, fingerprint="p", **over)
    jobs(site, unknown, state=State.DEAD, reason=Reason.UNKNOWN_TASK, fingerprint="u", **over)
    jobs(site, failed, state=State.FAILED, reason=Reason.ERROR, fingerprint="feed", **over)
    jobs(site, expired, state=State.EXPIRED, reason=Reason.EXPIRED, **over)
    jobs(site, untold, state=State.CANCELLED, unsettled=True, finished_at=ago(600))
    jobs(site, old, state=State.SUCCEEDED, finished_at=ago(40 * 86400))
    Attempt.objects.using(site.alias).bulk_create(
        Attempt(
            job="x",
            number=n,
            token=n,
            outcome="lost",
            worker=worker,
            worker_name="w@host",
            ended_at=ago(30),
        )
        for n in range(1, 7)
    )
    security.note(Sighting(kind=security.Kind.FORGED_TICKET, queue="celery", count=3))

    told = see(site, "jobs")

    assert told.ids == {"W614", "E615", "W616", "W617", "W618", "W619", "W620", "W621"}
    assert "2 jobs of 'tests.project.tasks.effect'" in told.evidence("W614")
    assert "3 jobs of 'shop.renamed'" in told.evidence("E615")
    assert "12 jobs" in told.evidence("W616")
    assert told.one("W616")["data"]["fingerprint"] == "feed"
    assert "w@host 6" in told.evidence("W617")
    assert told.one("W618")["data"]["count"] == 1
    assert "6 jobs" in told.evidence("W619")
    assert told.one("W620")["data"]["count"] == 4
    assert "3 messages of the kind 'forged ticket'" in told.evidence("W621")


# -- schedules -----------------------------------------------------------------------------------------


@pytest.mark.short_on("postgres")
def test_schedules_that_nobody_decides(site: Site) -> None:
    words = only("E641", "W642", "W643", "W644")
    told = ask(site.environment, *words)
    assert told.ids == {"E641"}
    assert "1 schedule (tick); none ever has" in told.evidence("E641")

    leader = hire("scheduler")
    assert workers.take_duty(schedules.DUTY, leader, seconds=600)
    site.python(
        "from holdfast.beat import sources; from holdfast.ledger import schedules\n"
        "from holdfast.ledger.database import dialect; from datetime import timedelta\n"
        "rule = sources.read(app)['tick']; at = dialect().now() - timedelta(seconds=500)\n"
        "schedules.begin({'tick': schedules.Standing(timing=rule.timing.text, anchor_at=at, decided_until=at)})"
    )
    told = ask(site.environment, *words)
    assert told.ids == {"W644"}
    assert "'tick' (every 0.5 s) was due" in told.evidence("W644")

    since = Schedule.objects.using(site.alias).get(name="tick").decided_until
    decided = [
        Decided(
            due_at=since + timedelta(seconds=1), outcome=Decision.MISSED, reason="no scheduler"
        ),
        Decided(
            due_at=since + timedelta(seconds=2), outcome=Decision.FAILED, reason="ValueError: x"
        ),
    ]
    schedules.decide("tick", since=since, decided=decided)
    now = Schedule.objects.using(site.alias).filter(name="tick")
    now.update(decided_until=Now(), anchor_at=Now())
    told = ask(site.environment, *words)
    assert told.ids == {"W642", "W643"}
    assert "'tick': 1 due time in the last day; the latest: no scheduler" in told.evidence("W642")
    assert "ValueError: x" in told.evidence("W643")

    Duty.objects.using(site.alias).update(until=ago(60))
    assert "has not renewed its duty" in ask(site.environment, *words).evidence("E641")
