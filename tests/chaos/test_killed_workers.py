"""Processes that are killed at the worst moment: no job is lost, and none is rescued late (P1, P3, P5, P6)."""

from __future__ import annotations

import time

import pytest

from holdfast.ledger.models import Job
from holdfast.testing.services import Mode
from tests.chaos import judge, tasks
from tests.chaos.conftest import Enter, Tell
from tests.chaos.ground import Ground
from tests.eventually import eventually

# A loss is told within 0.5 s of a lease of 3 s.
pytestmark = pytest.mark.alone

# A worker looks for dead processes each second; what is left is for the machine.
NOTICED = 3.5


def send(ground: Ground, *, works: int, atomics: int, seconds: float) -> list[str]:
    """Send two kinds of jobs that last."""
    task, atomic = ground.task(tasks.work), ground.task(tasks.atomic_work)
    # On SQLite an atomic body keeps everybody else from writing, the worker that notes a loss included.
    held = seconds if ground.postgres else min(seconds, 0.1)
    sent = task.apply_many([(seconds,)] * works) + atomic.apply_many([(held,)] * atomics)
    return [result.id for result in sent]


def latest_rescue(ground: Ground, since: float) -> float:
    """Return the seconds from a fault to the last attempt that was given back for it."""
    taken = judge.rescued(ground.site)
    assert taken, "nothing was rescued"
    return max(loss.ended for loss in taken) - since


@pytest.mark.parametrize("database", ["sqlite", "postgres"])
@pytest.mark.short_on("sqlite")
def test_killed_child_gives_its_job_back_without_waiting_for_a_lease(
    database: str, enter_ground: Enter, tell: Tell
) -> None:
    ground = enter_ground(database, holdfast={"lease_seconds": 6.0})
    worker = ground.worker(concurrency=2)
    sent = send(ground, works=6, atomics=6, seconds=0.7)

    hit: dict[str, float] = {}
    while len(hit) < 3:
        fresh = {job: pid for job, pid in ground.await_running(1).items() if job not in hit}
        for job, child in list(fresh.items())[:1]:
            hit[job] = ground.kill_child(worker, child)

    ground.settle()
    assert not judge.rescued(ground.site), "the worker lived: nothing waits for a lease"
    noted = {loss.job: loss.ended for loss in judge.losses(ground.site)}
    slowest = max(noted[job] - at for job, at in hit.items() if job in noted)
    tell(ground.judge(sent), faults=3, recovery=slowest, bound=NOTICED)


@pytest.mark.short_on("postgres")
def test_killed_worker_gives_its_jobs_to_another_one(on_both: Ground, tell: Tell) -> None:
    victim = on_both.worker(concurrency=2)
    on_both.worker(concurrency=2)
    sent = send(on_both, works=8, atomics=8, seconds=1.0)
    on_both.await_running(3)

    killed = on_both.kill(victim)

    on_both.settle()
    tell(
        on_both.judge(sent), faults=1, recovery=latest_rescue(on_both, killed), bound=on_both.bound
    )


def test_killed_worker_gives_its_jobs_to_one_started_after(on_postgres: Ground, tell: Tell) -> None:
    victim = on_postgres.worker(concurrency=2)
    sent = send(on_postgres, works=3, atomics=3, seconds=0.5)
    on_postgres.await_running(2)
    on_postgres.kill(victim)

    heir = on_postgres.worker(concurrency=2)

    on_postgres.settle()
    lease = heir.lease()
    assert lease is not None
    born = lease.started_at.timestamp()
    tell(
        on_postgres.judge(sent),
        faults=1,
        recovery=latest_rescue(on_postgres, born),
        bound=on_postgres.bound,
    )


def test_worker_killed_between_taking_and_claiming_loses_nothing(
    on_postgres: Ground, tell: Tell
) -> None:
    assert on_postgres.database is not None
    victim = on_postgres.worker(concurrency=2)
    on_postgres.database.switch(Mode.BLACKHOLE)
    sent = send(on_postgres, works=6, atomics=6, seconds=0.0)
    broker = on_postgres.site.redis()
    eventually(lambda: broker.llen("celery") < len(sent), told="tickets were taken")
    taken = len(sent) - broker.llen("celery")

    killed = on_postgres.kill(victim)
    on_postgres.database.switch(Mode.PASS)
    on_postgres.worker(concurrency=2)

    on_postgres.settle()
    # Not an attempt yet: what is missing from the broker is found by its age and published again.
    assert not judge.losses(on_postgres.site)
    tell(
        on_postgres.judge(sent), faults=1, more=f"{taken} taken, whole {time.time() - killed:.1f} s"
    )


@pytest.mark.parametrize("pool", ["prefork", "threads"])
@pytest.mark.short_on("prefork")
def test_lost_job_is_run_while_short_jobs_keep_its_worker_busy(
    pool: str, on_postgres: Ground, tell: Tell
) -> None:
    quick = on_postgres.task(tasks.quick)
    before = quick.apply_many([()] * 200)
    lost = on_postgres.task(tasks.work).delay()
    Job.objects.using(on_postgres.site.alias).filter(id=lost.id).update(suspect=True, losses=1)
    after = quick.apply_many([()] * 1500)

    on_postgres.worker(pool=pool, concurrency=2)
    on_postgres.settle()

    order = sorted(
        on_postgres.site.jobs().values(), key=lambda job: job.started_at or job.recorded_at
    )
    place = [job.id for job in order].index(lost.id)
    tell(
        on_postgres.judge([job.id for job in (*before, lost, *after)]),
        faults=1,
        more=f"it was the {place}th of {len(order)}",
    )
    assert place < 1000
