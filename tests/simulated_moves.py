"""Simulations of pretended chunks: begun, counted by hand, and held against an undisturbed run."""

from __future__ import annotations

from holdfast.testing import HoldfastJobs
from jost.simulations import lifecycle, tasks
from jost.simulations.models import Simulation
from tests.simulated import ROUNDS, SEED, plain_setup, pretended_answer, written


def started(*, rounds: int = ROUNDS, target: float | None = None) -> Simulation:
    return lifecycle.start(plain_setup(), rounds=rounds, seed=SEED, target=target)


def count(simulation: Simulation, *indices: int) -> None:
    """Run these jobs, as a worker would."""
    for index in indices:
        tasks.run_chunk(str(simulation.pk), index)
    simulation.refresh_from_db()


def answer_of(simulation: Simulation) -> str:
    simulation.refresh_from_db()
    assert simulation.state == Simulation.State.SUCCEEDED, simulation.reason
    return written(simulation.tally)


def undisturbed(rounds: int) -> str:
    return written(pretended_answer(rounds=rounds).to_dict())


def states(jobs: HoldfastJobs) -> list[str]:
    return [job.state for job in jobs.recorded(tasks.run_chunk)]
