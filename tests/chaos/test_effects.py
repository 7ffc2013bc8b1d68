"""Workers that are killed around a call to the world outside: nobody is charged twice, and every doubt is told."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from holdfast.ledger.models.effects import Effect
from holdfast.worker.lifeline import EXIT_LEASE_LOST
from tests.chaos.conftest import Enter, Tell
from tests.chaos.ground import Ground
from tests.eventually import eventually
from tests.processes import WorkerProcess, freeze
from tests.project import charging
from tests.project.charging import AFTER_RECORD, BEFORE_RECORD, read


def hire(ground: Ground, **options: object) -> WorkerProcess:
    """Start a worker that knows the tasks that charge."""
    return ground.worker(f"--include=tests.chaos.tasks,{charging.__name__}", **options)


def seen(ground: Ground) -> list[str]:
    """Return what each attempt found at its key."""
    return read(ground.site.effects_file, "seen")


def charged(ground: Ground) -> list[str]:
    """Return the keys the gateway was called with."""
    return read(ground.site.effects_file, "charged")


def kill_where_it_stays(ground: Ground, victim: WorkerProcess) -> None:
    """Kill a worker once its job has come to where it stays, and start another one."""
    eventually(lambda: "order stays" in seen(ground), told="the call is made")
    ground.kill(victim)
    hire(ground)
    ground.settle()


@pytest.mark.parametrize("database", ["sqlite", "postgres"])
@pytest.mark.parametrize("pool", ["prefork", "threads"])
@pytest.mark.short_on("sqlite-prefork", "postgres-threads")
def test_worker_killed_between_call_and_record_leaves_a_doubt_and_makes_no_second_call(
    database: str, pool: str, enter_ground: Enter, tell: Tell
) -> None:
    ground = enter_ground(database)
    victim = hire(ground, pool=pool, concurrency=1)
    result = ground.task(charging.charge).delay("order", BEFORE_RECORD)

    kill_where_it_stays(ground, victim)

    assert seen(ground) == ["order new", "order stays", "order in doubt"]
    assert charged(ground) == ["order"]
    assert result.get() == "found 0"
    tell(ground.judge([result.id]), faults=1, more=f"{len(charged(ground))} calls")


@pytest.mark.parametrize(
    ("database", "task"),
    [
        ("sqlite", charging.charge),
        ("postgres", charging.charge),
        ("postgres", charging.charge_atomic),
    ],
    ids=["sqlite", "postgres", "postgres-atomic"],
)
@pytest.mark.short_on("postgres")
def test_worker_killed_between_record_and_end_makes_no_second_call(
    database: str, task: object, enter_ground: Enter, tell: Tell
) -> None:
    ground = enter_ground(database)
    victim = hire(ground, concurrency=1)
    result = ground.task(task).delay("order", AFTER_RECORD)

    kill_where_it_stays(ground, victim)

    assert seen(ground) == ["order new", "order stays", "order done"]
    assert charged(ground) == ["order"]
    assert result.get() == "charged order"
    tell(ground.judge([result.id]), faults=1, more=f"{len(charged(ground))} calls")


@pytest.mark.short_on("sqlite")
def test_thawed_worker_records_nothing_at_a_key_that_is_somebody_elses(
    on_both: Ground, tell: Tell
) -> None:
    zombie = hire(on_both, pool="threads", concurrency=1)
    result = on_both.task(charging.charge).delay("order", BEFORE_RECORD)
    eventually(lambda: "order stays" in seen(on_both), told="the call is made")
    with on_both.harming("stop worker", zombie.pid):
        freeze(zombie, on_both.site.alias)
        hire(on_both)
        on_both.settle()
    of_the_heir = Effect.objects.using(on_both.site.alias).values().get()

    Path(f"{on_both.site.effects_file}.go").write_text("go\n")
    zombie.signal_group(signal.SIGCONT)

    # A thread cannot be stopped: its body comes to the record and is refused. The process leaves, unless it notices
    # that its lease is lost only when the body is over: then it starts anew.
    eventually(lambda: not zombie.running or "starts anew" in zombie.log_text())
    assert zombie.running or zombie.wait() == EXIT_LEASE_LOST
    assert Effect.objects.using(on_both.site.alias).values().get() == of_the_heir
    assert seen(on_both) == ["order new", "order stays", "order in doubt"]
    assert result.get() == "found 0"
    tell(on_both.judge([result.id]), faults=1, more=f"{len(charged(on_both))} calls")


@pytest.mark.short_on("postgres")
def test_processes_killed_again_and_again_charge_nobody_twice(on_both: Ground, tell: Tell) -> None:
    victim = hire(on_both, concurrency=4)
    hire(on_both, concurrency=2)
    keys = [f"order {number}" for number in range(24)]
    sent = on_both.task(charging.charge).apply_many([(key, "", 0.8) for key in keys])
    job_of = {key: result.id for key, result in zip(keys, sent, strict=True)}

    hit: set[str] = set()
    while len(hit) < 3:
        mine, running = victim.pids(), on_both.await_running(1)
        called = [job_of[key] for key in charged(on_both)]
        fresh = [job for job in called if running.get(job) in mine and job not in hit]
        for job in fresh[-1:]:
            on_both.kill_child(victim, running[job])
            hit.add(job)
    on_both.kill(victim)
    on_both.settle()

    assert sorted(charged(on_both)) == sorted(keys)
    assert any(line.endswith("in doubt") for line in seen(on_both))
    tell(
        on_both.judge([result.id for result in sent]),
        faults=4,
        more=f"{len(charged(on_both))} calls for {len(keys)} keys, {len(seen(on_both))} turns",
    )
