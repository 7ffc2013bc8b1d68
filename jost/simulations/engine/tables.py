"""Flat lookup tables for the kernel: what a card makes of a hand, and what the player does then.

A hand is one number: its hard total 0..21, BUST, or SOFT + its soft total.
"""

from array import array
from typing import TypeAlias

from .kernel import (
    ACE,
    BUST,
    CARD_ROW,
    DOUBLE,
    HIT,
    SOFT,
    STAND,
    STATES,
    SURRENDER,
)
from .rules import Rules
from .strategy import Chart, Move

# Quoted: an array takes no type argument at run time before Python 3.12.
Cells: TypeAlias = "array[int]"


def lookup_table(rules: Rules) -> Cells:
    """All tables for these rules, one behind the other."""
    chart = Chart.of(rules)
    return (
        hands_after()
        + first_moves(chart, rules)
        + split_moves(chart, rules)
        + later_moves(chart)
        + splits(chart)
        + scores()
        + dealer_draws(rules)
    )


def hand_after(state: int, *, card: int) -> int:
    """The hand that `card` makes of `state`; an ace is 1 in `card` and counts 11 while it can."""
    soft = state >= SOFT
    total = state - SOFT if soft else state
    if not soft and card == ACE and total + 11 <= 21:
        return SOFT + total + 11
    total += card
    if total <= 21:
        return SOFT + total if soft else total
    return total - 10 if soft else BUST


def hands_after() -> Cells:
    """Row per hand, column per card: the next hand."""
    table = array("B", bytes(STATES * CARD_ROW))
    for state in (*range(BUST), *range(SOFT + 11, SOFT + 22)):
        for card in range(1, 11):
            table[state * CARD_ROW + card] = hand_after(state, card=card)
    for card in range(1, 11):
        table[BUST * CARD_ROW + card] = BUST
    return table


def scores() -> Cells:
    """The total that is compared with the dealer's; 0 for a bust."""
    table = array("B", bytes(STATES))
    for total in range(22):
        table[total] = total
    for total in range(11, 22):
        table[SOFT + total] = total
    return table


def dealer_draws(rules: Rules) -> Cells:
    """1 for every hand to which the dealer takes another card."""
    table = array("B", bytes(STATES))
    for total in range(17):
        table[total] = 1
    for total in range(11, 18 if rules.hit_soft_17 else 17):
        table[SOFT + total] = 1
    return table


def first_moves(chart: Chart, rules: Rules) -> Cells:
    """Row per upcard, column per hand: the move on the two dealt cards, once not split."""
    return _moves(chart, may_double=True, may_surrender=rules.late_surrender)


def split_moves(chart: Chart, rules: Rules) -> Cells:
    """The move on the first two cards of a split hand."""
    return _moves(chart, may_double=rules.double_after_split, may_surrender=False)


def later_moves(chart: Chart) -> Cells:
    """The move on three cards or more."""
    return _moves(chart, may_double=False, may_surrender=False)


def splits(chart: Chart) -> Cells:
    """Row per upcard, column per rank: 1 where a pair is split."""
    table = array("B", bytes(CARD_ROW * CARD_ROW))
    for up in range(1, 11):
        for rank in range(1, 11):
            table[up * CARD_ROW + rank] = chart.splits(rank, up=up)
    return table


def _moves(chart: Chart, *, may_double: bool, may_surrender: bool) -> Cells:
    table = array("B", bytes(CARD_ROW * STATES))
    for up in range(1, 11):
        for total in range(4, 22):
            table[up * STATES + total] = _code(
                chart.hard(total, up=up),
                may_double=may_double,
                surrender=may_surrender and chart.surrenders(total, up=up),
            )
        for total in range(12, 22):
            table[up * STATES + SOFT + total] = _code(
                chart.soft(total, up=up), may_double=may_double, surrender=False
            )
    return table


def _code(move: Move, *, may_double: bool, surrender: bool) -> int:
    if surrender:
        return SURRENDER
    if move in (Move.DOUBLE_OR_HIT, Move.DOUBLE_OR_STAND) and may_double:
        return DOUBLE
    return HIT if move in (Move.HIT, Move.DOUBLE_OR_HIT) else STAND
