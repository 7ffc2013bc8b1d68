"""The ledger's own database restarted and cut off: nothing is failed, doubled or rescued for it (P1, P3, P5)."""

from __future__ import annotations

import time

import pytest
import redis

from holdfast.testing.services import Mode
from holdfast.worker.clerk import BORROW_SECONDS
from tests.chaos import judge, tasks
from tests.chaos.conftest import Tell
from tests.chaos.ground import Ground, every, lasting
from tests.chaos.judge import Judgement
from tests.eventually import eventually


def hold(ground: Ground, found: Judgement) -> None:
    """Hold a run to what a database fault must never do."""
    rows = ground.site.jobs()
    assert {job.failures for job in rows.values()} == {0}, "a database error is no task failure"
    assert not judge.rescued(ground.site), "an outage of the database rescues nobody"
    assert not found.broken


def await_runs(ground: Ground, least: int) -> None:
    """Wait until so many jobs have been begun."""
    eventually(lambda: len(judge.runs(ground.site)) >= least, within=30, told=f"{least} begun")


def test_restarted_database_fails_and_loses_nothing(on_postgres: Ground, tell: Tell) -> None:
    on_postgres.worker(concurrency=2)
    on_postgres.worker(pool="threads", concurrency=4)
    plain = on_postgres.task(tasks.work).apply_many([(0.05,)] * 150)
    atomic = on_postgres.task(tasks.atomic_work).apply_many([(0.05,)] * 150)
    eventually(lambda: len(judge.runs(on_postgres.site)) >= 30, within=20)

    for _ in range(2):
        on_postgres.crash_database()
        seen = len(judge.runs(on_postgres.site))
        await_runs(on_postgres, min(len(plain + atomic), seen + 30))

    on_postgres.settle(60)
    found = on_postgres.judge([r.id for r in plain + atomic])
    tell(found, faults=2)
    hold(on_postgres, found)


@pytest.mark.parametrize("mode", [Mode.BLACKHOLE, Mode.REFUSE])
def test_database_away_for_longer_than_the_lease_rescues_nothing_that_runs(
    mode: Mode, on_postgres: Ground, tell: Tell
) -> None:
    assert on_postgres.database is not None
    door = on_postgres.site.directory / "door"
    for _ in range(2):
        on_postgres.worker(concurrency=2)
    sent = [r.id for r in on_postgres.task(tasks.work_until).apply_many([(str(door),)] * 4)]
    sent += [r.id for r in on_postgres.task(tasks.work).apply_many([(0.1,)] * 20)]
    on_postgres.await_running(4)

    on_postgres.database.switch(mode)
    lasting(on_postgres.lease + 2.0)
    on_postgres.database.switch(Mode.PASS)
    # They go on running after the outage, through several looks of the rescuer.
    lasting(on_postgres.bound + 1.0)
    door.touch()

    on_postgres.settle(60)
    found = on_postgres.judge(sent)
    tell(found, faults=1, more=f"{len(judge.rescued(on_postgres.site))} false rescues")
    hold(on_postgres, found)
    assert found.repeated == 0


def test_silent_database_does_not_hold_up_the_event_loop_of_an_idle_worker(
    on_postgres: Ground, tell: Tell
) -> None:
    assert on_postgres.database is not None
    on_postgres.worker(concurrency=2)
    quick = on_postgres.task(tasks.quick)
    broker = redis.Redis.from_url(on_postgres.redis.url)
    sent = [quick.delay().id]
    on_postgres.settle(20)

    on_postgres.database.switch(Mode.BLACKHOLE)
    sent.append(quick.delay().id)
    eventually(lambda: not broker.llen("celery"), within=5, told="taken")
    began = time.monotonic()
    answers = on_postgres.site.app.control.ping(timeout=BORROW_SECONDS + 3.0, limit=1)
    waited = time.monotonic() - began
    on_postgres.database.switch(Mode.PASS)

    on_postgres.settle(60)
    found = on_postgres.judge(sent)
    tell(found, faults=1, more=f"the event loop answered after {waited:.2f} s")
    hold(on_postgres, found)
    assert answers


def test_lost_answer_to_a_commit_neither_doubles_nor_fails_a_job(
    on_postgres: Ground, tell: Tell
) -> None:
    database = on_postgres.database
    assert database is not None
    on_postgres.worker(concurrency=3)
    sent = [r.id for r in on_postgres.task(tasks.atomic_work).apply_many([()] * 400)]
    sent += [r.id for r in on_postgres.task(tasks.quick).apply_many([()] * 200)]
    sent += [r.id for r in on_postgres.task(tasks.work).apply_many([()] * 200)]
    eventually(lambda: len(judge.runs(on_postgres.site)) >= 20, within=20)

    cuts = 0
    for _ in every(0.3, during=7):
        # What was asked arrives and is committed; the answer never comes back.
        database.switch(Mode.HALF)
        lasting(0.03)
        database.cut()
        database.switch(Mode.PASS)
        cuts += 1

    on_postgres.settle(60)
    found = on_postgres.judge(sent)
    tell(found, faults=cuts)
    hold(on_postgres, found)


def test_stream_of_resets_doubles_no_atomic_effect(on_postgres: Ground, tell: Tell) -> None:
    database = on_postgres.database
    assert database is not None
    on_postgres.worker(concurrency=2)
    on_postgres.worker(pool="threads", concurrency=4)
    sent = [r.id for r in on_postgres.task(tasks.atomic_work).apply_many([(0.01,)] * 400)]
    eventually(lambda: len(judge.runs(on_postgres.site)) >= 20, within=20)

    cuts = 0
    for _ in every(0.2, during=6):
        database.switch(Mode.RESET)
        lasting(0.05)
        database.switch(Mode.PASS)
        cuts += 1

    on_postgres.settle(60)
    found = on_postgres.judge(sent)
    tell(found, faults=cuts)
    hold(on_postgres, found)
