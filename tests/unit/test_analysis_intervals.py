"""Intervals hold what they promise: nineteen of twenty samples have the truth inside."""

from collections import Counter
from collections.abc import Iterator
from math import sqrt
from random import Random

import pytest

from jost.simulations.analysis import (
    Figure,
    by_true_count,
    differ,
    difference,
    edge_slope,
    outcomes,
    returns_of,
    stakes_of,
)
from jost.simulations.analysis.intervals import rate, share
from jost.simulations.betting import Bets
from jost.simulations.engine import Dealing, Rules, Tally
from tests.tallied import A_GAME, shifted, tally_of

SAMPLES = 300
ROUNDS = 3_000
# Three true counts, each worth two per cent more than the one below.
COUNTS = {-1: 3_000, 0: 5_000, 2: 2_000}
GAMES = {count: shifted(A_GAME, wins=100 * count) for count in COUNTS}
RAMP = Bets(ramp=((0, 1.0), (2, 8.0)))
EVERY_ROUND = Rules(dealing=Dealing(mode="every_round"))


def samples(seed: int) -> Iterator[Tally]:
    random = Random(seed)
    cells = [(count, payoff) for count, game in GAMES.items() for payoff in game]
    weights = [COUNTS[count] * GAMES[count][payoff] for count, payoff in cells]
    for _ in range(SAMPLES):
        drawn = Counter(random.choices(cells, weights, k=ROUNDS))
        spots: dict[int, dict[float, int]] = {}
        for (count, payoff), number in drawn.items():
            spots.setdefault(count, {})[payoff] = number
        yield tally_of(spots)


def truth_of(power: int, *, bets: Bets) -> float:
    """The moment of a round's win in the game itself."""
    return sum(
        COUNTS[count] / 10_000 * number / 10_000 * (bets.ramp_at(count) * payoff) ** power
        for count, game in GAMES.items()
        for payoff, number in game.items()
    )


def held(figures: list[Figure], *, truth: float) -> float:
    """In what share of them the truth lies between the ends."""
    inside = [
        figure.low is not None and figure.high is not None and figure.low <= truth <= figure.high
        for figure in figures
    ]
    return sum(inside) / len(inside)


def test_intervals_of_a_run_hold_the_truth_in_nineteen_of_twenty_runs() -> None:
    ends, won, slopes = [], [], []
    for tally in samples(1):
        estimate = tally.estimate()
        slope = edge_slope(by_true_count(tally, rules=EVERY_ROUND))
        assert estimate is not None
        assert slope is not None
        ends.append(Figure(value=estimate.ev, low=estimate.interval[0], high=estimate.interval[1]))
        won.append(outcomes(tally)["won"])
        slopes.append(slope.per_count)

    flat = Bets()
    chance = sum(
        COUNTS[count] / 10_000 * number / 10_000
        for count, game in GAMES.items()
        for payoff, number in game.items()
        if payoff > 0
    )
    assert held(ends, truth=truth_of(1, bets=flat)) == pytest.approx(0.95, abs=0.035)
    assert held(won, truth=chance) == pytest.approx(0.95, abs=0.035)
    assert held(slopes, truth=0.02) == pytest.approx(0.95, abs=0.035)


def test_intervals_of_bets_hold_the_truth_in_nineteen_of_twenty_runs_or_more() -> None:
    runs = []
    for tally in samples(2):
        returns = returns_of(stakes_of(RAMP, tally=tally, bankroll=None, played={}))
        assert returns is not None
        runs.append(returns)

    win = truth_of(1, bets=RAMP)
    sd = sqrt(truth_of(2, bets=RAMP) - win**2)
    bet = sum(share * RAMP.ramp_at(count) for count, share in COUNTS.items()) / 10_000
    assert held([run.win for run in runs], truth=win) == pytest.approx(0.95, abs=0.035)
    assert held([run.per_unit for run in runs], truth=win / bet) == pytest.approx(0.95, abs=0.035)
    # These are made wide enough for what is not kept.
    assert 0.92 < held([run.sd for run in runs], truth=sd) <= 1
    assert 0.92 < held([run.drift for run in runs], truth=win / sd) <= 1
    assert 0.92 < held([run.score for run in runs], truth=(1_000 * win / sd) ** 2) <= 1


def test_difference_of_runs_of_one_game_holds_no_difference_in_nineteen_of_twenty() -> None:
    estimates = [tally.estimate() for tally in samples(3)]
    pairs = [
        (first, second)
        for first, second in zip(estimates[::2], estimates[1::2], strict=True)
        if first is not None and second is not None
    ]

    assert held([difference(*pair) for pair in pairs], truth=0.0) == pytest.approx(0.95, abs=0.05)
    assert sum(differ(*pair) for pair in pairs) / len(pairs) == pytest.approx(0.05, abs=0.05)


def test_difference_is_what_the_second_is_worth_more() -> None:
    first, second = tally_of({0: {1.0: 400, -1.0: 600}}), tally_of({0: {1.0: 500, -1.0: 500}})
    one, other = first.estimate(), second.estimate()
    assert one is not None
    assert other is not None

    apart = difference(one, other)

    assert apart.value == pytest.approx(0.2)
    # 1.96 times the root of (0.96 + 1) / 1000.
    assert apart.high == pytest.approx(0.2868, abs=1e-4)
    assert differ(one, other)


def test_share_is_between_wilsons_ends() -> None:
    # Newcombe, 1998, Table I: 81 of 263 gives 0.2553 to 0.3662.
    found = share(81, of=263)

    assert [found.low, found.high] == pytest.approx([0.2553, 0.3662], abs=1e-4)


@pytest.mark.parametrize("part", [0, 20])
def test_share_of_none_and_of_all_has_an_interval_that_it_lies_in(part: int) -> None:
    found = share(part, of=20)

    assert found.low is not None
    assert found.high is not None
    assert 0 <= found.low <= part / 20 <= found.high <= 1
    # Newcombe again: 0 of 20 gives 0 to 0.1611.
    assert found.high - found.low == pytest.approx(0.1611, abs=1e-4)


def test_share_of_fewer_observations_is_less_sure() -> None:
    alone, together = share(50, of=100), share(50, of=100, observations=25)

    assert together.value == alone.value
    assert (together.high or 0) - 0.5 > 1.8 * ((alone.high or 0) - 0.5)


def test_rate_is_as_unsure_as_if_all_came_at_once() -> None:
    # Four or none: a spread of 4 x mean - mean squared.
    found = rate(100, of=1_000, most=4)

    assert found.value == 0.1
    assert found.high == pytest.approx(0.1 + 1.96 * sqrt((0.4 - 0.01) / 1_000), abs=1e-5)


def test_figure_of_a_falling_function_keeps_its_ends_in_order() -> None:
    figure = Figure(value=0.5, low=-0.1, high=1.0)

    assert figure.times(2) == Figure(value=1.0, low=-0.2, high=2.0)
    assert figure.through(lambda x: 1 / x if x > 0 else None, falls=True) == Figure(
        value=2.0, low=1.0, high=None
    )
