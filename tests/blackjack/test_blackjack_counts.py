"""Counting: true counts are exact, and decide moves, insurance and where a result is kept."""

from fractions import Fraction
from math import floor, trunc

import pytest

from jost.simulations.engine import Code, Count, Game, IndexPlay, Rules
from jost.simulations.engine import layout as at
from jost.simulations.engine.cells import tally_of
from jost.simulations.engine.counting import KO, SYSTEMS
from jost.simulations.engine.desk import new_desk
from jost.simulations.engine.hands import true_count
from jost.simulations.engine.lockstep import play_step
from tests.stacked import HI_LO, A, T, chart, deal, game, stacked

LIMIT = at.COUNT_LIMIT
STAND_16 = IndexPlay(hand="16", upcard="10", index=0, code=Code.STAND)
INSURE_AT_3 = IndexPlay(hand="insurance", index=3)


@pytest.mark.parametrize("rounding", ["floor", "truncate"])
@pytest.mark.parametrize("decks", [1, 6, 8])
@pytest.mark.parametrize("scale", [1, 2])
def test_true_count_is_the_exact_quotient_at_every_place(
    rounding: str, decks: int, scale: int
) -> None:
    count = Count(name="own", tags=HI_LO.tags, scale=scale, rounding=rounding)
    desk = new_desk(Game(rules=Rules(decks=decks), chart=chart(), count=count), seed=1, index=0)
    rounded = floor if rounding == "floor" else trunc

    for seen in range(52 * decks):
        for running in range(-20 * decks * scale, 20 * decks * scale + 1):
            exact = rounded(Fraction(running * 52, (52 * decks - seen) * scale))
            assert true_count(desk[1], running, seen) == min(max(exact, -LIMIT), LIMIT - 1)


def test_unbalanced_count_stands_where_others_have_the_true_count() -> None:
    desk = new_desk(Game(rules=Rules(decks=6), chart=chart(), count=KO), seed=1, index=0)

    assert desk[-1][at.INITIAL] == -20
    assert [true_count(desk[1], running, 100) for running in (-20, -1, 0, 7)] == [-20, -1, 0, 7]


@pytest.mark.parametrize("name", SYSTEMS)
def test_running_count_at_every_place_is_that_of_the_cards_before(name: str) -> None:
    count = SYSTEMS[name]
    cards = [A, 2, 3, 4, 5, 6, 7, 8, 9, T, T, A]
    played = Game(rules=Rules(), chart=chart(), count=count)

    desk = stacked(cards, played)

    begins = 0
    for place in range(len(cards) + 1):
        assert desk[3][place] == begins + sum(count.tags[card - 1] for card in cards[:place])


def at_count(running: int, cards: list[int], played: Game) -> int:
    """The half bets of a round that begins at a running count."""
    desk = stacked(cards, played)
    for place in range(len(cards) + 1):
        desk[3][place] += running
    play_step(desk, 0, 1)
    return tally_of(desk, rules=played.rules).whole().payoff_sum // 5


def test_hole_card_is_not_counted_before_it_is_seen() -> None:
    # Ten, ten up and six make -1; a hole card of 6 would make it 0, where sixteen stands.
    played = game(STAND_16)

    assert deal([T, T, 6, 6, T], played).half_bets == -2
    # At +1 the count is 0 without the hole card: it stands, and the dealer's sixteen busts.
    assert at_count(1, [T, T, 6, 6, T], played) == 2


def test_index_holds_for_hands_of_more_cards_too() -> None:
    # Ten, two and four: the count is -1 after the ten, ten, two; the four makes it 0.
    played = game(STAND_16)

    assert deal([T, T, 2, 9, 4], played).half_bets == -2
    assert deal([T, T, 2, 6, 4, T], played).half_bets == 2


def test_play_below_an_index_is_played_below_it_only() -> None:
    played = game(IndexPlay(hand="13", upcard="2", index=-1, code=Code.HIT, at_least=False))

    # The cards seen are 10, 2, 3: +1. The thirteen stands, and wins as the dealer busts.
    assert at_count(0, [T, 2, 3, T, T], played) == 2
    # At -8 of nearly six decks the true count is -2: it is hit, and busts.
    assert at_count(-9, [T, 2, 3, T, T], played) == -2


@pytest.mark.parametrize(("running", "half_bets"), [(22, 2 - 1), (10, 2)])
def test_insurance_that_is_lost_costs_half_a_bet(running: int, half_bets: int) -> None:
    assert at_count(running, [T, A, T, 8], game(INSURE_AT_3)) == half_bets


@pytest.mark.parametrize(("running", "half_bets"), [(22, 0), (10, -2)])
def test_insurance_that_is_won_pays_for_the_blackjack(running: int, half_bets: int) -> None:
    assert at_count(running, [T, A, T, T], game(INSURE_AT_3)) == half_bets


def test_insured_blackjack_is_even_money() -> None:
    played = game(INSURE_AT_3)

    assert at_count(22, [A, A, T, T], played) == 2
    assert at_count(22, [A, A, T, 9], played) == 3 - 1


def test_result_is_kept_by_the_true_count_before_the_round() -> None:
    # Four small cards come in the round; none has been seen before it.
    found = deal([2, 3, 4, 5, 6, 6, 6, 6], Game(rules=Rules(), chart=chart(), count=HI_LO))

    assert [row.count for row in found.tally.by_count()] == [0]


def test_other_players_ignore_index_plays() -> None:
    # The other's 16 is hit to 21 at any count; the player's stands from 0 on.
    found = deal([T, T, T, 6, 6, T, 5], game(STAND_16, other_players=1))

    assert found.used == 7
    assert found.half_bets == -2


def test_each_spot_decides_by_the_cards_before_it() -> None:
    # Both spots have 16; the first hits at -1 and draws a 5, so the second stands at 0.
    found = deal([T, T, T, 6, 5, T, 5, 5], game(STAND_16, seats=2, cells={"hard_15_vs_10": "H"}))

    assert found.used == 8
