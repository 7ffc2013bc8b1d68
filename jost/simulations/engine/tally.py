"""What chunks of rounds add up to: exact whole numbers first, estimates only at the very end."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import sqrt
from typing import Any, Self

# 97.5 % quantile of the normal distribution: half the width of a 95 % interval in standard errors.
Z_95 = 1.959963984540054

# Results are kept by the true count before the round; what lies beyond is kept at the ends.
MIN_COUNT, MAX_COUNT = -20, 20
BUCKETS = MAX_COUNT - MIN_COUNT + 1

# A spot's net payoff of a round: -17 to +16 half bets, then a blackjack that was paid (its price
# is a rule), without insurance and with one that was lost.
MIN_HALVES, MAX_HALVES = -17, 16
HALVES = MAX_HALVES - MIN_HALVES + 1
BLACKJACK, INSURED_BLACKJACK = HALVES, HALVES + 1
CELLS = HALVES + 2
# In tenths of the bet.
BET, HALF = 10, 5

# Counts of the whole run. The dealer's are by round, all others by the player's spots: `hands`
# after splits, `splits` each time a pair became two hands.
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
    "insured",
    "insurance_won",
)


def payoffs(blackjack_tenths: int) -> tuple[int, ...]:
    """What each cell is worth, in tenths of the bet."""
    halves = tuple(HALF * halves for halves in range(MIN_HALVES, MAX_HALVES + 1))
    return (*halves, blackjack_tenths, blackjack_tenths - HALF)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """The counts of some rounds of one game; adding tallies is exact, whatever the order.

    `cells` has CELLS numbers for each of BUCKETS true counts, the lowest count first: how many
    spots ended in that cell. `squares` has, for each count, the sum of squares of the payoff of
    whole rounds (all spots together), in tenths of the bet, squared.
    """

    blackjack_tenths: int = 15
    seats: int = 1
    cells: tuple[int, ...] = (0,) * (BUCKETS * CELLS)
    squares: tuple[int, ...] = (0,) * BUCKETS
    events: tuple[int, ...] = (0,) * len(EVENTS)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        cells = [0] * (BUCKETS * CELLS)
        squares = [0] * BUCKETS
        for count, row in values["counts"].items():
            bucket = int(count) - MIN_COUNT
            squares[bucket] = row["squares"]
            for cell, spots in row["cells"].items():
                cells[bucket * CELLS + int(cell)] = spots
        return cls(
            blackjack_tenths=values["blackjack_tenths"],
            seats=values["seats"],
            cells=tuple(cells),
            squares=tuple(squares),
            events=tuple(values["events"]),
        )

    def to_dict(self) -> dict[str, Any]:
        """For JSON; only what is not zero, in an order that never changes."""
        counts: dict[str, Any] = {}
        for row in self.by_count():
            cells = {str(cell): spots for cell, spots in enumerate(row.cells) if spots}
            counts[str(row.count)] = {"squares": row.squares, "cells": cells}
        return {
            "blackjack_tenths": self.blackjack_tenths,
            "seats": self.seats,
            "counts": counts,
            "events": list(self.events),
        }

    @classmethod
    def total(cls, tallies: Iterable["Tally"]) -> "Tally":
        """The sum; that of none is an empty tally."""
        rest = iter(tallies)
        first = next(rest, None)
        if first is None:
            return cls()
        cells, squares, events = list(first.cells), list(first.squares), list(first.events)
        for tally in rest:
            if (tally.blackjack_tenths, tally.seats) != (first.blackjack_tenths, first.seats):
                raise ValueError("Tallies of different games cannot be added up.")
            cells = [a + b for a, b in zip(cells, tally.cells, strict=True)]
            squares = [a + b for a, b in zip(squares, tally.squares, strict=True)]
            events = [a + b for a, b in zip(events, tally.events, strict=True)]
        return cls(
            blackjack_tenths=first.blackjack_tenths,
            seats=first.seats,
            cells=tuple(cells),
            squares=tuple(squares),
            events=tuple(events),
        )

    def by_count(self) -> Iterator["CountRow"]:
        """A row for each true count that came up, the lowest first."""
        for bucket in range(BUCKETS):
            cells = self.cells[bucket * CELLS : (bucket + 1) * CELLS]
            if any(cells):
                yield CountRow(
                    count=bucket + MIN_COUNT,
                    seats=self.seats,
                    blackjack_tenths=self.blackjack_tenths,
                    cells=cells,
                    squares=self.squares[bucket],
                )

    def whole(self) -> "CountRow":
        """All counts together, as a row of its own with count 0."""
        columns = tuple(sum(self.cells[cell::CELLS]) for cell in range(CELLS))
        return CountRow(
            count=0,
            seats=self.seats,
            blackjack_tenths=self.blackjack_tenths,
            cells=columns,
            squares=sum(self.squares),
        )

    def event(self, name: str) -> int:
        return self.events[EVENTS.index(name)]

    @property
    def rounds(self) -> int:
        return sum(self.cells) // self.seats

    def estimate(self) -> "Estimate | None":
        """The estimate from these rounds; None before there are two."""
        return self.whole().estimate()


@dataclass(frozen=True, slots=True, kw_only=True)
class CountRow:
    """The rounds that began at one true count."""

    count: int
    seats: int
    blackjack_tenths: int
    cells: tuple[int, ...]
    squares: int

    @property
    def rounds(self) -> int:
        return sum(self.cells) // self.seats

    @property
    def payoff_sum(self) -> int:
        """Of all spots of all rounds, in tenths of the bet."""
        values = payoffs(self.blackjack_tenths)
        return sum(value * spots for value, spots in zip(values, self.cells, strict=True))

    @property
    def spot_squares(self) -> int:
        """The sum of squares of the payoff of each spot, in tenths of the bet, squared."""
        values = payoffs(self.blackjack_tenths)
        return sum(value * value * spots for value, spots in zip(values, self.cells, strict=True))

    def estimate(self) -> "Estimate | None":
        """None before there are two rounds."""
        return Estimate.of(
            rounds=self.rounds,
            seats=self.seats,
            payoff_sum=self.payoff_sum,
            squares=self.squares,
            spot_squares=self.spot_squares,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """Mean and spread of the payoff of one spot in one round, in units of its bet.

    With several seats `sd` is that of one spot, while the standard error counts rounds, in which
    the spots share the dealer's hand; `covariance` is that of two spots of a round, None for one.
    """

    rounds: int
    ev: float
    sd: float
    standard_error: float
    covariance: float | None

    @classmethod
    def of(
        cls, *, rounds: int, seats: int, payoff_sum: int, squares: int, spot_squares: int
    ) -> "Estimate | None":
        """Divide last and once: equal sums give equal bits on every machine."""
        if rounds < 2:
            return None
        spots = rounds * seats
        spread = spots * spot_squares - payoff_sum * payoff_sum
        variance = spread / (BET * BET * spots * (spots - 1))
        of_rounds = (rounds * squares - payoff_sum * payoff_sum) / (
            BET * BET * rounds * (rounds - 1)
        )
        covariance = None
        if seats > 1:
            covariance = (of_rounds - seats * variance) / (seats * (seats - 1))
        return cls(
            rounds=rounds,
            ev=payoff_sum / (BET * spots),
            sd=sqrt(variance),
            standard_error=sqrt(of_rounds / rounds) / seats,
            covariance=covariance,
        )

    @property
    def reach(self) -> float:
        """How far the ends of the 95 % confidence interval are from `ev`."""
        return Z_95 * self.standard_error

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % confidence interval of `ev`."""
        return self.ev - self.reach, self.ev + self.reach
