"""How far a simulation is and what it estimates so far; read by pages, REST and command line."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Sum
from django.utils import timezone

from .engine import Rules, Tally
from .engine.tally import Estimate
from .models import Chunk, Simulation

# More points than a plot has pixels for would only make the answer slow.
MOST_POINTS = 150

# One point of the convergence plot: rounds so far, estimate, ends of its 95 % interval.
Point = tuple[int, float, float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """A snapshot; `estimate` is None before there is anything to estimate from."""

    chunks_done: int
    chunks: int
    tally: Tally
    rounds: int
    seconds: float | None
    points: list[Point]

    @property
    def fraction(self) -> float:
        return self.tally.rounds / self.rounds

    @property
    def estimate(self) -> Estimate | None:
        return self.tally.estimate()

    @property
    def rounds_per_second(self) -> float | None:
        return self.tally.rounds / self.seconds if self.seconds else None


def progress_of(simulation: Simulation) -> Progress:
    """Add up what has been counted, in the order of the chunks."""
    rows = list(simulation.chunks.order_by("index").values_list("created_at", "tally"))
    tallies = [Tally.from_dict(values) for _, values in rows]
    last_counted = max((created_at for created_at, _ in rows), default=None)
    return Progress(
        chunks_done=len(rows),
        chunks=simulation.plan.chunks,
        tally=Tally.total(tallies),
        rounds=simulation.rounds,
        seconds=_seconds(simulation, last_counted=last_counted),
        points=_points(tallies),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """One line of the list."""

    simulation: Simulation
    rounds_done: int
    estimate: Estimate | None

    @property
    def fraction(self) -> float:
        return self.rounds_done / self.simulation.rounds


def summaries_of(simulations: Sequence[Simulation]) -> list[Summary]:
    """The lines of a list, with one query for all whose chunks are not added up yet."""
    unfinished = [simulation.pk for simulation in simulations if simulation.tally is None]
    counted = {
        row["simulation"]: row
        for row in Chunk.objects.filter(simulation__in=unfinished)
        .values("simulation")
        .annotate(rounds_done=Sum("rounds"), sums=Sum("payoff_sum"), squares=Sum("payoff_squares"))
    }
    return [_summary(simulation, row=counted.get(simulation.pk)) for simulation in simulations]


def _summary(simulation: Simulation, *, row: Mapping[str, Any] | None) -> Summary:
    if simulation.tally is not None:
        tally = Tally.from_dict(simulation.tally)
        rounds, estimate = tally.rounds, tally.estimate()
    elif row is None:
        rounds, estimate = 0, None
    else:
        rounds = int(row["rounds_done"])
        estimate = Estimate.of(
            rounds=rounds, payoff_sum=int(row["sums"]), payoff_squares=int(row["squares"])
        )
    return Summary(simulation=simulation, rounds_done=rounds, estimate=estimate)


def report(rules: Rules, *, seed: int, chunk_size: int, tally: Tally) -> dict[str, Any]:
    """The answer of a simulation: the same object whichever way it was computed."""
    return {
        **estimate_of(tally),
        "rounds": tally.rounds,
        "seed": seed,
        "chunk_size": chunk_size,
        "rules": rules.to_dict(),
        "frequencies": tally.frequencies(),
    }


def estimate_of(tally: Tally) -> dict[str, Any]:
    """The estimate by name, None for what cannot be said yet."""
    estimate = tally.estimate()
    if estimate is None:
        return dict.fromkeys(("ev", "ev_standard_error", "ev_95", "sd"))
    return {
        "ev": estimate.ev,
        "ev_standard_error": estimate.standard_error,
        "ev_95": list(estimate.interval),
        "sd": estimate.sd,
    }


def _seconds(simulation: Simulation, *, last_counted: datetime | None) -> float | None:
    """How long it has run; until its last chunk once it is over."""
    if simulation.started_at is None:
        return None
    until = timezone.now() if simulation.is_active else last_counted or simulation.started_at
    return max((until - simulation.started_at).total_seconds(), 0.001)


def _points(tallies: Iterable[Tally]) -> list[Point]:
    rounds = payoff_sum = payoff_squares = 0
    points: list[Point] = []
    for tally in tallies:
        rounds += tally.rounds
        payoff_sum += tally.payoff_sum
        payoff_squares += tally.payoff_squares
        estimate = Estimate.of(rounds=rounds, payoff_sum=payoff_sum, payoff_squares=payoff_squares)
        if estimate is not None:
            points.append((rounds, estimate.ev, *estimate.interval))
    step = -(-len(points) // MOST_POINTS) or 1
    # Counted from the end: the newest point is always there.
    return points[::-1][::step][::-1]
