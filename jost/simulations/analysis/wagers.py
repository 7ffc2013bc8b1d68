"""Bets put on a finished tally: what they win, how it spreads, and the figures made of the two.

A round's payoff per unit bet depends on the true count alone, so each count's sums are weighted by
what is bet there. All figures are in units and by rounds dealt, whether this player is in or not.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt

from jost.simulations.betting import Bankroll, Bets
from jost.simulations.engine.tally import BET, CountRow, Tally, payoffs

from .intervals import Figure

# Kelly looks at the edge of at least so many rounds: rarer counts are taken with their neighbours.
ROUNDS_FOR_AN_EDGE = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """What the rounds of one true count add up to, in units of the bet: powers of their payoffs."""

    true_count: int
    seats: int
    rounds: int
    first: float
    second: float
    # For several spots what it would be if all spots of a round ended alike, which is the most.
    fourth: float

    @classmethod
    def of(cls, row: CountRow) -> "Sums":
        values = payoffs(row.blackjack_tenths)
        fourths = sum(value**4 * spots for value, spots in zip(values, row.cells, strict=True))
        return cls(
            true_count=row.count,
            seats=row.seats,
            rounds=row.rounds,
            first=row.payoff_sum / BET,
            second=row.squares / BET**2,
            fourth=row.seats**3 * fourths / BET**4,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Stake:
    """What lies on each spot at one true count, in units, and in what share of its rounds."""

    sums: Sums
    units: float
    played: float
    edge: float
    variance: float

    @property
    def weight(self) -> float:
        """How many rounds are played at it."""
        return self.sums.rounds * self.played

    @property
    def kelly(self) -> float:
        """The share of the bankroll that full Kelly has on each spot; none without an edge."""
        return max(self.edge, 0.0) / self.variance if self.variance else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Returns:
    """What the bets give per round dealt: mean and variance in units, and how sure they are."""

    rounds: int
    win: Figure
    variance: float
    # The fourth moment about the mean by the variance squared, or more.
    kurtosis: float
    # The initial bets of all spots.
    bet: float
    played: float
    per_unit: Figure

    @property
    def sd(self) -> Figure:
        error = self.variance * sqrt(max(self.kurtosis - 1, 0.0) / self.rounds)
        of_variance = Figure.around(self.variance, standard_error=error)
        return of_variance.through(lambda variance: sqrt(max(variance, 0.0)))

    @property
    def drift(self) -> Figure:
        """The win in standard deviations: what SCORE, N0 and every risk depend on.

        The interval is wide enough for whatever error the standard deviation has with the win's.
        """
        sd = sqrt(self.variance)
        value = (self.win.value or 0.0) / sd
        widened = 1 + abs(value) * sqrt(max(self.kurtosis - 1, 0.0))
        return Figure.around(value, standard_error=widened / sqrt(self.rounds))

    @property
    def desirability(self) -> Figure:
        """The desirability index: the win of a thousand rounds' worth of risk."""
        return self.drift.times(1_000)

    @property
    def score(self) -> Figure:
        """SCORE of these bets: its square, none without an edge."""
        return self.drift.through(lambda drift: (1_000 * max(drift, 0.0)) ** 2)

    @property
    def n0(self) -> Figure:
        """The rounds after which the win is one standard deviation; none without an edge."""
        return self.drift.through(lambda drift: 1 / drift**2 if drift > 0 else None, falls=True)


def stakes_of(
    bets: Bets, *, tally: Tally, bankroll: Bankroll | None, played: Mapping[int, float]
) -> list[Stake]:
    """What is bet at each true count that came up.

    `played` has the share of rounds that a player who wongs is in, by count; 1 where it has none.
    """
    stakes = []
    for sums, (edge, variance) in _edges([Sums.of(row) for row in tally.by_count()]):
        if bets.kelly is not None and bankroll is not None:
            units = bets.kelly_at(edge=edge, variance=variance, bankroll=bankroll.units)
        else:
            units = bets.ramp_at(sums.true_count)
        share = played.get(sums.true_count, 1.0) if units else 0.0
        stakes.append(Stake(sums=sums, units=units, played=share, edge=edge, variance=variance))
    return stakes


def returns_of(stakes: Sequence[Stake]) -> Returns | None:
    """What the stakes give; None with less than two rounds, or where nothing is ever at stake."""
    rounds = sum(stake.sums.rounds for stake in stakes)
    if rounds < 2:
        return None
    mean = sum(stake.played * stake.units * stake.sums.first for stake in stakes) / rounds
    second = sum(stake.played * stake.units**2 * stake.sums.second for stake in stakes) / rounds
    fourth = sum(stake.played * stake.units**4 * stake.sums.fourth for stake in stakes) / rounds
    variance = (second - mean * mean) * rounds / (rounds - 1)
    if variance <= 0:
        return None
    # The third moment is not kept for several spots: Cauchy and Schwarz bound what it adds.
    about = fourth + 4 * abs(mean) * sqrt(second * fourth) + 6 * mean * mean * second
    bet = sum(stake.weight * stake.units * stake.sums.seats for stake in stakes) / rounds
    return Returns(
        rounds=rounds,
        win=Figure.around(mean, standard_error=sqrt(variance / rounds)),
        variance=variance,
        kurtosis=about / variance**2,
        bet=bet,
        played=sum(stake.weight for stake in stakes) / rounds,
        per_unit=_per_unit(stakes, mean=mean, bet=bet, rounds=rounds),
    )


def _per_unit(stakes: Sequence[Stake], *, mean: float, bet: float, rounds: int) -> Figure:
    """The win by the initial bets: a ratio, whose error is that of win less ratio times bet."""
    ratio = mean / bet
    squares = 0.0
    for stake in stakes:
        sums, level = stake.sums, ratio * stake.sums.seats
        squares += (
            stake.played
            * stake.units**2
            * (sums.second - 2 * level * sums.first + level * level * sums.rounds)
        )
    return Figure.around(ratio, standard_error=sqrt(squares) / rounds / bet)


def _edges(rows: Sequence[Sums]) -> list[tuple[Sums, tuple[float, float]]]:
    """Each count with what Kelly needs: edge and variance of a unit on every spot.

    A count that is too rare for an edge of its own has that of all counts from it outwards and of
    the next one inwards, until there are enough rounds.
    """
    found = []
    for place, sums in enumerate(rows):
        first, last = place, place
        upwards = sums.true_count >= 0
        if sums.rounds < ROUNDS_FOR_AN_EDGE:
            first, last = (place, len(rows) - 1) if upwards else (0, place)
        while _rounds(rows[first : last + 1]) < ROUNDS_FOR_AN_EDGE and (
            first > 0 or last < len(rows) - 1
        ):
            if (upwards and first > 0) or last == len(rows) - 1:
                first -= 1
            else:
                last += 1
        found.append((sums, _edge(rows[first : last + 1])))
    return found


def _edge(rows: Sequence[Sums]) -> tuple[float, float]:
    rounds = _rounds(rows)
    edge = sum(sums.first for sums in rows) / rounds
    return edge, sum(sums.second for sums in rows) / rounds - edge * edge


def _rounds(rows: Sequence[Sums]) -> int:
    return sum(sums.rounds for sums in rows)
