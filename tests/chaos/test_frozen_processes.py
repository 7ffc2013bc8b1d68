"""Processes that stop and go on when their job is somebody else's: a zombie changes nothing (P4)."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter

import psutil
import pytest
from celery import chord

from holdfast.ledger.models import Attempt, Job
from holdfast.ledger.states import Outcome, State
from tests.chaos import judge, tasks
from tests.chaos.conftest import Enter, Tell
from tests.chaos.ground import Ground
from tests.eventually import eventually
from tests.processes import freeze


def test_frozen_child_is_ended_and_its_job_runs_again(on_postgres: Ground, tell: Tell) -> None:
    door = on_postgres.site.directory / "door"
    worker = on_postgres.worker(concurrency=2)
    sent = [on_postgres.task(tasks.work_until).delay(str(door)).id for _ in range(2)]
    frozen_job, child = next(iter(on_postgres.await_running(2).items()))

    with on_postgres.harming("stop child", worker.pid):
        os.kill(child, signal.SIGSTOP)
    frozen_at = on_postgres.harms[-1].since
    began_again = eventually(
        lambda: judge.runs(on_postgres.site)[frozen_job][1:],
        within=on_postgres.lease * 5,
        told="the job of the frozen child runs again",
    )
    door.touch()

    on_postgres.settle()
    rows = on_postgres.site.jobs()
    assert [rows[job].attempts for job in sent].count(1) == 1, "only the frozen one ran again"
    again = began_again[0].started - frozen_at
    tell(on_postgres.judge(sent), faults=1, more=f"began again {again:.1f} s after the freeze")


@pytest.mark.alone
def test_child_frozen_with_sqlites_only_writer_is_ended_before_the_lease_is_over(
    enter_ground: Enter, tell: Tell
) -> None:
    ground = enter_ground("sqlite", holdfast={"lease_seconds": 12.0})
    door = ground.site.directory / "door"
    other = ground.worker(concurrency=1)
    outside = ground.task(tasks.work_until).delay(str(door)).id
    ground.await_running(1)
    worker = ground.worker(concurrency=1, queues="inside")
    inside = ground.task(tasks.atomic_work).apply_async((3.0,), queue="inside").id
    child = ground.await_running(2)[inside]

    with ground.harming("stop child", worker.pid):
        os.kill(child, signal.SIGSTOP)
        frozen_at = time.monotonic()
        eventually(lambda: not psutil.pid_exists(child), within=ground.lease * 3)
        held = time.monotonic() - frozen_at
    door.touch()

    ground.settle()
    rows = ground.site.jobs()
    assert {job: (rows[job].state, rows[job].losses) for job in (inside, outside)} == {
        inside: (State.SUCCEEDED, 1),
        outside: (State.SUCCEEDED, 0),
    }
    assert not judge.rescued(ground.site), "nobody could renew: nobody was declared lost"
    assert other.running
    tell(ground.judge([inside, outside]), faults=1, recovery=held, bound=ground.lease)


@pytest.mark.short_on("postgres")
def test_thawed_worker_writes_nothing_and_sends_no_successor(on_both: Ground, tell: Tell) -> None:
    door = on_both.site.directory / "door"
    zombie = on_both.worker(concurrency=4)
    until, step = on_both.task(tasks.work_until), on_both.task(tasks.step)
    first = until.s(str(door))
    chain = (first | step.s()).apply_async()
    linked = until.apply_async((str(door),), link=step.s())
    members = chord([until.s(str(door)), until.s(str(door))])(step.s())
    on_both.await_running(4)
    sent = [chain.id, chain.parent.id, linked.id, members.id, *(r.id for r in members.parent)]

    with on_both.harming("stop worker", zombie.pid):
        freeze(zombie, on_both.site.alias)
        heir = on_both.worker(concurrency=4)
        eventually(
            lambda: len(set(on_both.running_pids().values()) & set(heir.pids())) == 4,
            within=on_both.lease * 5,
            told="the heir runs all four",
        )
        # Both end now, the one that lost its lease and the one that holds it.
        door.touch()
        zombie.signal_group(signal.SIGCONT)

    on_both.settle()
    zombie.await_line("starts anew")
    on_both.settle()
    successors = Counter(
        len(judge.runs(on_both.site)[id])
        for id in Job.objects.using(on_both.site.alias)
        .filter(task=tasks.step.name)
        .values_list("id", flat=True)
    )
    assert successors == {1: 3}, "link, chain and chord body: each once"
    lost = Attempt.objects.using(on_both.site.alias).filter(outcome=Outcome.LOST)
    assert lost.count() == 4
    assert set(on_both.site.states().values()) == {State.SUCCEEDED.name.lower()}
    tell(on_both.judge(sent), faults=1)


def test_thawed_worker_works_again_under_a_new_lease(on_postgres: Ground, tell: Tell) -> None:
    worker = on_postgres.worker(concurrency=2)
    before = worker.lease()
    assert before is not None
    sent = [r.id for r in on_postgres.task(tasks.work).apply_many([(0.5,)] * 6)]
    on_postgres.await_running(2)

    with on_postgres.harming("stop worker", worker.pid):
        worker.signal_group(signal.SIGSTOP)
        eventually(
            lambda: (
                Job.objects.using(on_postgres.site.alias).exists() and on_postgres.lapsed(before.id)
            ),
            within=on_postgres.lease * 3,
            told="its lease ran out",
        )
        worker.signal_group(signal.SIGCONT)

    on_postgres.settle()
    # Nobody else lived to take the lease: a worker that wakes in time may keep what it runs.
    tell(on_postgres.judge(sent), faults=1)
