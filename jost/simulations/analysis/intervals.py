"""A figure and the ends of its 95 % confidence interval; how intervals are made from counts."""

from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt
from typing import Self

from jost.simulations.engine.tally import Z_95


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """What is estimated, between the ends of its 95 % interval; None where there is no bound."""

    value: float | None
    low: float | None
    high: float | None

    @classmethod
    def around(cls, value: float, *, standard_error: float) -> Self:
        """The normal interval, of the same length on both sides."""
        reach = Z_95 * standard_error
        return cls(value=value, low=value - reach, high=value + reach)

    def times(self, factor: float) -> "Figure":
        return self.through(lambda value: value * factor)

    def through(self, of: Callable[[float], float | None], *, falls: bool = False) -> "Figure":
        """The figure of a function of this one that never falls; or, with `falls`, never rises."""
        value, low, high = (
            None if at is None else of(at) for at in (self.value, self.low, self.high)
        )
        return (
            Figure(value=value, low=high, high=low)
            if falls
            else Figure(value=value, low=low, high=high)
        )

    def to_dict(self) -> dict[str, float | None]:
        return {"value": self.value, "low": self.low, "high": self.high}


def share(part: int, *, of: int, observations: float | None = None) -> Figure:
    """The share `part` of `of`, with Wilson's interval, which holds for rare things too.

    `observations` is how many of them were independent of each other, if not all.
    """
    value = part / of
    n = of if observations is None else min(observations, of)
    z2 = Z_95 * Z_95
    centre = (value + z2 / (2 * n)) / (1 + z2 / n)
    reach = Z_95 * sqrt(value * (1 - value) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    # At the ends of the scale rounding must not cut the value itself off.
    return Figure(
        value=value,
        low=min(max(centre - reach, 0.0), value),
        high=max(min(centre + reach, 1.0), value),
    )


def rate(total: int, *, of: int, most: float, observations: int | None = None) -> Figure:
    """How many of something come on one of `of`, when one has `most` of them at most.

    Only the total is known, so the interval has the widest spread that is possible: all or none.
    """
    value = total / of
    n = of if observations is None else observations
    spread = max(value * (most - value), 0.0)
    figure = Figure.around(value, standard_error=sqrt(spread / n))
    low = figure.low
    return Figure(value=value, low=None if low is None else max(low, 0.0), high=figure.high)
