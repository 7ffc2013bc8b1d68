"""Every move in the life of a simulation: queued, running, then succeeded, cancelled or failed.

Web and command line start and cancel; cpu workers do the rest. Nothing moves what has succeeded or
was cancelled, so repeats and late arrivals are harmless; what failed may still be replayed.
"""

from dataclasses import dataclass
from secrets import randbelow
from uuid import UUID

from celery import chord
from django.db import transaction
from django.utils import timezone

import holdfast

from .engine import ENGINE_VERSION, Plan, Rules, Tally
from .models import Chunk, Simulation

# Short enough to be told over the phone.
RANDOM_SEEDS = 10**9

State = Simulation.State


class EngineMismatchError(RuntimeError):
    """This worker runs another engine than the one the simulation was started with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkOrder:
    """What a worker needs to know to count one chunk."""

    rules: Rules
    seed: int
    rounds: int


def start(rules: Rules, *, rounds: int, seed: int | None = None) -> Simulation:
    """Record a simulation and all its jobs in one transaction: both exist, or neither."""
    from . import tasks  # they import this module

    plan = Plan.for_rounds(rounds)
    with transaction.atomic():
        simulation = Simulation.objects.create(
            rules=rules.to_dict(),
            rounds=rounds,
            seed=new_seed() if seed is None else seed,
            chunk_size=plan.chunk_size,
            engine_version=ENGINE_VERSION,
        )
        key = str(simulation.id)
        chunks = [
            tasks.run_chunk.si(key, index).set(task_id=simulation.job_id(index))
            for index in range(plan.chunks)
        ]
        finish_all = tasks.finish.si(key).set(task_id=simulation.finish_job_id)
        chord(chunks)(finish_all.on_error(tasks.fail.si(key)))
    return simulation


def new_seed() -> int:
    return randbelow(RANDOM_SEEDS)


def begin_chunk(simulation_id: UUID, *, index: int) -> ChunkOrder | None:
    """Say what to count for chunk `index`; None if nobody needs it any more."""
    simulation = Simulation.objects.get(pk=simulation_id)
    if simulation.is_over or simulation.chunks.filter(index=index).exists():
        return None
    if simulation.engine_version != ENGINE_VERSION:
        message = (
            f"Simulation {simulation_id} was started with engine {simulation.engine_version}, this "
            f"worker has engine {ENGINE_VERSION}. Start the simulation again."
        )
        raise EngineMismatchError(message)
    if simulation.state == State.QUEUED:
        Simulation.objects.filter(pk=simulation_id, state=State.QUEUED).update(
            state=State.RUNNING, started_at=timezone.now()
        )
    return ChunkOrder(
        rules=simulation.game, seed=simulation.seed, rounds=simulation.plan.rounds_in(index)
    )


def record_chunk(simulation_id: UUID, *, index: int, tally: Tally) -> None:
    """Keep the counts of a chunk; a second attempt has counted the same and changes nothing."""
    chunk = Chunk.of(simulation_id, index=index, tally=tally)
    Chunk.objects.bulk_create([chunk], ignore_conflicts=True)


def finish(simulation_id: UUID) -> None:
    """Add up all chunks and call the simulation succeeded."""
    with transaction.atomic():
        simulation = Simulation.objects.select_for_update().get(pk=simulation_id)
        if simulation.is_over:
            return
        tallies = simulation.chunks.values_list("tally", flat=True)
        tally = Tally.total(Tally.from_dict(values) for values in tallies)
        if tally.rounds != simulation.rounds:
            message = (
                f"Simulation {simulation_id} has {tally.rounds} of {simulation.rounds} rounds. "
                "Replay the jobs of its missing chunks, then this one."
            )
            raise RuntimeError(message)
        simulation.tally = tally.to_dict()
        simulation.state, simulation.reason = State.SUCCEEDED, ""
        simulation.finished_at = timezone.now()
        simulation.save(update_fields=["tally", "state", "reason", "finished_at"])


def fail(simulation_id: UUID, *, reason: str) -> None:
    """Call the simulation failed, unless it has ended otherwise."""
    _end(simulation_id, state=State.FAILED, reason=reason)


def cancel(simulation: Simulation) -> bool:
    """End the simulation and its outstanding jobs; False if it had ended before."""
    with transaction.atomic():
        if not _end(simulation.pk, state=State.CANCELLED, reason=""):
            return False
        counted = set(simulation.chunks.values_list("index", flat=True))
        outstanding = [
            simulation.job_id(index)
            for index in range(simulation.plan.chunks)
            if index not in counted
        ]
        holdfast.cancel([*outstanding, simulation.finish_job_id], terminate=True)
    return True


def _end(simulation_id: UUID, *, state: Simulation.State, reason: str) -> bool:
    active = Simulation.objects.filter(pk=simulation_id, state__in=Simulation.ACTIVE)
    return bool(active.update(state=state, reason=reason, finished_at=timezone.now()))
