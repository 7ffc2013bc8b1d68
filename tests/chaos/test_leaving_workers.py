"""Workers that are asked to stop, and jobs that take their worker with them (P6, P12)."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from holdfast.ledger import transitions
from holdfast.ledger.models import Job
from holdfast.ledger.states import Outcome, State
from holdfast.testing.services import Mode
from tests.chaos import judge, tasks
from tests.chaos.conftest import Enter, Tell
from tests.chaos.ground import Ground
from tests.eventually import eventually


@pytest.mark.parametrize("pool", ["prefork", "threads"])
@pytest.mark.short_on("sqlite-threads", "postgres-prefork")
def test_stopped_worker_finishes_or_hands_back_all_it_holds(
    pool: str, on_both: Ground, tell: Tell
) -> None:
    worker = on_both.worker(pool=pool, concurrency=2)
    sent = [r.id for r in on_both.task(tasks.work).apply_many([(0.02,)] * 100)]
    sent += [r.id for r in on_both.task(tasks.work).apply_many([(1.0,)] * 4)]
    eventually(lambda: len(judge.runs(on_both.site)) >= 40)

    worker.stop()

    rows = Job.objects.using(on_both.site.alias)
    assert not rows.filter(state=State.RUNNING).exists()
    handed_back = len(judge.losses(on_both.site))
    on_both.worker(concurrency=4)
    on_both.settle()
    assert set(rows.values_list("failures", "losses")) == {(0, 0)}
    found = on_both.judge(sent)
    tell(found, faults=1, more=f"{handed_back} handed back")
    assert found.repeated == 0


def test_job_claimed_when_its_worker_is_stopping_already_does_not_wait_for_the_others(
    on_postgres: Ground, tmp_path: Path
) -> None:
    assert on_postgres.database is not None
    gate = tmp_path / "gate"
    worker = on_postgres.worker(pool="threads", concurrency=2)
    long = on_postgres.task(tasks.work_until).delay(str(gate))
    on_postgres.await_running(1)

    on_postgres.database.switch(Mode.REFUSE)
    late = on_postgres.task(tasks.quick).delay()
    broker = on_postgres.site.redis()
    eventually(lambda: broker.llen("celery") == 0, told="the worker has fetched its ticket")
    worker.signal(signal.SIGTERM)
    worker.await_line("Warm shutdown")
    on_postgres.database.switch(Mode.PASS)

    handed_back = eventually(lambda: judge.losses(on_postgres.site), told="it is handed back") or []
    assert [(one.job, one.outcome) for one in handed_back] == [(late.id, Outcome.HANDED_BACK)]
    assert on_postgres.site.states()[long.id] == "running"
    gate.touch()
    assert worker.wait(60) == 0, worker.log_tail()
    assert on_postgres.site.states() == {long.id: "succeeded", late.id: "queued"}


@pytest.mark.parametrize("database", ["sqlite", "postgres"])
@pytest.mark.short_on("postgres")
def test_job_whose_claim_was_never_answered_is_handed_back_by_a_worker_that_stops(
    database: str, enter_ground: Enter
) -> None:
    # A lease so long that no audit finds it first.
    on = enter_ground(database, holdfast={"lease_seconds": 60.0})
    worker = on.worker(pool="threads", concurrency=2)
    unknown = on.task(tasks.quick).apply_async(queue="elsewhere")
    row = Job.objects.using(on.site.alias).get(id=unknown.id)
    lease = worker.lease()
    assert lease is not None
    answer = transitions.claim([(row.id, row.token, False)], worker=lease.id)
    assert [job.id for job in answer.claimed] == [unknown.id]

    worker.stop()

    assert on.site.states() == {unknown.id: "queued"}
    assert [one.outcome for one in judge.losses(on.site)] == [Outcome.HANDED_BACK]


@pytest.mark.short_on("sqlite")
def test_poison_job_becomes_dead_and_its_neighbours_go_on(on_both: Ground, tell: Tell) -> None:
    on_both.worker(concurrency=2)
    neighbours = on_both.task(tasks.work).apply_many([(0.05,)] * 20)
    poison = on_both.task(tasks.poison).delay().id
    neighbours += on_both.task(tasks.work).apply_many([(0.05,)] * 20)

    on_both.settle()
    rows = on_both.site.jobs()
    assert (rows[poison].state, rows[poison].reason) == (State.DEAD, "poison")
    assert len(judge.runs(on_both.site)[poison]) == rows[poison].losses == 3
    assert {rows[job.id].state for job in neighbours} == {State.SUCCEEDED}
    tell(on_both.judge([job.id for job in neighbours]), faults=3)


def test_job_that_kills_its_whole_worker_becomes_dead_and_its_neighbours_go_on(
    on_postgres: Ground, tell: Tell
) -> None:
    neighbours = on_postgres.task(tasks.work).apply_many([(0.05,)] * 20)
    poison = on_postgres.task(tasks.poison).apply_async(kwargs={"whole_worker": True}).id
    neighbours += on_postgres.task(tasks.work).apply_many([(0.05,)] * 20)
    worker = on_postgres.worker(concurrency=2, wait=False)
    starts = 1

    def all_final() -> bool:
        nonlocal worker, starts
        if not worker.running:
            worker, starts = on_postgres.worker(concurrency=2, wait=False), starts + 1
        return not on_postgres.site.open_jobs()

    eventually(all_final, within=90, every=0.1)
    rows = on_postgres.site.jobs()
    assert (rows[poison].state, rows[poison].reason) == (State.DEAD, "poison")
    assert {rows[job.id].state for job in neighbours} == {State.SUCCEEDED}
    tell(on_postgres.judge([job.id for job in neighbours]), faults=3, more=f"{starts} workers")
