"""What chunks of rounds add up to: exact whole numbers first, estimates only at the very end."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any, Self

from . import kernel

# 97.5 % quantile of the normal distribution: half the width of a 95 % interval in standard errors.
Z_95 = 1.959963984540054

EVENTS = (
    "dealer_17",
    "dealer_18",
    "dealer_19",
    "dealer_20",
    "dealer_21",
    "dealer_busts",
    "dealer_blackjacks",
    "dealer_idle",
    "hands",
    "blackjacks",
    "surrenders",
    "doubles",
    "splits",
    "busts",
)


@dataclass(frozen=True, slots=True)
class Tally:
    """The counts of some rounds; adding tallies is exact, whatever the order.

    `payoffs` counts rounds by net payoff in half bets, -16 first; `events` follows `EVENTS`.
    """

    payoffs: tuple[int, ...] = (0,) * kernel.PAYOFFS
    events: tuple[int, ...] = (0,) * len(EVENTS)

    @classmethod
    def from_counts(cls, counts: Iterable[int]) -> Self:
        values = [int(count) for count in counts]
        return cls(tuple(values[: kernel.PAYOFFS]), tuple(values[kernel.PAYOFFS :]))

    @classmethod
    def from_dict(cls, values: Mapping[str, Sequence[int]]) -> Self:
        return cls(tuple(values["payoffs"]), tuple(values["events"]))

    @classmethod
    def total(cls, tallies: Iterable["Tally"]) -> Self:
        payoffs = [0] * kernel.PAYOFFS
        events = [0] * len(EVENTS)
        for tally in tallies:
            payoffs = [a + b for a, b in zip(payoffs, tally.payoffs, strict=True)]
            events = [a + b for a, b in zip(events, tally.events, strict=True)]
        return cls(tuple(payoffs), tuple(events))

    def to_dict(self) -> dict[str, list[int]]:
        return {"payoffs": list(self.payoffs), "events": list(self.events)}

    def event(self, name: str) -> int:
        return self.events[EVENTS.index(name)]

    @property
    def rounds(self) -> int:
        return sum(self.payoffs)

    @property
    def payoff_sum(self) -> int:
        """The net payoff of all rounds, in half bets."""
        return sum(net * count for net, count in self._by_net())

    @property
    def payoff_squares(self) -> int:
        """The sum of the squared payoffs of all rounds, in quarter bets squared."""
        return sum(net * net * count for net, count in self._by_net())

    @property
    def won(self) -> int:
        return sum(self.payoffs[kernel.EVEN + 1 :])

    @property
    def lost(self) -> int:
        return sum(self.payoffs[: kernel.EVEN])

    @property
    def pushed(self) -> int:
        return self.payoffs[kernel.EVEN]

    def estimate(self) -> "Estimate | None":
        """The estimate from these rounds; None before there are two."""
        return Estimate.of(
            rounds=self.rounds, payoff_sum=self.payoff_sum, payoff_squares=self.payoff_squares
        )

    def frequencies(self) -> dict[str, float]:
        """Shares of all rounds by outcome; an empty tally has none."""
        rounds = self.rounds
        if not rounds:
            return {}
        counts: dict[str, Any] = {"won": self.won, "pushed": self.pushed, "lost": self.lost}
        counts |= {name: self.event(name) for name in EVENTS}
        return {name: count / rounds for name, count in counts.items()}

    def _by_net(self) -> Iterable[tuple[int, int]]:
        return ((place - kernel.EVEN, count) for place, count in enumerate(self.payoffs))


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """Mean and spread of the payoff of one round, in units of the bet."""

    rounds: int
    ev: float
    sd: float

    @classmethod
    def of(cls, *, rounds: int, payoff_sum: int, payoff_squares: int) -> "Estimate | None":
        """Divide last and once: equal sums give equal bits on every machine."""
        if rounds < 2:
            return None
        spread = rounds * payoff_squares - payoff_sum * payoff_sum
        variance = spread / (4 * rounds * (rounds - 1))
        return cls(rounds=rounds, ev=payoff_sum / (2 * rounds), sd=sqrt(variance))

    @property
    def standard_error(self) -> float:
        return self.sd / sqrt(self.rounds)

    @property
    def reach(self) -> float:
        """How far the ends of the 95 % confidence interval are from `ev`."""
        return Z_95 * self.standard_error

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % confidence interval of `ev`."""
        return self.ev - self.reach, self.ev + self.reach
