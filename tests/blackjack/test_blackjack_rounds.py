"""Rounds played from a stacked shoe: every payoff and every rule of the game."""

import pytest

from jost.simulations.engine import layout as at
from jost.simulations.engine.lockstep import play_step
from tests.stacked import A, T, deal, game, stacked


@pytest.mark.parametrize(
    ("cards", "half_bets"),
    [
        # Player, upcard, player, hole card, then what is drawn.
        pytest.param([A, 9, T, 8], 3, id="blackjack pays three to two"),
        pytest.param([A, T, T, A], 0, id="two blackjacks push"),
        pytest.param([T, A, 9, T], -2, id="the dealer's blackjack takes one bet"),
        pytest.param([5, T, 6, A], -2, id="nobody doubles into a blackjack that was peeked at"),
        pytest.param([8, A, 8, T], -2, id="nobody splits into a blackjack that was peeked at"),
        pytest.param([T, 9, T, T], 2, id="twenty beats nineteen"),
        pytest.param([T, T, 9, T], -2, id="nineteen loses to twenty"),
        pytest.param([T, T, 9, 9], 0, id="nineteen pushes nineteen"),
        pytest.param([5, 6, 6, T, T, T], 4, id="a double pays twice"),
        pytest.param([5, 6, 6, T, 2, 5], -4, id="a double loses twice"),
        pytest.param([5, 6, 6, T, 8, 3], 0, id="a double may push"),
        pytest.param([T, T, 6, 7, T], -2, id="a bust loses at once"),
        pytest.param([T, 6, 2, T, T], 2, id="the dealer busts"),
        pytest.param([A, 9, 6, 8, 4], 2, id="soft seventeen draws to twenty-one"),
        pytest.param([T, 7, 6, T, A], 0, id="sixteen against seven draws, and stands on seventeen"),
        pytest.param([A, 7, A, T, 9], 2, id="one ace of two counts eleven"),
    ],
)
def test_payoff_of_a_round(cards: list[int], half_bets: int) -> None:
    played = game(cells={"pairs_AA_vs_7": "N"})

    found = deal(cards, played)

    assert (found.half_bets, found.used) == (half_bets, len(cards))
    assert found.tally.rounds == 1


def test_dealer_hits_soft_17_only_by_that_rule() -> None:
    hits = game(dealer_hits_soft_17=True)

    assert deal([T, 6, 8, A]).half_bets == 2
    assert deal([T, 6, 8, A, T, T], hits).half_bets == 2
    assert deal([T, 6, 8, A, 4], hits).half_bets == -2


@pytest.mark.parametrize(("pays", "tenths"), [("3:2", 15), ("6:5", 12), ("1:1", 10)])
def test_blackjack_pays_by_the_rule(pays: str, tenths: int) -> None:
    found = deal([A, 9, T, 8], game(blackjack_pays=pays))

    assert found.tally.whole().payoff_sum == tenths
    assert found.tally.squares[20] == tenths * tenths


def test_late_surrender_costs_half_a_bet_and_is_not_possible_against_a_blackjack() -> None:
    sixteen = {"hard_16_vs_10": "Rh"}

    assert deal([T, T, 6, 7], game(cells=sixteen, surrender="late")).half_bets == -1
    assert deal([T, T, 6, A], game(cells=sixteen, surrender="late")).half_bets == -2
    assert deal([T, T, 6, 7, 5], game(cells=sixteen)).half_bets == 2


def test_early_surrender_comes_before_the_dealer_looks() -> None:
    played = game(cells={"hard_16_vs_10": "Rh", "hard_14_vs_A": "Rh"}, surrender="early")

    assert deal([T, T, 6, A], played).half_bets == -1
    assert deal([T, A, 4, T], played).half_bets == -1
    assert deal([T, A, 5, T], played).half_bets == -2


def test_late_surrender_without_a_peek_still_loses_all_to_a_blackjack() -> None:
    late = game(cells={"hard_16_vs_10": "Rh"}, surrender="late", dealer_peeks=False)
    early = game(cells={"hard_16_vs_10": "Rh"}, surrender="early", dealer_peeks=False)

    assert (deal([T, T, 6, A], late).half_bets, deal([T, T, 6, A], early).half_bets) == (-2, -1)
    assert deal([T, T, 6, 8], late).half_bets == -1


def test_surrender_is_only_for_the_first_two_cards() -> None:
    # 5 + 4 against ten draws a 7: sixteen, which would have been surrendered.
    found = deal([5, T, 4, 7, 7, 5], game(cells={"hard_16_vs_10": "Rh"}, surrender="late"))

    assert found.half_bets == 2
    assert found.tally.event("surrenders") == 0


def test_surrender_or_split_surrenders_where_it_may() -> None:
    eights = {"pairs_88_vs_10": "Rp"}

    assert deal([8, T, 8, 8], game(cells=eights, surrender="late")).half_bets == -1
    assert deal([8, T, 8, 8, T, T], game(cells=eights)).half_bets == 0


@pytest.mark.parametrize(
    ("double_on", "nine", "soft_eighteen"),
    [("any", 4, 4), ("9-11", 4, 2), ("10-11", 2, 2)],
)
def test_rule_says_which_totals_are_doubled(double_on: str, nine: int, soft_eighteen: int) -> None:
    played = game(double_on=double_on)

    assert deal([5, 6, 4, T, T, T], played).half_bets == nine
    # What is not doubled stands: the ten that a double would draw goes to the dealer.
    cards = [A, 6, 7, T, T, T] if soft_eighteen == 4 else [A, 6, 7, T, T]
    assert deal(cards, played).half_bets == soft_eighteen


def test_without_a_hole_card_a_blackjack_takes_doubles_and_splits() -> None:
    peeks, waits = game(), game(dealer_peeks=False)

    assert deal([5, T, 5, A], peeks).half_bets == -2
    assert deal([6, T, 5, A, T], waits).half_bets == -4
    assert deal([8, T, 8, A, T, T], waits).half_bets == -4
    # Eight and three is doubled after the split; twenty-one does not beat a blackjack.
    assert deal([8, T, 8, A, 3, T, T], waits).half_bets == -6
    assert deal([A, T, T, A], waits).half_bets == 0


def test_without_a_hole_card_a_bust_is_lost_once() -> None:
    found = deal([T, T, 6, A, T], game(dealer_peeks=False))

    assert found.half_bets == -2
    assert found.tally.event("dealer_blackjacks") == 1


def test_pair_is_split_up_to_four_hands() -> None:
    # Eights against a six: after four hands the fifth eight stays, sixteen stands.
    found = deal([8, 6, 8, T, 8, 8, 8, T, T, T, T])

    assert found.used == 11
    assert found.half_bets == 4 * 2
    assert found.tally.event("hands") == 4
    assert found.tally.event("splits") == 3


@pytest.mark.parametrize(("hands", "cards"), [(2, [8, T, T]), (3, [8, 8, T, T, T])])
def test_limit_of_hands_is_a_rule(hands: int, cards: list[int]) -> None:
    found = deal([8, 6, 8, T, *cards], game(max_hands=hands))

    assert found.used == 4 + len(cards)
    assert found.tally.event("hands") == hands


def test_split_aces_get_one_card_each_and_are_not_split_again() -> None:
    found = deal([A, 6, A, T, A, T, T])

    # Soft twelve and twenty-one that is no blackjack; the dealer busts.
    assert (found.half_bets, found.used) == (4, 7)
    assert found.tally.event("hands") == 2
    assert found.tally.event("blackjacks") == 0


def test_aces_are_split_again_by_the_rule() -> None:
    found = deal([A, 6, A, T, A, 5, 6, T, T], game(resplit_aces=True))

    assert found.tally.event("hands") == 3
    assert (found.half_bets, found.used) == (6, 9)


def test_split_aces_are_played_on_by_the_rule() -> None:
    # Ace and four against a seven draws; twelve is hit too, as aces may not be split again.
    found = deal([A, 7, A, T, 4, 3, A, 9], game(hit_split_aces=True))

    assert found.used == 8
    # Eighteen and twenty-one beat seventeen.
    assert found.half_bets == 4


def test_doubling_after_a_split_is_a_rule() -> None:
    # Eight and three: eleven against six.
    cards = [8, 6, 8, T, 3, T, T, T]

    assert deal(cards).half_bets == 4 + 2
    assert deal(cards, game(double_after_split=False)).half_bets == 2 + 2


def test_bust_split_hands_lose_even_when_the_dealer_busts() -> None:
    # Both hands draw to twelve and bust against a seven; the dealer does not draw.
    found = deal([7, 7, 7, 5, 5, T, 5, T])

    assert (found.half_bets, found.used) == (-4, 8)
    assert found.tally.event("busts") == 2
    assert found.tally.event("dealer_idle") == 1


def test_bust_split_hand_is_lost_beside_one_that_wins() -> None:
    # Seven and five busts, seven and ten stands; the dealer's twelve busts.
    found = deal([7, 7, 7, 5, 5, T, T, T])

    assert found.half_bets == 0
    assert found.tally.event("dealer_busts") == 1


def test_pair_that_is_not_split_plays_its_total() -> None:
    # Sixteen against seven hits, two fives are doubled as ten.
    assert deal([8, 7, 8, T, 5], game(cells={"pairs_88_vs_7": "N"})).half_bets == 2
    assert deal([5, 6, 5, T, T, T]).half_bets == 4


def test_others_are_dealt_first_and_only_the_players_spots_are_counted() -> None:
    played = game(seats=2, other_players=1)
    # The other has 20, the player 19 and 12; the 12 draws a ten and busts, the dealer has 19.
    found = deal([T, T, T, 9, T, 9, 2, T, T], played)

    assert found.half_bets == 0 - 2
    assert found.tally.rounds == 1
    assert (found.tally.event("hands"), found.tally.event("busts")) == (2, 1)
    assert found.tally.squares[20] == 10 * 10


def test_other_player_who_waits_makes_the_dealer_draw() -> None:
    # The other stands on 20; the player busts, and the dealer's 16 draws all the same.
    found = deal([T, T, T, T, 2, 6, T, 3], game(other_players=1))

    assert found.used == 8
    assert found.tally.event("dealer_19") == 1


def test_spots_share_the_dealers_hand_in_the_square_of_a_round() -> None:
    found = deal([T, T, T, T, T, 7], game(seats=2, cells={}))

    assert found.tally.squares[20] == (10 + 10) ** 2
    assert found.tally.whole().spot_squares == 2 * 10**2


def test_shoe_that_runs_out_deals_the_discards_and_never_the_cards_on_the_table() -> None:
    # Ten and two against six stands; the dealer's sixteen must draw from 2, 3, 4, 5.
    before, table = [2, 3, 4, 5], [T, 6, 2, T]
    desk = stacked([*before, *table], game())
    _, marks, shoe, _, _, book = desk
    book[at.CARDS] = len(before) + len(table)
    marks[at.PLACE] = marks[at.START] = len(before)

    play_step(desk, 0, 1)

    assert marks[at.PLACE] == 9
    assert sorted(shoe[:4]) == before
    assert list(shoe[4:8]) == table
    assert shoe[8] in before
