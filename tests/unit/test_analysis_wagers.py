"""What bets win and risk, worked out by hand and from the definitions of the figures."""

from math import exp, log, sqrt
from typing import Any

import pytest

from jost.simulations.analysis import (
    Returns,
    Stake,
    Walk,
    best_bets,
    bet_per_spot,
    by_true_count,
    dealer_outcomes,
    edge_slope,
    ev_per_unit_bet,
    events,
    insurance,
    outcomes,
    payoff_shares,
    returns_of,
    shares_played,
    stakes_of,
)
from jost.simulations.betting import Bankroll, Bets
from jost.simulations.engine import Rules, Tally, count_chunk
from jost.simulations.setup import Setup
from tests.simulated import CHART
from tests.tallied import A_GAME, counted_game, shifted, tally_of

BANKROLL = Bankroll(units=1_000)


def stakes(tally: Tally, **values: Any) -> list[Stake]:
    bets = Bets.from_dict(values)
    setup = Setup.from_dict({"strategy": CHART, "counting": "hi-lo"})
    played = shares_played(bets, game=setup.game)
    return stakes_of(bets, tally=tally, bankroll=BANKROLL, played=played)


def returns(tally: Tally, **values: Any) -> Returns:
    found = returns_of(stakes(tally, **values))
    assert found is not None
    return found


def test_ramp_wins_what_its_rounds_win_one_by_one() -> None:
    tally = tally_of({0: {1.0: 3, -1.0: 5}, 2: {1.0: 1, 2.0: 1, -0.5: 2}})
    won = [1.0] * 3 + [-1.0] * 5 + [4.0, 8.0, -2.0, -2.0]
    mean = sum(won) / 12
    variance = sum((each - mean) ** 2 for each in won) / 11

    found = returns(tally, ramp={"0": 1, "2": 4})

    assert found.win.value == pytest.approx(mean)
    assert found.variance == pytest.approx(variance)
    assert found.win.high == pytest.approx(mean + 1.959964 * sqrt(variance / 12))
    assert found.bet == pytest.approx(2)
    assert found.per_unit.value == pytest.approx(mean / 2)


def test_flat_bets_are_the_estimate_itself() -> None:
    tally = counted_game()
    estimate = tally.estimate()
    assert estimate is not None

    found = returns(tally)

    assert found.win.value == pytest.approx(estimate.ev)
    assert found.sd.value == pytest.approx(estimate.sd)
    assert (found.win.low, found.win.high) == pytest.approx(estimate.interval)


def test_who_stands_by_wins_nothing_while_rounds_go_on() -> None:
    tally = counted_game()
    rich = {row.count: row for row in tally.by_count() if row.count >= 4}

    found = returns(tally, wong_in=4)

    assert found.played == pytest.approx(0.07)
    assert found.bet == pytest.approx(0.07)
    assert found.win.value == pytest.approx(
        sum(row.payoff_sum / 10 for row in rich.values()) / tally.rounds
    )


def test_zero_units_are_rounds_stood_by() -> None:
    found = returns(counted_game(), ramp={"0": 0, "4": 1})

    assert found == returns(counted_game(), wong_in=4)


def test_score_is_the_hourly_win_of_a_bankroll_of_ten_thousand_at_its_best_risk() -> None:
    found = returns(counted_game(), ramp={"0": 0, "4": 10, "5": 20})
    mean = found.win.value or 0.0
    assert mean > 0
    # By definition: bets are scaled until the risk of ruin is exp(-2), then 100 rounds are won.
    scale = mean * 10_000 / found.variance
    scaled = Walk(start=10_000, mean=mean * scale, variance=found.variance * scale**2)

    assert scaled.ruin() == pytest.approx(exp(-2))
    assert found.score.value == pytest.approx(100 * scaled.mean)
    assert found.desirability.value == pytest.approx(sqrt(100 * scaled.mean))
    assert found.n0.value == pytest.approx(1e6 / (100 * scaled.mean))


def test_n0_is_the_time_in_which_win_and_spread_are_the_same() -> None:
    found = returns(counted_game(), ramp={"0": 0, "4": 10, "5": 20})
    rounds = found.n0.value or 0.0

    assert (found.win.value or 0.0) * rounds == pytest.approx(sqrt(found.variance * rounds))
    assert (found.n0.low or 0.0) < rounds < (found.n0.high or 0.0)


def test_game_without_an_edge_has_no_n0_and_no_score() -> None:
    found = returns(counted_game())

    assert found.score.value == 0
    assert found.n0.value is None


def test_bets_that_lie_nowhere_return_nothing() -> None:
    assert returns_of(stakes(counted_game(), wong_in=15)) is None
    assert returns_of(stakes(Tally())) is None
    assert returns_of(stakes(tally_of({0: {1.0: 1}}))) is None


def test_kelly_stakes_grow_a_bankroll_faster_than_less_or_more() -> None:
    tally = tally_of({0: shifted(A_GAME, wins=200)})
    fraction = stakes(tally)[0].kelly

    def growth(share: float) -> float:
        game = shifted(A_GAME, wins=200)
        return sum(number * log(1 + share * payoff) for payoff, number in game.items())

    assert growth(fraction) > max(growth(0.9 * fraction), growth(1.1 * fraction))


def test_kelly_bets_on_the_bankroll_within_limits() -> None:
    found = stakes(counted_game(), kelly=0.5, max_units=8)

    by_count = {stake.sums.true_count: stake.units for stake in found}
    assert by_count[-4] == 1
    assert by_count[5] == pytest.approx(0.5 * found[-2].kelly * 1_000)
    assert by_count[6] == pytest.approx(min(0.5 * found[-1].kelly * 1_000, 8))


def test_rare_count_has_the_edge_of_its_neighbours() -> None:
    rare = {-1: A_GAME, 0: A_GAME, 7: shifted(A_GAME, wins=300), 12: {1.0: 3}, 13: {1.0: 2}}

    found = {stake.sums.true_count: stake for stake in stakes(tally_of(rare), kelly=1)}

    assert found[12].edge == found[13].edge
    assert found[12].edge == pytest.approx((0.0458 * 10_000 + 5) / 10_005)
    assert found[7].edge == pytest.approx(0.0458)


def test_two_spots_that_end_alike_have_four_times_the_variance_of_one() -> None:
    one = tally_of({0: A_GAME})
    # The same rounds with a second spot that always has the payoff of the first.
    two = Tally(
        seats=2,
        cells=tuple(2 * spots for spots in one.cells),
        squares=tuple(4 * square for square in one.squares),
        events=one.events,
    )

    single, double = returns(one), returns(two)

    assert double.rounds == single.rounds
    assert double.bet == 2 * single.bet
    assert double.win.value == pytest.approx(2 * (single.win.value or 0))
    assert double.variance == pytest.approx(4 * single.variance)
    assert double.kurtosis == pytest.approx(single.kurtosis)


def test_outcomes_are_shares_of_spots_and_add_up() -> None:
    tally = tally_of({0: A_GAME, 1: A_GAME})

    found = outcomes(tally)
    shares = payoff_shares(tally)

    assert found["won"].value == pytest.approx(0.4299)
    assert found["pushed"].value == pytest.approx(0.085)
    assert sum(figure.value or 0 for figure in found.values()) == pytest.approx(1)
    assert {payoff: spots for payoff, spots, _ in shares} == {
        payoff: 2 * spots for payoff, spots in A_GAME.items()
    }


def test_blackjack_pays_what_the_rules_say() -> None:
    tally = tally_of({0: {1.5: 1, -1.0: 1}}, blackjack_tenths=12)

    assert [payoff for payoff, _, _ in payoff_shares(tally)] == [-1.0, 1.2]


def test_insurance_is_worth_three_times_its_chance_less_one() -> None:
    found = insurance(tally_of({0: A_GAME}, insured=300, insurance_won=92))

    assert found is not None
    assert found["won"].value == pytest.approx(92 / 300)
    assert found["ev"].value == pytest.approx(-24 / 300)
    assert insurance(tally_of({0: A_GAME})) is None


def test_unit_bet_counts_doubles_splits_and_insurance() -> None:
    tally = tally_of({0: A_GAME}, hands=10_300, doubles=1_000, insured=400)

    found = ev_per_unit_bet(tally)

    assert bet_per_spot(tally) == pytest.approx(1.15)
    assert found is not None
    assert found.value == pytest.approx(-0.0142 / 1.15)
    # The spread of the bets is known within bounds; what that adds stays small.
    assert (found.high or 0) - (found.value or 0) == pytest.approx(0.0226 / 1.15, rel=0.02)
    assert ev_per_unit_bet(Tally()) is None


def test_events_of_a_real_chunk_fit_each_other() -> None:
    setup = Setup.from_dict({"strategy": CHART})
    tally = count_chunk(setup.game, seed=1, index=0, rounds=2_000, pure=True)

    found = events(tally)
    dealer = dealer_outcomes(tally)

    assert sum(figure.value or 0 for figure in dealer.values()) == pytest.approx(1)
    assert found["hands"].value == pytest.approx(1 + (found["splits"].value or 0))
    assert (found["blackjacks"].low or 0) < 0.0475 < (found["blackjacks"].high or 0)


def test_edges_by_count_lie_on_the_line_they_were_made_of() -> None:
    slope = edge_slope(by_true_count(counted_game(), rules=Rules()))

    assert slope is not None
    assert slope.per_count.value == pytest.approx(0.005)
    assert slope.at_zero.value == pytest.approx(-0.0142 - 0.004)
    assert edge_slope(by_true_count(tally_of({0: A_GAME}), rules=Rules())) is None


def test_counts_of_one_shoe_are_one_observation_of_how_often_they_come() -> None:
    fresh = Rules.from_dict({"dealing": {"mode": "every_round"}})
    long = Rules.from_dict({"dealing": {"mode": "fixed_rounds", "rounds": 25}})

    def width(rules: Rules) -> float:
        at = by_true_count(counted_game(), rules=rules)[4].share
        return (at.high or 0) - (at.low or 0)

    assert width(long) == pytest.approx(5 * width(fresh), rel=0.01)


def best(tally: Tally, **values: Any) -> tuple[Bets, Returns]:
    bets = Bets.from_dict(values)
    found = best_bets(bets, stakes=stakes(tally, **values), played={})
    assert found is not None
    return found


def test_best_ramp_has_a_better_score_than_any_that_was_tried() -> None:
    tally = counted_game()

    ramp, found = best(tally, ramp={"0": 0, "4": 10})

    assert found.score.value == returns(tally, ramp=ramp.to_dict()["ramp"]).score.value
    assert {units for _, units in ramp.ramp} <= set(range(11))
    for first in range(3, 7):
        for units in (2, 5, 10):
            other = returns(tally, ramp={"0": 0, str(first): units, "6": 10})
            assert (other.score.value or 0) <= 1.001 * (found.score.value or 0)


def test_best_ramp_goes_from_the_least_to_the_most_and_rises_with_the_edge() -> None:
    tally = tally_of({count: shifted(A_GAME, wins=100 + 60 * count) for count in range(-5, 9)})

    ramp, _ = best(tally, ramp={"0": 2, "3": 9, "5": 20}, wong_out=-3)

    bet = [ramp.ramp_at(count) for count in range(-20, 21)]
    assert bet == sorted(bet)
    assert (bet[0], bet[-1]) == (2, 20)
    assert ramp.wong_out == -3


def test_flat_bets_and_games_without_an_edge_have_no_best_ramp() -> None:
    poor = tally_of({0: A_GAME, 3: A_GAME})
    ramp = {"ramp": {"0": 1, "2": 8}}

    assert best_bets(Bets(), stakes=stakes(counted_game()), played={}) is None
    assert best_bets(Bets.from_dict(ramp), stakes=stakes(poor, **ramp), played={}) is None


def test_best_ramp_does_not_follow_chance_downwards() -> None:
    games = {count: shifted(A_GAME, wins=100 + 60 * count) for count in range(-5, 9)}
    games[6] = shifted(A_GAME, wins=200)

    ramp, _ = best(tally_of(games), ramp={"0": 1, "3": 40})

    bet = [ramp.ramp_at(count) for count in range(-5, 9)]
    assert bet == sorted(bet)
    assert ramp.ramp_at(6) == ramp.ramp_at(5)
