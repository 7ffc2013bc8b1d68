"""Tallies made by hand, for tests of what is computed from them."""

from collections.abc import Mapping

from jost.simulations.engine import Tally
from jost.simulations.engine.tally import (
    BLACKJACK,
    BUCKETS,
    CELLS,
    EVENTS,
    MIN_COUNT,
    MIN_HALVES,
    payoffs,
)

# A round of six decks, about: what a spot wins, in bets, and how many of ten thousand do.
A_GAME = {
    -8.0: 1,
    -4.0: 10,
    -3.0: 20,
    -2.0: 400,
    -1.0: 4_380,
    -0.5: 40,
    0.0: 850,
    1.0: 3_260,
    1.5: 450,
    2.0: 550,
    3.0: 25,
    4.0: 14,
}


def tally_of(
    spots_at: Mapping[int, Mapping[float, int]], *, blackjack_tenths: int = 15, **events: int
) -> Tally:
    """One seat: for each true count how many spots won so much; 1.5 is a blackjack."""
    cells = [0] * (BUCKETS * CELLS)
    squares = [0] * BUCKETS
    for count, spots in spots_at.items():
        for payoff, number in spots.items():
            cell = BLACKJACK if payoff == 1.5 else round(2 * payoff) - MIN_HALVES
            cells[(count - MIN_COUNT) * CELLS + cell] += number
            squares[count - MIN_COUNT] += number * payoffs(blackjack_tenths)[cell] ** 2
    rounds = sum(cells)
    known = {"dealer_20": rounds, "hands": rounds} | events
    return Tally(
        blackjack_tenths=blackjack_tenths,
        cells=tuple(cells),
        squares=tuple(squares),
        events=tuple(known.get(name, 0) for name in EVENTS),
    )


def shifted(spots: Mapping[float, int], *, wins: int) -> dict[float, int]:
    """The same game with so many losses of one bet turned into wins."""
    return {**spots, -1.0: spots[-1.0] - wins, 1.0: spots[1.0] + wins}


def counted_game(times: int = 100) -> Tally:
    """A game in which each true count is worth half a per cent more than the one below."""
    weights = {-4: 4, -3: 6, -2: 10, -1: 18, 0: 24, 1: 16, 2: 9, 3: 6, 4: 4, 5: 2, 6: 1}
    return tally_of(
        {
            count: {
                payoff: number * weight * times
                for payoff, number in shifted(A_GAME, wins=25 * count - 20).items()
            }
            for count, weight in weights.items()
        }
    )
