"""Pause, resume, extend: whatever is done on the way, the answer is that of an undisturbed run."""

from __future__ import annotations

from random import Random

import pytest

from holdfast.testing import HoldfastJobs
from jost.simulations import gathering, lifecycle, tasks
from jost.simulations.engine import MAX_ROUNDS, chunks_of, rounds_in
from jost.simulations.models import Simulation
from jost.simulations.progress import progress_of
from tests.simulated import ROUNDS, SEED, pretended, rounds_of, written
from tests.simulated_moves import answer_of, count, started, states, undisturbed

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("pretending", "holdfast_jobs")]

State = Simulation.State


def test_paused_simulation_takes_back_its_jobs_and_keeps_what_is_counted(
    holdfast_jobs: HoldfastJobs,
) -> None:
    simulation = started()
    count(simulation, 1)

    assert lifecycle.pause(simulation)

    assert simulation.state == State.PAUSED
    assert states(holdfast_jobs) == ["cancelled"] * 3
    assert progress_of(simulation).chunks_done == 1
    assert not lifecycle.pause(simulation)


def test_resumed_simulation_counts_what_is_missing_and_nothing_else(
    holdfast_jobs: HoldfastJobs,
) -> None:
    simulation = started()
    count(simulation, 1)
    lifecycle.pause(simulation)

    assert lifecycle.resume(simulation)

    sent = [job.args[1] for job in holdfast_jobs.recorded(tasks.run_chunk) if job.state == "queued"]
    assert sent == [0, 2]
    holdfast_jobs.drain()
    assert answer_of(simulation) == undisturbed(ROUNDS)
    assert not lifecycle.resume(simulation)


def test_chunk_that_was_being_counted_at_the_pause_is_kept() -> None:
    simulation = started()
    lifecycle.pause(simulation)

    tally = pretended(None, seed=SEED, index=0, rounds=50_000)
    gathering.record_chunk(simulation.pk, index=0, tally=tally)

    simulation.refresh_from_db()
    assert simulation.state == State.PAUSED
    assert progress_of(simulation).rounds_done == 50_000


def test_job_that_begins_after_the_pause_counts_nothing() -> None:
    simulation = started()
    lifecycle.pause(simulation)

    count(simulation, 0)

    assert not simulation.chunks.exists()


def test_paused_simulation_whose_last_chunk_comes_in_has_its_answer() -> None:
    simulation = started()
    count(simulation, 0, 1)
    lifecycle.pause(simulation)

    tally = pretended(None, seed=SEED, index=2, rounds=20_000)
    gathering.record_chunk(simulation.pk, index=2, tally=tally)

    assert answer_of(simulation) == undisturbed(ROUNDS)


def test_time_of_a_pause_does_not_count_as_running(holdfast_jobs: HoldfastJobs) -> None:
    simulation = started()
    count(simulation, 0)
    lifecycle.pause(simulation)
    ran = simulation.seconds_before

    assert progress_of(simulation).seconds == pytest.approx(max(ran, 0.001))
    lifecycle.resume(simulation)
    assert simulation.active_since is None
    holdfast_jobs.drain()
    simulation.refresh_from_db()
    assert simulation.seconds_before > ran


@pytest.mark.parametrize("further", [130_000, rounds_of(3), rounds_of(40) + 1])
def test_extended_simulation_is_one_of_so_many_rounds_from_the_beginning(
    further: int, holdfast_jobs: HoldfastJobs
) -> None:
    simulation = started()
    holdfast_jobs.drain()
    assert answer_of(simulation) == undisturbed(ROUNDS)

    assert lifecycle.extend(simulation, rounds=further)
    holdfast_jobs.drain()

    assert answer_of(simulation) == undisturbed(further)
    assert simulation.rounds == further


def test_extension_counts_only_the_chunk_that_was_cut_short_again(
    holdfast_jobs: HoldfastJobs,
) -> None:
    simulation = started()
    holdfast_jobs.drain()

    lifecycle.extend(simulation, rounds=rounds_of(4))

    sent = [job.args[1] for job in holdfast_jobs.recorded(tasks.run_chunk) if job.state == "queued"]
    assert sent == [2, 3]


def test_answer_stays_until_the_extended_one_is_there(holdfast_jobs: HoldfastJobs) -> None:
    simulation = started()
    holdfast_jobs.drain()

    lifecycle.extend(simulation, rounds=rounds_of(4))
    before = simulation.tally
    count(simulation, 2)

    assert simulation.state == State.RUNNING
    assert written(before) == written(simulation.tally) == undisturbed(ROUNDS)
    assert progress_of(simulation).rounds_done == rounds_of(3)


def test_chunk_cut_short_stays_until_the_whole_one_is_counted(holdfast_jobs: HoldfastJobs) -> None:
    simulation = started()
    holdfast_jobs.drain()

    lifecycle.extend(simulation, rounds=rounds_of(4))

    assert progress_of(simulation).rounds_done == ROUNDS


def test_running_simulation_is_extended(holdfast_jobs: HoldfastJobs) -> None:
    simulation = started()
    count(simulation, 2, 0)

    assert lifecycle.extend(simulation, rounds=rounds_of(5))
    assert simulation.state == State.RUNNING
    holdfast_jobs.drain()

    assert answer_of(simulation) == undisturbed(rounds_of(5))


def test_old_job_of_an_extended_simulation_counts_its_chunk_whole() -> None:
    simulation = started()
    lifecycle.extend(simulation, rounds=rounds_of(5))

    count(simulation, 2)

    assert simulation.chunks.get().rounds == 50_000


def test_job_that_was_counting_at_the_extension_spoils_nothing(holdfast_jobs: HoldfastJobs) -> None:
    simulation = started()
    lifecycle.extend(simulation, rounds=rounds_of(5))

    late = pretended(None, seed=SEED, index=2, rounds=20_000)
    gathering.record_chunk(simulation.pk, index=2, tally=late)
    holdfast_jobs.drain()

    assert answer_of(simulation) == undisturbed(rounds_of(5))


def test_late_chunk_with_fewer_rounds_replaces_none_with_more(holdfast_jobs: HoldfastJobs) -> None:
    simulation = started()
    lifecycle.extend(simulation, rounds=130_000)
    holdfast_jobs.drain()
    lifecycle.extend(simulation, rounds=rounds_of(5))

    late = pretended(None, seed=SEED, index=2, rounds=20_000)
    gathering.record_chunk(simulation.pk, index=2, tally=late)

    assert simulation.chunks.get(index=2).rounds == 30_000


def test_extension_of_a_running_simulation_leaves_one_job_for_each_missing_chunk(
    holdfast_jobs: HoldfastJobs,
) -> None:
    simulation = started()
    count(simulation, 0)

    lifecycle.extend(simulation, rounds=rounds_of(5))

    sent = [job.args[1] for job in holdfast_jobs.recorded(tasks.run_chunk) if job.state == "queued"]
    assert sent == [1, 2, 3, 4]


def test_paused_simulation_is_extended_and_stays_paused(holdfast_jobs: HoldfastJobs) -> None:
    simulation = started()
    count(simulation, 0)
    lifecycle.pause(simulation)

    assert lifecycle.extend(simulation, rounds=rounds_of(5))

    assert simulation.state == State.PAUSED
    lifecycle.resume(simulation)
    holdfast_jobs.drain()
    assert answer_of(simulation) == undisturbed(rounds_of(5))


@pytest.mark.parametrize("rounds", [ROUNDS, 50_000, MAX_ROUNDS + 1])
def test_extension_to_no_more_rounds_or_too_many_is_refused(rounds: int) -> None:
    simulation = started()

    with pytest.raises(ValueError, match=r"extend it to more|must lie between"):
        lifecycle.extend(simulation, rounds=rounds)

    simulation.refresh_from_db()
    assert simulation.rounds == ROUNDS


def test_cancelled_simulation_is_not_extended() -> None:
    simulation = started()
    lifecycle.cancel(simulation)

    assert not lifecycle.extend(simulation, rounds=rounds_of(5))


def test_moves_at_random_change_no_byte(holdfast_jobs: HoldfastJobs) -> None:
    dice = Random(7)
    simulation = started(rounds=rounds_of(20) + 3)
    end = rounds_of(45) + 9

    for _ in range(60):
        move = dice.choice(("count", "count", "count", "pause", "resume", "extend"))
        if move == "count":
            indices = range(chunks_of(simulation.rounds))
            count(simulation, *dice.choices(indices, k=3))
        elif move == "extend":
            if simulation.rounds < end - 60_000:
                lifecycle.extend(simulation, rounds=simulation.rounds + dice.randint(1, 60_000))
        else:
            getattr(lifecycle, move)(simulation)
    lifecycle.resume(simulation)
    lifecycle.extend(simulation, rounds=end)
    holdfast_jobs.drain()

    assert answer_of(simulation) == undisturbed(end)
    rows = simulation.chunks.values_list("index", "rounds")
    assert dict(rows) == {i: rounds_in(i, rounds=end) for i in range(chunks_of(end))}
