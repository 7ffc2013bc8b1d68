"""What can be seen of a simulation while it runs: right at every moment, and cheap however long it is."""

from __future__ import annotations

from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries

from holdfast.testing import HoldfastJobs
from jost.simulations import gathering, lifecycle, progress
from jost.simulations.engine import Tally
from jost.simulations.models import Chunk, Simulation
from jost.simulations.progress import progress_of, summaries_of
from tests.simulated import SEED, plain_setup, pretended, pretended_answer, rounds_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("pretending", "holdfast_jobs")]

CHUNKS = 100


@pytest.fixture
def simulation() -> Simulation:
    return lifecycle.start(plain_setup(), rounds=rounds_of(CHUNKS), seed=SEED)


def record(simulation: Simulation, *indices: int) -> None:
    for index in indices:
        size = rounds_of(index + 1) - rounds_of(index)
        tally = pretended(None, seed=SEED, index=index, rounds=size)
        gathering.record_chunk(simulation.pk, index=index, tally=tally)


def test_progress_is_that_of_what_has_been_counted(simulation: Simulation) -> None:
    record(simulation, *range(50))

    seen = progress_of(simulation)

    counted = pretended_answer(rounds=rounds_of(CHUNKS), chunks=50)
    assert (seen.chunks_done, seen.chunks) == (50, CHUNKS)
    assert (seen.rounds_done, seen.rounds) == (rounds_of(50), rounds_of(CHUNKS))
    assert seen.tally == counted
    assert seen.estimate == counted.estimate()
    assert seen.fraction == pytest.approx(rounds_of(50) / rounds_of(CHUNKS))


def test_fraction_on_the_way_to_a_target_is_of_the_rounds_that_it_will_take(
    simulation: Simulation,
) -> None:
    record(simulation, *range(10))
    estimate = progress_of(simulation).estimate
    assert estimate is not None
    Simulation.objects.update(target=estimate.reach / 2)
    simulation.refresh_from_db()

    seen, [line] = progress_of(simulation), summaries_of([simulation])

    assert seen.fraction == line.fraction == pytest.approx(1 / 4)
    assert seen.rounds_expected == pytest.approx(4 * rounds_of(10))


def test_fraction_never_passes_one(simulation: Simulation) -> None:
    record(simulation, *range(1, 10))
    Simulation.objects.update(target=0.5)
    simulation.refresh_from_db()

    assert progress_of(simulation).fraction == 1


def test_progress_before_the_first_chunk_has_no_estimate(simulation: Simulation) -> None:
    seen = progress_of(simulation)

    assert (seen.estimate, seen.points, seen.seconds, seen.rounds_per_second) == (
        None,
        [],
        None,
        None,
    )
    assert seen.seconds_left is None


def test_whole_chunks_are_held_in_one_sum(simulation: Simulation) -> None:
    record(simulation, *range(50))

    loose = Chunk.objects.filter(tally__isnull=False).count()

    assert loose < gathering.LOOSE_CHUNKS
    simulation.refresh_from_db()
    [held] = simulation.held_tallies
    assert held == pretended_answer(rounds=rounds_of(CHUNKS), chunks=50 - loose)


def test_look_costs_as_many_statements_for_a_long_simulation_as_for_a_short_one(
    simulation: Simulation, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    record(simulation, *range(90))

    with django_assert_num_queries(3):
        progress_of(simulation)


def test_look_reads_a_bounded_number_of_tallies_behind_a_gap(
    simulation: Simulation, monkeypatch: pytest.MonkeyPatch
) -> None:
    Simulation.objects.update(target=1e-6)
    record(simulation, *range(1, CHUNKS))
    read: list[Any] = []
    parse = Tally.from_dict

    def counting(values: Any) -> Tally:
        read.append(values)
        return parse(values)

    monkeypatch.setattr(Tally, "from_dict", counting)

    seen = progress_of(simulation)

    assert len(read) == progress.MOST_LOOSE
    assert seen.rounds_done == rounds_of(CHUNKS) - rounds_of(1)
    assert seen.points == []


def test_look_that_falls_into_the_moment_of_holding_counts_nothing_twice(
    simulation: Simulation, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(simulation, *range(gathering.LOOSE_CHUNKS - 1))
    look = progress._look
    pending = [gathering.LOOSE_CHUNKS - 1]

    def looking(seen: Simulation) -> Any:
        found = look(seen)
        if pending:
            record(simulation, pending.pop())
        return found

    monkeypatch.setattr(progress, "_look", looking)

    found = progress_of(simulation)

    assert found.tally == pretended_answer(rounds=rounds_of(CHUNKS), chunks=gathering.LOOSE_CHUNKS)
    assert found.rounds_done == found.tally.rounds


def test_points_follow_the_prefix_and_stay_where_they_are(simulation: Simulation) -> None:
    record(simulation, 0, 1, 3)
    before = progress_of(simulation).points
    record(simulation, 2)
    after = progress_of(simulation).points

    assert [rounds for rounds, *_ in before] == [rounds_of(1), rounds_of(2)]
    assert [rounds for rounds, *_ in after] == [rounds_of(n) for n in (1, 2, 3, 4)]
    assert after[:2] == before
    assert all(low < ev < high for _, ev, low, high in after)


def test_plot_ends_with_the_newest_estimate_and_keeps_few_points(
    holdfast_jobs: HoldfastJobs,
) -> None:
    simulation = lifecycle.start(plain_setup(), rounds=rounds_of(400), seed=SEED)
    Chunk.objects.bulk_create(
        Chunk.of(
            simulation.pk,
            index=index,
            tally=pretended(
                None, seed=SEED, index=index, rounds=rounds_of(index + 1) - rounds_of(index)
            ),
        )
        for index in range(400)
    )
    Chunk.objects.update(tally=None)

    points = progress_of(simulation).points

    assert 100 <= len(points) <= 150
    assert points[-1][0] == rounds_of(400)


def test_finished_simulation_shows_its_answer(simulation: Simulation) -> None:
    record(simulation, *range(CHUNKS))
    simulation.refresh_from_db()

    seen = progress_of(simulation)

    assert simulation.state == Simulation.State.SUCCEEDED
    assert seen.fraction == 1
    assert seen.tally == pretended_answer(rounds=rounds_of(CHUNKS))
    assert seen.points[-1][1] == seen.tally.estimate().ev  # type: ignore[union-attr]  # of as many rounds


def test_list_adds_up_what_the_chunks_say_with_one_statement(
    simulation: Simulation, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    other = lifecycle.start(plain_setup(), rounds=rounds_of(2), seed=SEED)
    record(simulation, 5, 7)
    record(other, 0, 1)

    with django_assert_num_queries(1):
        unfinished, finished, nothing = summaries_of(
            [simulation, other, Simulation(rules=plain_setup().to_dict(), rounds=1000)]
        )

    assert unfinished.fraction == pytest.approx(100_000 / rounds_of(CHUNKS))
    assert finished.estimate == pretended_answer(rounds=rounds_of(2)).estimate()
    assert (nothing.rounds_done, nothing.estimate) == (0, None)
