"""The jobs of a simulation: a leg is one batch of jobs, one for each chunk that is missing when it begins.

Each function wants the simulation's row locked, in the transaction that decides what its jobs are for.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

from django.utils import timezone

import holdfast
from holdfast.exceptions import BatchNotFound

from .engine import rounds_in
from .models import SUMS, Simulation
from .prefix import Sums, stop_after

# The first chunks of every simulation come before the far chunks of another: of 10^7 rounds all, of 10^8 almost all.
EARLY, MIDDLE = 96, 192
END_PRIORITY, EARLY_PRIORITY, MIDDLE_PRIORITY, FAR_PRIORITY = 9, 6, 3, 0


def begin(simulation: Simulation) -> None:
    """Send a job for each chunk that is missing, in their order; what waits of an earlier leg is taken back."""
    from . import tasks  # they import what imports this module

    take_back(simulation)
    simulation.leg += 1
    key, leg = str(simulation.pk), simulation.leg
    batch = holdfast.Batch(
        name=f"simulation {key}, leg {leg}",
        on_complete=tasks.end_leg.s(key, leg).set(priority=END_PRIORITY),
        on_failure=tasks.fail_leg.s(key, leg).set(priority=END_PRIORITY),
    )
    simulation.batch_id = batch.id
    if not simulation.is_active:
        simulation.state = Simulation.State.QUEUED
    simulation.reason, simulation.finished_at = "", None
    simulation.save()
    with batch:
        for priority, indices in groupby(missing(simulation), key=priority_of):
            calls = [(key, index) for index in indices]
            tasks.run_chunk.apply_many(calls, priority=priority)


def priority_of(index: int) -> int:
    if index < EARLY:
        return EARLY_PRIORITY
    return MIDDLE_PRIORITY if index < MIDDLE else FAR_PRIORITY


def missing(simulation: Simulation) -> Iterator[int]:
    """The chunks that have not been counted, or not with as many rounds as they have by now."""
    counted = dict(simulation.chunks.values_list("index", "rounds"))
    for index in range(simulation.chunks_planned):
        if counted.get(index, 0) < rounds_in(index, rounds=simulation.rounds):
            yield index


def take_back(simulation: Simulation, *, terminate: bool = False) -> None:
    """Cancel the jobs of the leg that have not begun, with `terminate` those that run too."""
    if not simulation.batch_id:
        return
    try:
        batch = holdfast.Batch.get(simulation.batch_id)
    except BatchNotFound:
        # It ended long ago, and was deleted after its retention.
        return
    batch.cancel(terminate=terminate, only_waiting=not terminate)


def stop(simulation: Simulation, *, state: Simulation.State, reason: str = "") -> None:
    """Move a simulation to a state in which nothing of it runs, and stop its clock."""
    now = timezone.now()
    if simulation.active_since is not None:
        simulation.seconds_before += (now - simulation.active_since).total_seconds()
        simulation.active_since = None
    simulation.state, simulation.reason = state, reason
    simulation.finished_at = None if state == Simulation.State.PAUSED else now
    simulation.save()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What has become of the jobs of a leg: the error of one that failed, and of one that is dead; else empty."""

    error: str = ""
    death: str = ""
    succeeded: int = 0

    @property
    def is_worth_another(self) -> bool:
        """Whether only workers died, and some chunks were counted all the same."""
        return not self.error and bool(self.death) and self.succeeded > 0


def outcome_of(batch_id: str) -> Outcome:
    try:
        batch = holdfast.Batch.get(batch_id)
    except BatchNotFound:
        return Outcome()
    return Outcome(
        error=next((f"{job.result}" for job in batch.members("failed")), ""),
        death=next((f"{job.result}" for job in batch.members("dead")), ""),
        succeeded=batch.progress().succeeded,
    )


def sums_in_order(simulation: Simulation) -> Iterable[tuple[int, Sums]]:
    """The index and the sums of each counted chunk, the first one first."""
    rows = simulation.chunks.order_by("index").values_list("index", *SUMS)
    return ((index, Sums(*values)) for index, *values in rows)


def has_reached_target(simulation: Simulation) -> bool:
    """Whether some prefix of its whole chunks is reason enough to end."""
    if simulation.target is None:
        return False
    sums, seats = sums_in_order(simulation), simulation.seats
    found = stop_after(sums, target=simulation.target, seats=seats)
    return found is not None
