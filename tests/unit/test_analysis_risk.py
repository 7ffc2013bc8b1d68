"""Ruin, bankrolls and drawdowns, held against walks of plus or minus one that are counted out."""

from math import exp, sqrt

import pytest

from jost.simulations.analysis import PERCENTILES, Figure, Walk, bankroll_for, drawdown
from jost.simulations.analysis.drawdown import survival
from jost.simulations.analysis.risk import certainty_equivalent, log_normal

WIN = 0.52
MEAN = 2 * WIN - 1
VARIANCE = 1 - MEAN**2
EVEN = Walk(start=40, mean=0.0, variance=1.0)


def walk_of(start: int) -> Walk:
    return Walk(start=start, mean=MEAN, variance=VARIANCE)


def counted_out(start: int, *, rounds: int, win: float = WIN) -> list[float]:
    """The exact chance of each bankroll after so many bets of one unit; who is broke stops."""
    chances = [0.0] * (start + rounds + 2)
    chances[start] = 1.0
    for _ in range(rounds):
        moved = [0.0] * len(chances)
        moved[0] = chances[0]
        for units in range(1, len(chances) - 1):
            moved[units + 1] += win * chances[units]
            moved[units - 1] += (1 - win) * chances[units]
        chances = moved
    return chances


@pytest.mark.parametrize("start", [5, 20, 60])
def test_risk_of_ruin_is_that_of_a_gambler_who_bets_one_unit(start: int) -> None:
    # The gambler's ruin of the books: (q / p) to the power of the bankroll.
    assert walk_of(start).ruin() == pytest.approx(((1 - WIN) / WIN) ** start, rel=0.01)


def test_ruin_is_certain_without_an_edge() -> None:
    assert EVEN.ruin() == 1
    assert Walk(start=10, mean=-0.01, variance=1).ruin() == 1


@pytest.mark.parametrize("win", [0.49, 0.5, 0.52])
def test_ruin_before_a_horizon_is_that_of_the_walk_counted_out(win: float) -> None:
    mean = 2 * win - 1
    walk = Walk(start=25, mean=mean, variance=1 - mean**2)

    assert walk.ruin_within(800) == pytest.approx(counted_out(25, rounds=800, win=win)[0], rel=0.01)


def test_ruin_within_grows_with_the_horizon_up_to_the_risk_of_ruin() -> None:
    risks = [walk_of(30).ruin_within(rounds) for rounds in (0, 100, 1_000, 10_000, 10**9)]

    assert risks == sorted(risks)
    assert risks[0] == 0
    assert risks[-1] == pytest.approx(walk_of(30).ruin())


def test_bankrolls_end_where_those_of_the_walk_counted_out_end() -> None:
    rounds = 800
    chances = counted_out(25, rounds=rounds)
    walk = walk_of(25)

    for units in (5, 25, 45, 65):
        # Bankrolls are every other number: the bound lies between two of them.
        exact = sum(chances[units + 1 :]) + chances[units] / 2
        assert walk.above(units, rounds=rounds) == pytest.approx(exact, abs=0.004)


def test_percentiles_rise_and_turn_into_zero_where_more_are_broke() -> None:
    rounds = 800
    walk = walk_of(25)
    broke = 100 * walk.ruin_within(rounds)

    found = [walk.percentile(percent, rounds=rounds) for percent in PERCENTILES]

    assert found == sorted(found)
    assert [units == 0 for units in found] == [percent <= broke for percent in PERCENTILES]
    for percent, units in zip(PERCENTILES, found, strict=True):
        if units:
            assert walk.above(units, rounds=rounds) == pytest.approx(1 - percent / 100)


def test_fan_begins_at_the_bankroll_and_ends_at_the_horizon() -> None:
    fan = walk_of(25).fan(800, points=10)

    assert fan[0] == (0, [25.0] * len(PERCENTILES))
    assert fan[-1] == (800, [walk_of(25).percentile(p, rounds=800) for p in PERCENTILES])


def test_chance_to_double_is_that_of_a_gambler_between_two_ends() -> None:
    # (1 - r^n) / (1 - r^2n), with r = q / p.
    ratio = (1 - WIN) / WIN
    exact = (1 - ratio**20) / (1 - ratio**40)

    assert walk_of(20).doubling() == pytest.approx(exact, rel=0.001)
    assert EVEN.doubling() == 0.5
    assert Walk(start=1e6, mean=-1.0, variance=1.0).doubling() == 0


def test_ruin_before_doubling_is_the_published_one() -> None:
    # Michael Hall, Risk of Ruin, 1992: 300 units, 0.0151 a hand, average squared win 3.887: 9.0 %.
    walk = Walk(start=300, mean=0.0151, variance=3.887 - 0.0151**2)

    assert 1 - walk.doubling() == pytest.approx(0.09, abs=0.002)


def test_bankroll_for_a_risk_has_that_risk() -> None:
    units = bankroll_for(0.05, mean=MEAN, variance=VARIANCE)

    assert units is not None
    assert Walk(start=units, mean=MEAN, variance=VARIANCE).ruin() == pytest.approx(0.05)
    assert bankroll_for(0.05, mean=0.0, variance=1.0) is None


def test_full_kelly_is_worth_half_its_win() -> None:
    # A Kelly player's bankroll is variance by mean.
    worth = certainty_equivalent(mean=MEAN, variance=VARIANCE, units=VARIANCE / MEAN)

    assert worth == pytest.approx(MEAN / 2)


@pytest.mark.parametrize("start", [1e-3, 1.0, 1e6, 1e9])
@pytest.mark.parametrize("mean", [-5.0, -1e-6, 0.0, 1e-6, 5.0])
def test_risks_of_extreme_games_are_chances(start: float, mean: float) -> None:
    walk = Walk(start=start, mean=mean, variance=1.3)

    for rounds in (1, 10**5, 10**11):
        assert 0 <= walk.ruin_within(rounds) <= 1
        assert 0 <= walk.above(start, rounds=rounds) <= 1
        assert walk.percentile(1, rounds=rounds) >= 0


def test_normal_law_goes_on_where_a_float_would_be_zero() -> None:
    assert exp(log_normal(0.0)) == pytest.approx(0.5)
    assert exp(log_normal(-1.959963984540054)) == pytest.approx(0.025)
    # Both ways of writing it meet.
    assert log_normal(-29.999999) == pytest.approx(log_normal(-30.000001), rel=1e-6)


def fallen(bound: int, *, rounds: int, win: float) -> float:
    """The exact chance of a walk of single units to stay less than `bound` below its highest."""
    chances = [0.0] * bound
    chances[0] = 1.0
    for _ in range(rounds):
        moved = [0.0] * bound
        for below, chance in enumerate(chances):
            moved[max(below - 1, 0)] += win * chance
            if below + 1 < bound:
                moved[below + 1] += (1 - win) * chance
        chances = moved
    return sum(chances)


@pytest.mark.parametrize("win", [0.475, 0.5, 0.51, 0.54])
@pytest.mark.parametrize("bound", [40, 60, 100])
def test_drawdown_is_that_of_the_walk_counted_out(win: float, bound: int) -> None:
    rounds = 1_600
    mean = 2 * win - 1
    scale = sqrt(rounds * (1 - mean**2))

    # A unit's step overshoots by half a step at the top.
    found = survival((bound + 0.5) / scale, slope=mean * rounds / scale)

    assert found == pytest.approx(fallen(bound, rounds=rounds, win=win), abs=0.01)


def test_mean_drawdown_of_an_even_game_is_the_published_one() -> None:
    # Magdon-Ismail and others, 2004: sqrt(pi / 2) standard deviations.
    fall, _ = drawdown(Figure(value=0.0, low=-0.01, high=0.01), sd=1.0, rounds=10_000)

    assert fall.value == pytest.approx(125.33, abs=0.05)
    assert (fall.low or 0.0) < 125.33 < (fall.high or 0.0)


@pytest.mark.parametrize("slope", [-400.0, -4.0, -3.4, -1.0, 0.0, 1.0, 30.0, 9_000.0])
def test_percentiles_of_the_drawdown_rise_whatever_the_drift(slope: float) -> None:
    rounds = 10_000
    at = Figure(value=slope / 100, low=slope / 100, high=slope / 100)

    fall, falls = drawdown(at, sd=2.0, rounds=rounds)

    values = [figure.value or 0.0 for figure in falls.values()]
    assert values == sorted(values)
    assert values[0] * 0.5 < (fall.value or 0.0) < values[-1]


def test_ways_to_count_the_drawdown_meet_where_one_takes_over() -> None:
    for bound in (3.0, 4.0, 5.0):
        assert survival(bound, slope=-3.4999) == pytest.approx(
            survival(bound, slope=-3.5001), abs=0.02
        )
    # The mode that turns from waves into decay has no gap there.
    assert survival(1.0, slope=0.999) == pytest.approx(survival(1.0, slope=1.001), abs=1e-3)
    assert survival(1.0, slope=1.0) == pytest.approx(survival(1.0, slope=1.001), abs=1e-3)
