"""Results by true count: how often each comes, what it is worth, and the slope of the edge."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

from jost.simulations.engine.rules import Rules
from jost.simulations.engine.tally import MAX_COUNT, MIN_COUNT, Estimate, Tally

from .intervals import Figure, share

# Cards that a spot and the dealer use in a round, about.
CARDS_PER_HAND = 2.7


@dataclass(frozen=True, slots=True, kw_only=True)
class CountResult:
    """The rounds that began at one true count; `estimate` is None where there are too few."""

    true_count: int
    rounds: int
    share: Figure
    estimate: Estimate | None


def by_true_count(tally: Tally, *, rules: Rules) -> list[CountResult]:
    """A row for each true count that came up, the lowest first.

    Rounds of one shoe have counts near each other: for the intervals of the shares a whole shoe
    counts as one observation, which is the worst that can be.
    """
    rounds = tally.rounds
    shoes = rounds / rounds_per_shoe(rules)
    return [
        CountResult(
            true_count=row.count,
            rounds=row.rounds,
            share=share(row.rounds, of=rounds, observations=max(shoes, 1.0)),
            estimate=row.estimate(),
        )
        for row in tally.by_count()
    ]


def rounds_per_shoe(rules: Rules) -> float:
    """How many rounds a shoe has, about; exactly where the rules say it."""
    if rules.dealing.rounds_per_shoe is not None:
        return rules.dealing.rounds_per_shoe
    dealt = rules.cards * (rules.dealing.penetration or 0.0)
    return max(dealt / (CARDS_PER_HAND * (rules.spots + 1)), 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Slope:
    """The straight line through the edges by true count, each with the weight of its rounds."""

    per_count: Figure
    at_zero: Figure


def edge_slope(results: Sequence[CountResult]) -> Slope | None:
    """Fit the line; None with less than two true counts.

    The ends of the scale are left out: what is kept there began at that count or beyond it.
    """
    points = [
        (result.true_count, result.estimate)
        for result in results
        if result.estimate is not None and MIN_COUNT < result.true_count < MAX_COUNT
    ]
    weight = sum(estimate.rounds for _, estimate in points)
    if len(points) < 2:
        return None
    # One spread for all: that of a count with three rounds says nothing.
    pooled = sum(estimate.rounds**2 * estimate.standard_error**2 for _, estimate in points)
    variance = pooled / weight
    mean = sum(count * estimate.rounds for count, estimate in points) / weight
    edge = sum(estimate.ev * estimate.rounds for _, estimate in points) / weight
    across = sum(estimate.rounds * (count - mean) ** 2 for count, estimate in points)
    slope = (
        sum(estimate.rounds * (count - mean) * (estimate.ev - edge) for count, estimate in points)
        / across
    )
    return Slope(
        per_count=Figure.around(slope, standard_error=sqrt(variance / across)),
        at_zero=Figure.around(
            edge - slope * mean,
            standard_error=sqrt(variance * (1 / weight + mean * mean / across)),
        ),
    )
