"""How far a simulation is and what it estimates so far; read by pages, REST and command line."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Any

from django.db.models import BooleanField, Case, Count, Sum, Value, When
from django.utils import timezone

from .engine import Tally
from .engine.tally import Estimate
from .models import SUMS, Chunk, Simulation, tallies_of
from .prefix import Point, Sums, points, rounds_expected

# Chunks with a tally of their own that one look adds up; there are more only behind a gap in the prefix.
MOST_LOOSE = 64
# Looks that may fall into the moment in which a worker adds chunks to the simulation's sum.
LOOKS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """A snapshot; `estimate` is None before there is anything to estimate from.

    `points` are those of the prefix, the chunks before the first that is missing; everything else is of all that has
    been counted.
    """

    chunks_done: int
    chunks: int
    tally: Tally
    rounds_done: int
    rounds: int
    rounds_expected: float
    estimate: Estimate | None
    seconds: float | None
    points: list[Point]

    @property
    def fraction(self) -> float:
        """Of the rounds after which it is expected to end: of all, or where it will meet its target."""
        return self.rounds_done / self.rounds_expected

    @property
    def rounds_per_second(self) -> float | None:
        return self.rounds_done / self.seconds if self.seconds else None

    @property
    def seconds_left(self) -> float | None:
        """At the speed so far; None before anything has been counted."""
        speed = self.rounds_per_second
        return (self.rounds_expected - self.rounds_done) / speed if speed else None


def progress_of(simulation: Simulation) -> Progress:
    """Add up what has been counted; costs the same for a long simulation as for a short one, but for its points."""
    chunks, tally = _counted(simulation)
    total = reduce(add, (sums for _, sums in chunks), Sums())
    estimate = total.estimate(seats=simulation.seats)
    return Progress(
        chunks_done=len(chunks),
        chunks=simulation.chunks_planned,
        tally=tally,
        rounds_done=total.rounds,
        rounds=simulation.rounds,
        rounds_expected=_expected(simulation, sums=total),
        estimate=estimate,
        seconds=_seconds(simulation),
        points=points(chunks, seats=simulation.seats),
    )


def _counted(simulation: Simulation) -> tuple[list[tuple[int, Sums]], Tally]:
    """The sums of each chunk in order, and one tally of all."""
    for _ in range(LOOKS):
        chunks, held_rounds, loose = _look(simulation)
        now = Simulation.objects.only("state", *Simulation.HEAVY).get(pk=simulation.pk)
        if now.state == Simulation.State.SUCCEEDED and now.tally is not None:
            return chunks, Tally.from_dict(now.tally)
        held = now.held_tallies
        if sum(tally.rounds for tally in held) == held_rounds:
            break
    return chunks, Tally.total([*held, *loose])


def _look(simulation: Simulation) -> tuple[list[tuple[int, Sums]], int, list[Tally]]:
    is_held = Case(
        When(tally__isnull=True, then=Value(value=True)),
        default=Value(value=False),
        output_field=BooleanField(),
    )
    ordered = simulation.chunks.order_by("index")
    rows = list(ordered.annotate(is_held=is_held).values_list("index", "is_held", *SUMS))
    chunks = [(index, Sums(*sums)) for index, _, *sums in rows]
    held_rounds = sum(row[2] for row in rows if row[1])
    loose = [row[0] for row in rows if not row[1]][:MOST_LOOSE]
    return chunks, held_rounds, tallies_of(simulation.chunks.filter(index__in=loose))


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """One line of a list."""

    simulation: Simulation
    rounds_done: int
    rounds_expected: float
    chunks_done: int
    estimate: Estimate | None

    @property
    def fraction(self) -> float:
        return self.rounds_done / self.rounds_expected


def summaries_of(simulations: Sequence[Simulation]) -> list[Summary]:
    """The lines of a list, with one query for all."""
    rows = (
        Chunk.objects.filter(simulation__in=[simulation.pk for simulation in simulations])
        .order_by()
        .values("simulation")
        .annotate(chunks_done=Count("pk"), **{f"all_{name}": Sum(name) for name in SUMS})
    )
    counted = {row["simulation"]: row for row in rows}
    return [_summary(each, row=counted.get(each.pk)) for each in simulations]


def _summary(simulation: Simulation, *, row: Mapping[str, Any] | None) -> Summary:
    sums = Sums() if row is None else Sums(*(int(row[f"all_{name}"]) for name in SUMS))
    return Summary(
        simulation=simulation,
        rounds_done=sums.rounds,
        rounds_expected=_expected(simulation, sums=sums),
        chunks_done=0 if row is None else row["chunks_done"],
        estimate=sums.estimate(seats=simulation.seats),
    )


def _expected(simulation: Simulation, *, sums: Sums) -> float:
    return rounds_expected(
        simulation.rounds,
        target=None if simulation.is_over else simulation.target,
        estimate=sums.estimate(seats=simulation.seats),
        done=sums.rounds,
    )


def _seconds(simulation: Simulation) -> float | None:
    """How long it has run, without what lay between its legs."""
    if simulation.started_at is None:
        return None
    since = simulation.active_since
    now = (timezone.now() - since).total_seconds() if since is not None else 0.0
    return max(simulation.seconds_before + now, 0.001)
