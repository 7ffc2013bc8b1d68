"""Hundreds of coroutines in one process that is killed, or whose database goes away while they end (P1, P4, P5)."""

from __future__ import annotations

import pytest

from holdfast.testing.services import Mode
from tests.chaos import judge, tasks
from tests.chaos.conftest import Tell
from tests.chaos.ground import Ground, lasting
from tests.eventually import eventually
from tests.processes import WorkerProcess
from tests.project.coroutines import AIO

MANY = 200


def hire(ground: Ground) -> WorkerProcess:
    return ground.worker(pool="custom", concurrency=MANY, environment=AIO)


def begin(ground: Ground, gate: str) -> list[str]:
    """Send the coroutines, and wait until all of them run at once."""
    sent = ground.task(tasks.await_file).apply_many([(gate,)] * MANY)
    ground.await_running(MANY)
    return [job.id for job in sent]


@pytest.mark.short_on("postgres")
def test_killed_worker_with_two_hundred_coroutines_loses_none_of_them(
    on_both: Ground, tell: Tell
) -> None:
    gate = on_both.site.directory / "gate"
    victim = hire(on_both)
    ids = begin(on_both, str(gate))

    on_both.kill(victim)
    hire(on_both)
    on_both.await_running(MANY)
    gate.touch()
    on_both.settle()

    assert set(on_both.site.states().values()) == {"succeeded"}
    assert {job.losses for job in on_both.site.jobs(id__in=ids).values()} == {1}
    assert [len(of_job) for of_job in judge.runs(on_both.site).values()] == [2] * MANY
    # How soon is not told: no worker lived, and the one that rescues has to start first.
    tell(on_both.judge(ids), faults=1)


def test_ends_of_coroutines_wait_for_a_database_that_is_away(
    on_postgres: Ground, tell: Tell
) -> None:
    gate = on_postgres.site.directory / "gate"
    hire(on_postgres)
    ids = begin(on_postgres, str(gate))
    assert on_postgres.database is not None

    with on_postgres.harming("cut database", "database"):
        on_postgres.database.switch(Mode.REFUSE)
        gate.touch()
        eventually(lambda: not on_postgres.running_pids(), told="all bodies are over")
        lasting(1)
        on_postgres.database.switch(Mode.PASS)
    on_postgres.settle()

    assert set(on_postgres.site.states().values()) == {"succeeded"}
    assert [len(of_job) for of_job in judge.runs(on_postgres.site).values()] == [1] * MANY
    tell(on_postgres.judge(ids), faults=1)
