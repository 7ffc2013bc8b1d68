"""One round against one upcard, from the deal on: blackjacks, surrender, splits, all by a chart."""

from collections.abc import Iterator

from jost.simulations.engine.chart import Code

from .hands import SOFT, all_hands
from .line import Line
from .moves import SPLITS, SURRENDERS
from .products import products_of_split
from .shoe import Shoe

BLACKJACK = SOFT + 21


def two_cards(shoe: Shoe) -> Iterator[tuple[int, int, float]]:
    """The ranks of each two cards, the lower first, and their chance."""
    for first in shoe.ranks():
        rest = shoe.without(first)
        for second in rest.ranks():
            if second >= first:
                orders = 1 if second == first else 2
                yield first, second, orders * shoe.chance(first) * rest.chance(second)


def against(line: Line) -> float:
    """The mean over all two cards of the player."""
    line.count_splits(rank for rank in line.shoe.ranks() if line.moves.splits(rank))
    return sum(
        chance * round_of(line, first, second) for first, second, chance in two_cards(line.shoe)
    )


def round_of(line: Line, first: int, second: int) -> float:
    """What these two cards are worth before anybody looks at the hole card."""
    hand = all_hands().of(first, second)
    state = all_hands().states[hand]
    dealers = line.blackjack(first, second)
    if state == BLACKJACK:
        return float(line.rules.blackjack_tenths / 10) ** line.power * (1.0 - dealers)
    code = line.moves.codes[state]
    if first == second:
        code = line.moves.pairs[first]
        if code is Code.NO_SPLIT:
            code = line.moves.codes[state]
    if code in SURRENDERS and line.rules.surrender != "none":
        return surrendered(line, blackjack=dealers)
    value = line.first(hand, code) if code not in SPLITS else line.split(first)
    if code in SPLITS and line.power == 2:
        # Its square is that of each hand, and each hand times each other.
        value += products_of_split(line, first)
    return value + lost_to_blackjack(line, blackjack=dealers)


def lost_to_blackjack(line: Line, *, blackjack: float) -> float:
    """The one bet, where the dealer has looked before any other was made."""
    return line.loss * blackjack if line.rules.dealer_peeks else 0.0


def surrendered(line: Line, *, blackjack: float) -> float:
    """Half the bet; late, the whole bet is lost to a dealer's blackjack, peek or not."""
    half: float = (-0.5) ** line.power
    if line.rules.surrender == "early":
        return half
    return half * (1.0 - blackjack) + line.loss * blackjack
