"""The life of a simulation: chunks counted in any order and any number of times, one answer."""

from collections.abc import Callable
from uuid import UUID, uuid4

import pytest
from django.db import IntegrityError, transaction

import holdfast
from jost.simulations import lifecycle, tasks
from jost.simulations.engine import ENGINE_VERSION, Plan, Rules, Tally, count_chunk
from jost.simulations.models import Chunk, Simulation
from jost.simulations.progress import progress_of, summaries_of

pytestmark = pytest.mark.django_db

ROUNDS, SEED = 3_000, 11


@pytest.fixture
def waiting() -> Simulation:
    """A simulation none of whose jobs has been sent."""
    plan = Plan.for_rounds(ROUNDS)
    return Simulation.objects.create(
        rules=Rules().to_dict(),
        rounds=ROUNDS,
        seed=SEED,
        chunk_size=plan.chunk_size,
        engine_version=ENGINE_VERSION,
    )


def expected() -> Tally:
    plan = Plan.for_rounds(ROUNDS)
    return Tally.total(
        count_chunk(Rules(), seed=SEED, index=index, rounds=plan.rounds_in(index))
        for index in range(plan.chunks)
    )


@pytest.mark.usefixtures("inline")
def test_simulation_runs_to_its_answer() -> None:
    simulation = lifecycle.start(Rules(), rounds=ROUNDS, seed=SEED)

    simulation.refresh_from_db()
    assert simulation.state == Simulation.State.SUCCEEDED
    assert simulation.tally is not None
    assert Tally.from_dict(simulation.tally) == expected()
    assert simulation.started_at is not None
    assert simulation.finished_at is not None
    assert simulation.created_at <= simulation.started_at <= simulation.finished_at


def test_chunks_in_any_order_and_repeated_give_the_same_answer(waiting: Simulation) -> None:
    for index in (1, 0, 1, 1):
        tasks.run_chunk(str(waiting.pk), index)
    tasks.finish(str(waiting.pk))
    tasks.finish(str(waiting.pk))

    waiting.refresh_from_db()
    assert waiting.tally is not None
    assert Tally.from_dict(waiting.tally) == expected()


def test_late_attempt_changes_nothing(waiting: Simulation) -> None:
    tasks.run_chunk(str(waiting.pk), 0)
    other = count_chunk(Rules(), seed=99, index=0, rounds=10)

    lifecycle.record_chunk(waiting.pk, index=0, tally=other)

    assert waiting.chunks.get(index=0).rounds == waiting.plan.rounds_in(0)


def test_database_refuses_to_count_a_chunk_twice(waiting: Simulation) -> None:
    tally = count_chunk(Rules(), seed=SEED, index=0, rounds=10)
    lifecycle.record_chunk(waiting.pk, index=0, tally=tally)

    with pytest.raises(IntegrityError), transaction.atomic():
        Chunk.of(waiting.pk, index=0, tally=tally).save()


def test_first_chunk_makes_the_simulation_run(waiting: Simulation) -> None:
    assert waiting.state == Simulation.State.QUEUED

    tasks.run_chunk(str(waiting.pk), 0)

    waiting.refresh_from_db()
    assert waiting.state == Simulation.State.RUNNING
    assert progress_of(waiting).fraction == pytest.approx(0.5)


def test_sum_with_a_chunk_missing_is_refused(waiting: Simulation) -> None:
    tasks.run_chunk(str(waiting.pk), 0)

    with pytest.raises(RuntimeError, match="Replay the jobs of its missing chunks"):
        tasks.finish(str(waiting.pk))


def test_chunk_of_another_engine_is_refused(waiting: Simulation) -> None:
    Simulation.objects.update(engine_version=ENGINE_VERSION + 1)

    with pytest.raises(lifecycle.EngineMismatchError, match="Start the simulation again"):
        tasks.run_chunk(str(waiting.pk), 0)


def test_chunk_of_a_simulation_that_was_never_committed_fails() -> None:
    with pytest.raises(Simulation.DoesNotExist):
        tasks.run_chunk(str(uuid4()), 0)


def test_failed_simulation_says_where_to_look(waiting: Simulation) -> None:
    tasks.fail(str(waiting.pk))

    waiting.refresh_from_db()
    assert waiting.state == Simulation.State.FAILED
    assert "ledger" in waiting.reason


def test_failed_simulation_succeeds_once_its_missing_chunk_is_replayed(
    waiting: Simulation,
) -> None:
    tasks.run_chunk(str(waiting.pk), 0)
    tasks.fail(str(waiting.pk))

    tasks.run_chunk(str(waiting.pk), 1)
    tasks.finish(str(waiting.pk))

    waiting.refresh_from_db()
    assert (waiting.state, waiting.reason) == (Simulation.State.SUCCEEDED, "")
    assert waiting.tally is not None
    assert Tally.from_dict(waiting.tally) == expected()


@pytest.mark.parametrize("late", [tasks.fail, tasks.finish], ids=lambda task: task.name)
def test_nothing_moves_a_cancelled_simulation(
    waiting: Simulation, late: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holdfast, "cancel", lambda *_args, **_options: [])
    assert lifecycle.cancel(waiting)

    tasks.run_chunk(str(waiting.pk), 0)
    late(str(waiting.pk))

    waiting.refresh_from_db()
    assert waiting.state == Simulation.State.CANCELLED
    assert not waiting.chunks.exists()
    assert not lifecycle.cancel(waiting)


def test_cancel_ends_exactly_the_outstanding_jobs(
    waiting: Simulation, monkeypatch: pytest.MonkeyPatch
) -> None:
    cancelled: list[str] = []

    def cancel_jobs(ids: list[str], *, terminate: bool) -> None:
        assert terminate
        cancelled.extend(ids)

    monkeypatch.setattr(holdfast, "cancel", cancel_jobs)
    tasks.run_chunk(str(waiting.pk), 0)

    lifecycle.cancel(waiting)

    assert cancelled == [waiting.job_id(1), waiting.finish_job_id]


def test_job_ids_need_no_column_and_differ(waiting: Simulation) -> None:
    ids = {waiting.job_id(index) for index in range(100)} | {waiting.finish_job_id}

    assert len(ids) == 101
    assert {UUID(job_id).version for job_id in ids} == {5}
    assert Simulation.objects.get(pk=waiting.pk).job_id(7) == waiting.job_id(7)


def test_list_adds_up_what_the_chunks_say(waiting: Simulation) -> None:
    tasks.run_chunk(str(waiting.pk), 1)
    [unfinished] = summaries_of([waiting])
    tasks.run_chunk(str(waiting.pk), 0)
    tasks.finish(str(waiting.pk))
    waiting.refresh_from_db()
    [finished] = summaries_of([waiting])

    assert unfinished.fraction == pytest.approx(0.5)
    assert finished.estimate == expected().estimate()


def test_plot_ends_with_the_newest_estimate_and_keeps_few_points(waiting: Simulation) -> None:
    tally = count_chunk(Rules(), seed=SEED, index=0, rounds=10)
    for index in range(400):
        lifecycle.record_chunk(waiting.pk, index=index, tally=tally)

    points = progress_of(waiting).points

    assert 100 <= len(points) <= 150
    assert points[-1][0] == 4_000
    assert all(low < ev < high for _, ev, low, high in points)
