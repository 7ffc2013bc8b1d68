"""The life of a simulation: chunks counted in any order and any number of times, one answer."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any
from uuid import UUID, uuid4

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from django.db import IntegrityError, transaction

from holdfast import Batch
from holdfast.testing import HoldfastJobs, faults
from jost.simulations import gathering, lifecycle, tasks
from jost.simulations.engine import ENGINE_VERSION, MAX_ROUNDS, chunks_of
from jost.simulations.legs import Outcome
from jost.simulations.models import Chunk, Simulation
from tests.simulated import (
    ROUNDS,
    SEED,
    plain_setup,
    pretended,
    pretended_answer,
    rounds_of,
    written,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("pretending")]

State = Simulation.State


@pytest.fixture
def waiting(holdfast_jobs: HoldfastJobs) -> Simulation:
    """A simulation whose jobs are recorded, and run only where a test drains them."""
    return lifecycle.start(plain_setup(), rounds=ROUNDS, seed=SEED)


def test_simulation_runs_to_its_answer(waiting: Simulation, holdfast_jobs: HoldfastJobs) -> None:
    assert waiting.state == State.QUEUED

    holdfast_jobs.drain()

    waiting.refresh_from_db()
    assert waiting.state == State.SUCCEEDED
    assert written(waiting.tally) == written(pretended_answer(rounds=ROUNDS).to_dict())
    assert waiting.started_at is not None
    assert waiting.finished_at is not None
    assert waiting.created_at <= waiting.started_at <= waiting.finished_at


def test_chunks_in_any_order_and_repeated_give_the_same_answer(waiting: Simulation) -> None:
    for index in (1, 0, 1, 2, 1, 0):
        tasks.run_chunk(str(waiting.pk), index)
    tasks.end_leg(waiting.batch_id, str(waiting.pk), 1)

    waiting.refresh_from_db()
    assert written(waiting.tally) == written(pretended_answer(rounds=ROUNDS).to_dict())


@pytest.mark.parametrize("seed", range(3))
def test_many_chunks_in_a_shuffled_order_are_the_same_bytes(
    seed: int, holdfast_jobs: HoldfastJobs
) -> None:
    rounds = rounds_of(60) + 7
    simulation = lifecycle.start(plain_setup(), rounds=rounds, seed=SEED)
    order = list(range(chunks_of(rounds)))
    Random(seed).shuffle(order)

    for index in order:
        tasks.run_chunk(str(simulation.pk), index)

    simulation.refresh_from_db()
    assert written(simulation.tally) == written(pretended_answer(rounds=rounds).to_dict())


def test_late_attempt_changes_nothing(waiting: Simulation) -> None:
    tasks.run_chunk(str(waiting.pk), 0)
    other = pretended(None, seed=99, index=0, rounds=50_000)

    gathering.record_chunk(waiting.pk, index=0, tally=other)

    assert waiting.chunks.get().tally == pretended_answer(rounds=ROUNDS, chunks=1).to_dict()


def test_database_refuses_to_count_a_chunk_twice(waiting: Simulation) -> None:
    tally = pretended(None, seed=SEED, index=0, rounds=10)
    Chunk.of(waiting.pk, index=0, tally=tally).save()

    with pytest.raises(IntegrityError), transaction.atomic():
        Chunk.of(waiting.pk, index=0, tally=tally).save()


def test_first_chunk_makes_the_simulation_run(waiting: Simulation) -> None:
    tasks.run_chunk(str(waiting.pk), 0)

    waiting.refresh_from_db()
    assert waiting.state == State.RUNNING
    assert waiting.started_at == waiting.active_since


def test_last_chunk_ends_the_simulation_without_waiting_for_the_leg(waiting: Simulation) -> None:
    for index in range(3):
        tasks.run_chunk(str(waiting.pk), index)

    waiting.refresh_from_db()
    assert waiting.state == State.SUCCEEDED


def test_leg_that_ends_without_all_chunks_says_how_many_are_missing(waiting: Simulation) -> None:
    tasks.run_chunk(str(waiting.pk), 0)

    tasks.end_leg(waiting.batch_id, str(waiting.pk), 1)

    waiting.refresh_from_db()
    assert waiting.state == State.FAILED
    assert waiting.reason == (
        "2 of its chunks were not counted: their jobs were cancelled. Resume it."
    )


def test_chunk_of_another_engine_fails_the_simulation_with_the_repair(
    waiting: Simulation, holdfast_jobs: HoldfastJobs
) -> None:
    Simulation.objects.update(engine_version=ENGINE_VERSION + 1)

    holdfast_jobs.drain(raise_errors=False)

    waiting.refresh_from_db()
    assert waiting.state == State.FAILED
    assert "Start the simulation again" in waiting.reason


def test_jobs_of_a_simulation_that_is_gone_end_without_a_failure(
    waiting: Simulation, holdfast_jobs: HoldfastJobs
) -> None:
    tally = pretended(None, seed=SEED, index=0, rounds=50_000)
    key, batch = waiting.pk, waiting.batch_id
    waiting.delete()

    gathering.record_chunk(key, index=0, tally=tally)
    tasks.fail_leg(batch, str(key), 1)
    holdfast_jobs.drain()

    assert {job.state for job in Batch.get(batch).members()} == {"SUCCESS"}
    assert not Chunk.objects.exists()


def test_failed_simulation_is_resumed_to_the_same_answer(
    waiting: Simulation, holdfast_jobs: HoldfastJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(game: object, *, seed: int, index: int, rounds: int) -> object:
        if index == 1:
            raise RuntimeError("the disk is full.")
        return pretended(game, seed=seed, index=index, rounds=rounds)

    with monkeypatch.context() as patch:
        patch.setattr(tasks, "count_chunk", broken)
        holdfast_jobs.drain(raise_errors=False)
    waiting.refresh_from_db()
    failed, reason = waiting.state, waiting.reason

    assert lifecycle.resume(waiting)
    holdfast_jobs.drain()

    assert failed == State.FAILED
    assert "the disk is full. When this is mended, resume it." in reason
    waiting.refresh_from_db()
    assert (waiting.state, waiting.reason) == (State.SUCCEEDED, "")
    assert written(waiting.tally) == written(pretended_answer(rounds=ROUNDS).to_dict())


def test_failure_takes_back_the_chunks_that_wait(
    holdfast_jobs: HoldfastJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulation = lifecycle.start(plain_setup(), rounds=rounds_of(20), seed=SEED)

    def broken(*_: object, **__: object) -> object:
        raise RuntimeError("no disk")

    monkeypatch.setattr(tasks, "count_chunk", broken)
    gathering.fail_leg(simulation.pk, leg=1, jobs=Outcome(error="no disk"))

    holdfast_jobs.drain()

    states = {job.state for job in holdfast_jobs.recorded(tasks.run_chunk)}
    assert states == {"cancelled"}


def test_late_failure_of_an_earlier_leg_moves_nothing(waiting: Simulation) -> None:
    lifecycle.pause(waiting)
    lifecycle.resume(waiting)

    gathering.fail_leg(waiting.pk, leg=1, jobs=Outcome(error="late"))
    gathering.end_leg(waiting.pk, leg=1, jobs=Outcome())

    waiting.refresh_from_db()
    assert waiting.state == State.QUEUED


def test_chunks_whose_workers_were_killed_too_often_get_another_leg(
    waiting: Simulation, holdfast_jobs: HoldfastJobs
) -> None:
    tasks.run_chunk(str(waiting.pk), 0)

    gathering.end_leg(waiting.pk, leg=1, jobs=Outcome(death="killed", succeeded=1))

    waiting.refresh_from_db()
    assert (waiting.state, waiting.leg) == (State.RUNNING, 2)
    holdfast_jobs.drain()
    waiting.refresh_from_db()
    assert written(waiting.tally) == written(pretended_answer(rounds=ROUNDS).to_dict())


def test_simulation_that_kills_every_worker_fails(
    waiting: Simulation, holdfast_jobs: HoldfastJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gathering, "record_chunk", lambda *_, **__: None)

    with faults.worker_dies(tasks.run_chunk, times=9):
        holdfast_jobs.drain(raise_errors=False)

    waiting.refresh_from_db()
    assert (waiting.state, waiting.leg) == (State.FAILED, 1)
    assert waiting.reason.startswith("3 of its chunks were not counted: ")
    assert "cancelled" not in waiting.reason


def test_worker_without_numba_refuses_a_large_chunk_with_the_repair(
    holdfast_jobs: HoldfastJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulation = lifecycle.start(plain_setup(), rounds=MAX_ROUNDS, seed=SEED)
    monkeypatch.setattr(tasks, "is_compiled", lambda: False)

    with pytest.raises(tasks.SlowWorkerError, match="Install Numba"):
        tasks.run_chunk(str(simulation.pk), 1_000)


def test_chunk_that_takes_too_long_says_so(
    waiting: Simulation, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(*_: object, **__: object) -> None:
        raise SoftTimeLimitExceeded

    monkeypatch.setattr(tasks, "count_chunk", slow)

    with pytest.raises(tasks.SlowWorkerError, match="Chunk 0 of 50,000 rounds took more than 540"):
        tasks.run_chunk(str(waiting.pk), 0)


def test_simulation_that_is_rolled_back_leaves_no_job(holdfast_jobs: HoldfastJobs) -> None:
    with transaction.atomic():
        lifecycle.start(plain_setup(), rounds=ROUNDS)
        transaction.set_rollback(True)

    holdfast_jobs.assert_not_recorded()


def test_first_chunks_go_before_the_far_chunks_of_others(holdfast_jobs: HoldfastJobs) -> None:
    lifecycle.start(plain_setup(), rounds=rounds_of(200), seed=SEED)

    sent = [(job.args[1], job.priority) for job in holdfast_jobs.recorded(tasks.run_chunk)]

    assert [index for index, _ in sent] == list(range(200))
    assert [priority for _, priority in sent] == [6] * 96 + [3] * 96 + [0] * 8


@pytest.mark.parametrize(
    "late",
    [
        lambda key: gathering.end_leg(key, leg=1, jobs=Outcome()),
        lambda key: gathering.fail_leg(key, leg=1, jobs=Outcome(error="late")),
        lambda key: tasks.run_chunk(str(key), 1),
    ],
    ids=["end_leg", "fail_leg", "run_chunk"],
)
def test_nothing_moves_a_cancelled_simulation(
    waiting: Simulation, late: Callable[[UUID], None]
) -> None:
    assert lifecycle.cancel(waiting)

    late(waiting.pk)

    waiting.refresh_from_db()
    assert waiting.state == State.CANCELLED
    assert not waiting.chunks.exists()
    assert not lifecycle.cancel(waiting)


def test_chunk_that_was_being_counted_at_the_cancel_is_not_kept(waiting: Simulation) -> None:
    lifecycle.cancel(waiting)

    gathering.record_chunk(
        waiting.pk, index=0, tally=pretended(None, seed=SEED, index=0, rounds=50_000)
    )

    assert not waiting.chunks.exists()


def test_cancel_ends_exactly_the_outstanding_jobs(
    waiting: Simulation, holdfast_jobs: HoldfastJobs
) -> None:
    lifecycle.cancel(waiting)

    assert [job.state for job in holdfast_jobs.recorded(tasks.run_chunk)] == ["cancelled"] * 3
    holdfast_jobs.drain()
    assert Simulation.objects.get(pk=UUID(str(waiting.pk))).state == State.CANCELLED


@pytest.mark.parametrize(
    ("wrong", "repair"),
    [
        ({"rounds": 999}, "Rounds must lie between"),
        ({"rounds": ROUNDS, "seed": -1}, "The seed must lie between"),
        ({"rounds": ROUNDS, "target": 0}, "The target must lie between"),
    ],
)
def test_impossible_numbers_are_refused_with_the_repair(
    wrong: dict[str, Any], repair: str, holdfast_jobs: HoldfastJobs
) -> None:
    with pytest.raises(ValueError, match=repair):
        lifecycle.start(plain_setup(), **wrong)

    holdfast_jobs.assert_not_recorded()


@pytest.mark.parametrize("task", ["finish", "fail"])
def test_what_the_first_version_sent_ends_well(task: str, holdfast_jobs: HoldfastJobs) -> None:
    tasks.run_chunk.app.send_task(f"jost.simulations.{task}", (str(uuid4()),))
    holdfast_jobs.drain()

    assert [job.state for job in holdfast_jobs.recorded(f"jost.simulations.{task}")] == [
        "succeeded"
    ]
