"""The end at a target: decided by the prefix of chunks, whoever counted which of them first."""

from __future__ import annotations

from random import Random

import pytest

from holdfast.testing import HoldfastJobs
from jost.simulations import gathering, lifecycle
from jost.simulations.models import Simulation
from jost.simulations.progress import progress_of
from tests.simulated import ROUNDS, SEED, pretended, pretended_answer, rounds_of
from tests.simulated_moves import answer_of, count, started, states, undisturbed

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("pretending", "holdfast_jobs")]

State = Simulation.State

# With a deviation of 0.95 a bet the interval of 7 chunks of 50,000 reaches 0.00316, that of 8 reaches 0.00295.
TARGET = 0.003


@pytest.fixture
def chunks() -> int:
    """How many chunks the target takes, counted by hand."""
    found = next(
        n
        for n in range(3, 40)
        if (estimate := pretended_answer(rounds=rounds_of(40), chunks=n).estimate()) is not None
        and estimate.reach <= TARGET
    )
    assert 3 < found < 20
    return found


def test_simulation_ends_at_its_target(holdfast_jobs: HoldfastJobs, chunks: int) -> None:
    simulation = started(rounds=rounds_of(40), target=TARGET)

    holdfast_jobs.drain()

    assert answer_of(simulation) == undisturbed(rounds_of(chunks))
    assert simulation.rounds == rounds_of(chunks)
    assert progress_of(simulation).fraction == 1
    assert states(holdfast_jobs) == ["succeeded"] * chunks + ["cancelled"] * (40 - chunks)


@pytest.mark.parametrize("seed", range(5))
def test_target_is_met_by_the_prefix_and_not_by_who_comes_first(seed: int, chunks: int) -> None:
    simulation = started(rounds=rounds_of(40), target=TARGET)
    order = list(range(40))
    Random(seed).shuffle(order)

    count(simulation, *order)

    assert answer_of(simulation) == undisturbed(rounds_of(chunks))
    assert simulation.chunks.count() == chunks


def test_chunks_beyond_a_gap_do_not_end_it(chunks: int) -> None:
    simulation = started(rounds=rounds_of(40), target=TARGET)

    count(simulation, *range(1, 40))
    waiting = simulation.state
    count(simulation, 0)

    assert waiting == State.RUNNING
    assert answer_of(simulation) == undisturbed(rounds_of(chunks))


def test_chunk_that_was_being_counted_at_the_end_is_not_added(
    holdfast_jobs: HoldfastJobs, chunks: int
) -> None:
    simulation = started(rounds=rounds_of(40), target=TARGET)
    holdfast_jobs.drain()

    late = pretended(None, seed=SEED, index=chunks + 1, rounds=50_000)
    gathering.record_chunk(simulation.pk, index=chunks + 1, tally=late)

    assert simulation.chunks.count() == chunks
    assert answer_of(simulation) == undisturbed(rounds_of(chunks))


def test_easy_target_still_takes_three_chunks(holdfast_jobs: HoldfastJobs) -> None:
    simulation = started(rounds=rounds_of(40), target=0.5)

    holdfast_jobs.drain()

    assert answer_of(simulation) == undisturbed(rounds_of(3))


def test_target_that_is_not_reached_ends_with_the_rounds(holdfast_jobs: HoldfastJobs) -> None:
    simulation = started(rounds=ROUNDS, target=1e-5)

    holdfast_jobs.drain()

    assert answer_of(simulation) == undisturbed(ROUNDS)
    assert simulation.target == 1e-5


def test_extension_of_a_reached_target_gives_it_up(holdfast_jobs: HoldfastJobs) -> None:
    simulation = started(rounds=rounds_of(40), target=TARGET)
    holdfast_jobs.drain()
    simulation.refresh_from_db()

    lifecycle.extend(simulation, rounds=rounds_of(50) + 1)
    holdfast_jobs.drain()

    assert answer_of(simulation) == undisturbed(rounds_of(50) + 1)
    assert simulation.target is None


def test_extension_of_a_missed_target_goes_on_to_it(
    holdfast_jobs: HoldfastJobs, chunks: int
) -> None:
    simulation = started(rounds=ROUNDS, target=TARGET)
    holdfast_jobs.drain()
    simulation.refresh_from_db()

    lifecycle.extend(simulation, rounds=rounds_of(40))
    holdfast_jobs.drain()

    assert answer_of(simulation) == undisturbed(rounds_of(chunks))


@pytest.mark.parametrize("seed", range(3))
def test_chunks_behind_one_that_was_cut_short_do_not_end_an_extended_one(
    seed: int, holdfast_jobs: HoldfastJobs, chunks: int
) -> None:
    simulation = started(rounds=rounds_of(chunks - 2) + 10_000, target=TARGET)
    holdfast_jobs.drain()
    simulation.refresh_from_db()
    lifecycle.extend(simulation, rounds=rounds_of(40))
    rest = list(range(chunks - 2, 40))
    Random(seed).shuffle(rest)

    count(simulation, *rest)

    assert answer_of(simulation) == undisturbed(rounds_of(chunks))
