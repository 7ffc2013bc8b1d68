"""What cpu workers do to a simulation: count its chunks, hold what is counted in one sum, end it.

All may be repeated, and may come late: nothing here moves what has succeeded, was cancelled or is gone.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID

from django.db import transaction
from django.db.models import Count
from django.utils import timezone

from . import legs
from .engine import ENGINE_VERSION, Game, Tally, rounds_in
from .legs import Outcome
from .models import Chunk, Simulation, counts_of, tallies_of
from .prefix import stop_after, whole_chunks_of

# So many chunks keep their own tally, some kilobytes each, before they are added to that of the simulation.
LOOSE_CHUNKS = 16

State = Simulation.State


class EngineMismatchError(RuntimeError):
    """This worker runs another engine than the one the simulation was started with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkOrder:
    """What a worker needs to know to count one chunk."""

    game: Game
    seed: int
    rounds: int


def begin_chunk(simulation_id: UUID, *, index: int) -> ChunkOrder | None:
    """Say what to count for chunk `index`; None if nobody needs it now."""
    simulation = Simulation.objects.defer(*Simulation.HEAVY).filter(pk=simulation_id).first()
    if simulation is None or simulation.is_over or simulation.state == State.PAUSED:
        return None
    rounds = _rounds_wanted(simulation, index=index)
    if rounds <= _rounds_counted(simulation, index=index):
        return None
    if simulation.engine_version != ENGINE_VERSION:
        message = (
            f"Simulation {simulation_id} was started with engine {simulation.engine_version}, this "
            f"worker has engine {ENGINE_VERSION}. Start the simulation again."
        )
        raise EngineMismatchError(message)
    now = timezone.now()
    Simulation.objects.filter(pk=simulation_id, state=State.QUEUED).update(
        state=State.RUNNING, started_at=simulation.started_at or now, active_since=now
    )
    return ChunkOrder(game=simulation.setup.game, seed=simulation.seed, rounds=rounds)


def record_chunk(simulation_id: UUID, *, index: int, tally: Tally) -> None:
    """Keep the counts of a chunk; a second attempt has counted the same and changes nothing."""
    with _locked(simulation_id) as simulation:
        # Under the lock: no chunk is added to an answer that is there already.
        if simulation is None or simulation.is_over:
            return
        if tally.rounds > _rounds_wanted(simulation, index=index):
            return
        # One that an earlier end of the simulation cut short gives way to one with more rounds, and to no other.
        if tally.rounds <= _rounds_counted(simulation, index=index):
            return
        Chunk.objects.update_or_create(
            simulation=simulation, index=index, defaults=counts_of(tally)
        )
        if _is_due(simulation):
            _gather(simulation)


def end_leg(simulation_id: UUID, *, leg: int, jobs: Outcome) -> None:
    """Every job of the leg has ended: with the answer, or it takes another leg, or somebody has to resume it."""
    with _locked(simulation_id) as simulation:
        if simulation is None or simulation.is_over:
            return
        _gather(simulation)
        if not simulation.is_active or simulation.leg != leg:
            return
        if jobs.is_worth_another:
            # Killed workers cost time and nothing else. It ends: each leg counts a chunk at least.
            legs.begin(simulation)
            return
        left = sum(1 for _ in legs.missing(simulation))
        why = jobs.error or jobs.death or "their jobs were cancelled."
        reason = f"{left} of its chunks were not counted: {why} Resume it."
        legs.stop(simulation, state=State.FAILED, reason=reason)


def fail_leg(simulation_id: UUID, *, leg: int, jobs: Outcome) -> None:
    """A chunk could not be counted: take back those that wait, and say why; if its workers died, the others go on."""
    with _locked(simulation_id) as simulation:
        if simulation is None or not simulation.is_active or simulation.leg != leg:
            return
        if not jobs.error:
            return
        legs.take_back(simulation)
        reason = f"A chunk could not be counted: {jobs.error} When this is mended, resume it."
        legs.stop(simulation, state=State.FAILED, reason=reason)


@contextmanager
def _locked(simulation_id: UUID) -> Iterator[Simulation | None]:
    """Hold the row; None if it was deleted, as those of an earlier engine are by a migration."""
    with transaction.atomic():
        rows = Simulation.objects.select_for_update().defer(*Simulation.HEAVY)
        yield rows.filter(pk=simulation_id).first()


def _rounds_wanted(simulation: Simulation, *, index: int) -> int:
    """How many rounds a chunk is to have; 0 if it lies beyond the end."""
    beyond = index >= simulation.chunks_planned
    return 0 if beyond else rounds_in(index, rounds=simulation.rounds)


def _rounds_counted(simulation: Simulation, *, index: int) -> int:
    counted = simulation.chunks.filter(index=index).values_list("rounds", flat=True)
    return counted.first() or 0


def _is_due(simulation: Simulation) -> bool:
    """Whether something follows from what has been counted, or enough of it lies about."""
    if simulation.target is not None:
        return True
    found = simulation.chunks.aggregate(counted=Count("pk"), loose=Count("tally"))
    return bool(found["counted"] >= simulation.chunks_planned or found["loose"] >= LOOSE_CHUNKS)


def _gather(simulation: Simulation) -> None:
    """Hold what will be part of the answer, and end the simulation if that is there."""
    chunks = _chunks_of_answer(simulation)
    if chunks is not None:
        # Before anything is held: what lies beyond the end is no part of the answer.
        simulation.chunks.filter(index__gte=chunks).delete()
    held = _hold(simulation)
    if chunks is None:
        return
    answer = Tally.total([*held, *tallies_of(simulation.chunks.all())])
    if chunks < simulation.chunks_planned:
        legs.take_back(simulation)
        simulation.rounds = answer.rounds
    if answer.rounds != simulation.rounds:
        raise RuntimeError(
            f"Simulation {simulation.pk} has {answer.rounds} of {simulation.rounds} rounds, though "
            "each of its chunks is counted. Report this, and start it again."
        )
    simulation.tally = answer.to_dict()
    legs.stop(simulation, state=State.SUCCEEDED)


def _chunks_of_answer(simulation: Simulation) -> int | None:
    """How many chunks the answer has, from the first on; None while it is not there."""
    if simulation.target is not None:
        sums, seats = legs.sums_in_order(simulation), simulation.seats
        if (found := stop_after(sums, target=simulation.target, seats=seats)) is not None:
            return found
    return None if any(True for _ in legs.missing(simulation)) else simulation.chunks_planned


def _hold(simulation: Simulation) -> list[Tally]:
    """Add whole chunks to the sum of the simulation, which no extension of it will change.

    With a target only those of the prefix: what lies beyond a gap may lie beyond the end as well.
    """
    rows = simulation.chunks.order_by("index").only("index", "rounds")
    if simulation.target is not None:
        rows = rows.filter(index__lt=whole_chunks_of(legs.sums_in_order(simulation)))
    whole = [chunk for chunk in rows.filter(tally__isnull=False) if chunk.is_whole]
    held = simulation.held_tallies
    if not whole:
        return held
    pks = [chunk.pk for chunk in whole]
    chosen = Chunk.objects.filter(pk__in=pks)
    total = Tally.total([*held, *tallies_of(chosen)])
    simulation.held = total.to_dict()
    simulation.save(update_fields=["held"])
    chosen.update(tally=None)
    return [total]
