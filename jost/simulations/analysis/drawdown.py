"""How far a bankroll falls below its highest point at worst, within so many rounds.

The distance below the highest point is a walk that is reflected at 0. The chance that it stays
under a bound is a series of decaying modes, one for each root of tan x = x / (slope * bound).
"""

from collections.abc import Callable
from functools import lru_cache
from math import cos, cosh, erfc, exp, pi, sin, sinh, sqrt, tanh

from .intervals import Figure
from .risk import between

PERCENTILES = (50, 75, 95, 99)
# Modes that are this far down are not seen in a float.
DECAYED = 45.0
HALVINGS = 50
# A walk that falls faster is at its worst at the end, give or take a little; the modes would
# cancel each other to nothing.
STEEP = -3.5
STEPS = 64
TAIL = 1e-5


def drawdown(drift: Figure, *, sd: float, rounds: int) -> tuple[Figure, dict[int, Figure]]:
    """The mean of the worst fall and its PERCENTILES, in units, with the ends of drift's interval.

    `drift` is the win per round in standard deviations. Money that runs out is borrowed here: a
    fall of more than the bankroll is a ruin.
    """
    scale = sd * sqrt(rounds)

    def at(place: int) -> Figure:
        return drift.through(
            lambda value: scale * _profile(round(value * sqrt(rounds), 9))[place], falls=True
        )

    return at(0), {percent: at(1 + place) for place, percent in enumerate(PERCENTILES)}


@lru_cache(maxsize=64)
def _profile(slope: float) -> tuple[float, ...]:
    """Mean and percentiles of the worst fall of a walk of length 1, variance 1 and this slope."""
    top = 1.0
    while survival(top, slope=slope) < 1 - TAIL:
        top *= 1.5
    while survival(top / 1.5, slope=slope) >= 1 - TAIL:
        top /= 1.5
    bounds = [top * step / STEPS for step in range(STEPS + 1)]
    mean = top * between([1 - survival(bound, slope=slope) for bound in bounds])
    return mean, *(_percentile(percent / 100, slope=slope, top=top) for percent in PERCENTILES)


def survival(bound: float, *, slope: float) -> float:
    """The chance that such a walk never falls `bound` below its highest point."""
    if bound <= 0:
        return 0.0
    if slope < STEEP:
        return _normal_survival(bound, slope=slope)
    reach = slope * bound
    # Where a mode changes its kind both formulas divide by 0.
    if abs(reach - 1) < 1e-6:
        reach, slope = 1 + 1e-6, (1 + 1e-6) / bound
    if abs(reach) < 1e-9:
        reach = 1e-9
    total = _slow_mode(reach, slope=slope) if reach > 1 else 0.0
    number = 0 if reach < 1 else 1
    while True:
        root = _root(reach, number=number)
        decay = (reach * reach + root * root) / (2 * bound * bound)
        if decay > DECAYED + abs(reach):
            break
        total += _mode(reach, root=root) * exp(-reach - decay)
        number += 1
    return min(max(total, 0.0), 1.0)


def _mode(reach: float, *, root: float) -> float:
    return root * sin(root) / ((reach * reach + root * root) * (0.5 - sin(2 * root) / (4 * root)))


def _slow_mode(reach: float, *, slope: float) -> float:
    """The mode that decays slowest where the walk rises: its root is imaginary."""
    root = _zero(lambda x: x - reach * tanh(x), low=1e-9, high=reach)
    if root > 300:
        return 1.0
    weight = 2 * (root / reach) ** 2 * exp(-reach) * cosh(root)
    weight /= 1 - 2 * root / sinh(2 * root)
    return weight * exp(-((slope / cosh(root)) ** 2) / 2)


def _root(reach: float, *, number: int) -> float:
    """Root `number` of tan x = x / reach: in the first or the second half of each half turn."""
    low = number * pi if reach > 0 else number * pi + pi / 2
    sign = 1 if number % 2 == 0 else -1
    return _zero(lambda x: sign * (reach * sin(x) - x * cos(x)), low=low or 1e-9, high=low + pi / 2)


def _zero(of: Callable[[float], float], *, low: float, high: float) -> float:
    """Where a function that is below 0 at `low` and above at `high` crosses it."""
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        if of(middle) < 0:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _normal_survival(bound: float, *, slope: float) -> float:
    """On a steep way down: the loss, and at both ends what chance adds to it, as a normal law."""
    mean = -slope - 1 / slope
    sd = sqrt(1 - 1.5 / slope**2)
    return 0.5 * erfc((mean - bound) / sd / sqrt(2))


def _percentile(share: float, *, slope: float, top: float) -> float:
    return _zero(lambda bound: survival(bound, slope=slope) - share, low=0.0, high=top)
