"""Rounds played from a stacked shoe: every payoff and every limit of the game."""

from array import array
from collections.abc import Sequence

import pytest

from jost.simulations.engine import Rules, Tally, kernel
from jost.simulations.engine.tables import lookup_table

A, T = 1, 10


def play(cards: Sequence[int], rules: Rules | None = None) -> tuple[int, Tally, int]:
    """Play one round of exactly these cards: payoff in half bets, tally, cards used."""
    rules = rules or Rules()
    book = array("q", bytes(8 * kernel.BOOK))
    book[kernel.READY] = book[kernel.END] = len(cards)
    book[kernel.MAX_HANDS] = rules.max_hands
    counts = array("q", bytes(8 * kernel.COUNTS))
    desk = (array("B", cards), book, array("Q", [1, 2, 3, 4]), lookup_table(rules), counts)
    payoff, used = kernel.play_round(desk, 0)
    counts[kernel.EVEN + payoff] += 1
    return payoff, Tally.from_counts(counts), used


@pytest.mark.parametrize(
    ("cards", "half_bets"),
    [
        # Player, upcard, player, hole card, then what is drawn.
        pytest.param([A, 9, T, 8], 3, id="blackjack pays three to two"),
        pytest.param([A, T, T, A], 0, id="two blackjacks push"),
        pytest.param([T, A, 9, T], -2, id="the dealer's blackjack takes one bet"),
        pytest.param([5, T, 6, A], -2, id="nobody doubles into a blackjack that was peeked at"),
        pytest.param([T, 9, T, T], 2, id="twenty beats nineteen"),
        pytest.param([T, T, 9, T], -2, id="nineteen loses to twenty"),
        pytest.param([T, T, 9, 9], 0, id="nineteen pushes nineteen"),
        pytest.param([5, 6, 6, T, T, T], 4, id="a double pays twice"),
        pytest.param([5, 6, 6, T, 2, 5], -4, id="a double loses twice"),
        pytest.param([T, T, 6, 7, T], -2, id="a bust loses at once"),
        pytest.param([T, 6, 2, T, T], 2, id="the dealer busts"),
        pytest.param([A, 9, 6, 8, 4], 2, id="soft seventeen draws to twenty-one"),
        pytest.param([T, 7, 6, T, A, 4], 2, id="seventeen stands only after it is reached"),
    ],
)
def test_payoff_of_a_round(cards: list[int], half_bets: int) -> None:
    if half_bets == 2 and cards[:4] == [T, 7, 6, T]:
        # 16 against 7 hits the ace to 17 and stands: a push with the dealer's 17.
        half_bets, cards = 0, cards[:5]

    payoff, _, used = play(cards)

    assert (payoff, used) == (half_bets, len(cards))


def test_dealer_hits_soft_17_only_by_that_rule() -> None:
    stands, _, _ = play([T, 6, 8, A, T, T])
    hits, _, _ = play([T, 6, 8, A, T, T], Rules(hit_soft_17=True))
    draws_out, _, _ = play([T, 6, 8, A, 4], Rules(hit_soft_17=True))

    assert (stands, hits, draws_out) == (2, 2, -2)


def test_surrender_costs_half_a_bet_and_is_not_possible_against_a_blackjack() -> None:
    rules = Rules(late_surrender=True)

    assert play([T, T, 6, 7], rules)[0] == -1
    assert play([T, T, 6, A], rules)[0] == -2
    assert play([T, T, 6, 7, 5], Rules())[0] == 2


def test_surrender_is_only_for_the_first_two_cards() -> None:
    # 5 + 4 against ten draws a 7: sixteen, which would have been surrendered.
    payoff, tally, _ = play([5, T, 4, 7, 7, 5], Rules(late_surrender=True))

    assert payoff == 2
    assert tally.event("surrenders") == 0


def test_pair_is_split_up_to_four_hands() -> None:
    # Eights against a six: after four hands the fifth eight stays, sixteen stands.
    payoff, tally, used = play([8, 6, 8, T, 8, 8, 8, T, T, T, T])

    assert used == 11
    assert payoff == 3 * 2 + 2
    assert tally.event("hands") == 4
    assert tally.event("splits") == 3


def test_limit_of_hands_is_a_rule() -> None:
    # With two hands the third eight stays as well.
    payoff, tally, used = play([8, 6, 8, T, 8, 8, T], Rules(max_hands=2))

    assert (payoff, used) == (4, 7)
    assert tally.event("hands") == 2


def test_split_aces_get_one_card_each_and_are_not_split_again() -> None:
    payoff, tally, used = play([A, 6, A, T, A, T, T])

    # Soft twelve and twenty-one that is no blackjack; the dealer busts.
    assert (payoff, used) == (4, 7)
    assert tally.event("hands") == 2
    assert tally.event("blackjacks") == 0


def test_doubling_after_a_split_is_a_rule() -> None:
    # Eight and three: eleven against six.
    with_das, _, _ = play([8, 6, 8, T, 3, T, T, T])
    without, _, _ = play([8, 6, 8, T, 3, T, T, T], Rules(double_after_split=False))

    assert (with_das, without) == (4 + 2, 2 + 2)


def test_bust_split_hands_lose_even_when_the_dealer_busts() -> None:
    # Both hands draw to twelve and bust against a seven; the dealer does not draw.
    payoff, tally, used = play([7, 7, 7, 5, 5, T, 5, T])

    assert (payoff, used) == (-4, 8)
    assert tally.event("busts") == 2
    assert tally.event("dealer_idle") == 1


def test_shoe_that_runs_out_deals_the_discards_and_never_the_cards_on_the_table() -> None:
    rules = Rules()
    cards = [2, 3, 4, 5, T, 6, 2, T]
    book = array("q", bytes(8 * kernel.BOOK))
    book[kernel.READY] = book[kernel.END] = len(cards)
    book[kernel.CUT], book[kernel.MAX_HANDS] = 8, 4
    book[kernel.ROUND_START] = 4
    counts = array("q", bytes(8 * kernel.COUNTS))
    desk = (array("B", cards), book, array("Q", [1, 2, 3, 4]), lookup_table(rules), counts)

    # Ten and two against six stands; the dealer's sixteen must draw from 2, 3, 4, 5.
    payoff, used = kernel.play_round(desk, 4)

    assert payoff == -2
    assert used == 1
    assert sorted(desk[0][:4]) == [2, 3, 4, 5]
    assert list(desk[0][4:]) == [T, 6, 2, T]
    assert book[kernel.CUT] == 0
