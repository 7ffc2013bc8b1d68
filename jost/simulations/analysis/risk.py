"""Bankroll as a walk with drift: ruin, where it stands after so many rounds, and its spread.

A round's win is small beside the bankroll, so sums of rounds are taken as Brownian motion of the
same mean and variance; a player who is broke stops. Formulas and sources:
docs/simulations-figures.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import erfc, exp, inf, log, log1p, pi, sqrt

PERCENTILES = (1, 5, 25, 50, 75, 95, 99)
# Below this the distribution function is smaller than a float can be far from 0.
FAR_BELOW = -30.0
# How far above its mean a walk is looked for, in standard deviations.
FAR = 9.0
HALVINGS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """A bankroll of `start` units that wins `mean` a round, with `variance`."""

    start: float
    mean: float
    variance: float

    def ruin(self) -> float:
        """The chance to lose it all, however long it takes."""
        if self.mean <= 0:
            return 1.0
        return exp(-2 * self.mean * self.start / self.variance)

    def ruin_within(self, rounds: float) -> float:
        """The chance to lose it all within so many rounds."""
        if rounds <= 0:
            return 0.0
        spread = sqrt(self.variance * rounds)
        drift = self.mean * rounds
        straight = exp(log_normal((-self.start - drift) / spread))
        mirrored = self._tilt() + log_normal((-self.start + drift) / spread)
        return min(straight + exp(min(mirrored, 0.0)), 1.0)

    def above(self, units: float, *, rounds: float) -> float:
        """The chance not to be broke after so many rounds, and to have more than `units`."""
        if rounds <= 0:
            return 1.0 if units < self.start else 0.0
        spread = sqrt(self.variance * rounds)
        drift = self.mean * rounds
        straight = exp(log_normal((self.start + drift - units) / spread))
        mirrored = self._tilt() + log_normal((-self.start + drift - units) / spread)
        return max(straight - exp(min(mirrored, 0.0)), 0.0)

    def doubling(self) -> float:
        """The chance to win as much as there is before it is lost."""
        tilt = self._tilt()
        return 1 / (1 + exp(tilt)) if tilt < 700 else 0.0

    def percentile(self, percent: float, *, rounds: float) -> float:
        """What is not exceeded in so many of a hundred bankrolls; 0 is broke."""
        if rounds <= 0:
            return self.start
        share = 1 - percent / 100
        low = 0.0
        if self.above(low, rounds=rounds) <= share:
            return 0.0
        high = self.start + max(self.mean * rounds, 0.0) + FAR * sqrt(self.variance * rounds)
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            if self.above(middle, rounds=rounds) > share:
                low = middle
            else:
                high = middle
        return (low + high) / 2

    def fan(self, rounds: int, *, points: int) -> list[tuple[int, list[float]]]:
        """The PERCENTILES at so many times up to `rounds`, closer together at the start."""
        times = sorted({round(rounds * (step / points) ** 2) for step in range(points + 1)})
        return [
            (time, [self.percentile(percent, rounds=time) for percent in PERCENTILES])
            for time in times
        ]

    def _tilt(self) -> float:
        return -2 * self.mean * self.start / self.variance


def bankroll_for(risk: float, *, mean: float, variance: float) -> float | None:
    """The units with which the chance to ever lose them is `risk`; None without an edge."""
    if mean <= 0:
        return None
    return -log(risk) * variance / (2 * mean)


def certainty_equivalent(
    *, mean: float, variance: float, units: float, kelly: float = 1.0
) -> float:
    """The sure win per round that a player of this Kelly fraction would take instead."""
    return mean - variance / (2 * kelly * units)


def log_normal(at: float) -> float:
    """The logarithm of the standard normal distribution function, good far below the mean."""
    if at > FAR_BELOW:
        return log(0.5 * erfc(-at / sqrt(2)))
    square = at * at
    if square == inf:
        return -inf
    return -square / 2 - log(-at * sqrt(2 * pi)) + log1p(-1 / square + 3 / square**2)


def between(points: Sequence[float]) -> float:
    """The mean of a function from its values at evenly spaced places, by Simpson's rule."""
    inner = sum((4 if place % 2 else 2) * points[place] for place in range(1, len(points) - 1))
    return (points[0] + inner + points[-1]) / (3 * (len(points) - 1))
