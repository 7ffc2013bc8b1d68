"""Two hands of one split against the same dealer: the mean product of their payoffs. Needs NumPy.

The payoff of a hand is written as a sum over the cards it can hold at its end, with a weight for
each end of the dealer. The product of two such sums is one over the cards that both hold; the
dealer then draws from what they leave.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any

from .dealer import DEALER_BLACKJACK, RESULTS, ends, ends_without, np
from .hands import BUST, all_hands
from .line import Line
from .moves import Move, most_hands
from .shoe import RANK_BITS, RANK_MASK, RANKS, UNIT, Shoe
from .splits import ANY, OTHER, terms_of

# Of one hand: by its cards, a weight for each of the dealer's RESULTS.
Sum = dict[int, Any]


def products_of_split(line: Line, rank: int) -> float:
    """The mean of the sum of products of the payoffs of each two different hands of a split."""
    rest = line.shoe.without(rank, rank)
    others, again = _payoff_sums(line, rank)
    parts = {
        "NN": _product(others, others),
        "NP": _product(others, again),
        "PP": _product(again, again),
    }
    # What is any card is another or one of the rank, for each of two hands.
    own_parts = {
        OTHER * 2: {"NN": 1},
        OTHER + ANY: {"NN": 1, "NP": 1},
        ANY * 2: {"NN": 1, "NP": 2, "PP": 1},
    }
    terms = terms_of(most_hands(rank, rules=line.rules), together=2)
    found: dict[str, list[tuple[int, float]]] = defaultdict(list)
    for (gone, own), number in terms.items():
        for part, times in own_parts[own].items():
            found[part].append((gone, 2.0 * number * times * rest.chance_of_all(rank, cards=gone)))
    return sum(
        share * _mean(line, rank, *parts[part], gone=gone)
        for part, shares in found.items()
        for gone, share in shares
        if share
    )


def _mean(line: Line, rank: int, cards: Any, weights: Any, *, gone: int) -> float:
    """Of a sum over what two hands of a split hold, when so many more of the rank are gone."""
    shoe = line.shoe.without(*[rank] * (2 + gone))
    weights = weights * _chances(shoe, cards - 2 * UNIT[rank])[:, None]
    hits_soft_17 = line.rules.dealer_hits_soft_17
    if shoe.infinite:
        return float(weights.sum(axis=0) @ ends(shoe, up=line.up, hits_soft_17=hits_soft_17))
    total, start = 0.0, 0
    keys = cards + gone * UNIT[rank]
    for found in ends_without(line.stands.shoe, keys, up=line.up, hits_soft_17=hits_soft_17):
        end = start + len(found[0])
        total += sum(float(weights[start:end, at] @ chances) for at, chances in enumerate(found))
        start = end
    return total


def _payoff_sums(line: Line, rank: int) -> tuple[Any, Any]:
    """Of a hand whose second card is another, and of one whose second is of the rank again."""
    found = []
    for again in (False, True):
        terms: Sum = defaultdict(lambda: np.zeros(len(RESULTS)))
        for second in range(RANKS):
            if (second == rank) == again:
                _add_hand(
                    terms, line, all_hands().after[rank][second], line.split_move(rank, second)
                )
        found.append((np.array(list(terms), dtype=np.int64), np.array(list(terms.values()))))
    return found[0], found[1]


def _add_hand(terms: Sum, line: Line, hand: int, move: Move) -> None:
    """All ways on from two cards.

    The bets are lost at first, and given back with what is won to every hand that has not bust:
    so the hands that have, most of all, need not be told apart.
    """
    table = all_hands()
    bets = 2 if move is Move.DOUBLE else 1
    terms[table.keys[hand]] -= bets * _counted(line)
    reached = Counter({hand: 1})
    if move is Move.STAND:
        _add_stands(terms, line, reached, bets=bets)
    while move is not Move.STAND and reached:
        further = _one_more(reached)
        stood = {
            each: orders
            for each, orders in further.items()
            if move is Move.DOUBLE or not line.moves.hits(table.states[each])
        }
        _add_stands(terms, line, stood, bets=bets)
        reached = Counter({each: orders for each, orders in further.items() if each not in stood})


def _one_more(hands: Mapping[int, int]) -> Counter[int]:
    further: Counter[int] = Counter()
    for hand, orders in hands.items():
        for each in all_hands().after[hand]:
            if each != BUST:
                further[each] += orders
    return further


def _add_stands(terms: Sum, line: Line, hands: Mapping[int, int], *, bets: int) -> None:
    table = all_hands()
    for hand, orders in hands.items():
        payoff = _payoff(line, table.scores[hand]) + _counted(line)
        terms[table.keys[hand]] += bets * orders * payoff


def _payoff(line: Line, score: int) -> Any:
    """Of one bet, for each end of the dealer."""
    lost = 0 if line.rules.dealer_peeks else -1
    return np.array([*(np.sign(score - dealers) for dealers in range(1, 6)), 1, lost], dtype=float)


def _counted(line: Line) -> Any:
    """1 for each end of the dealer that counts: not a blackjack where he has looked for it."""
    counted = np.ones(len(RESULTS))
    if line.rules.dealer_peeks:
        counted[DEALER_BLACKJACK] = 0.0
    return counted


def _product(one: tuple[Any, Any], other: tuple[Any, Any]) -> tuple[Any, Any]:
    """Each term of the one with each of the other."""
    keys = np.add.outer(one[0], other[0]).ravel()
    distinct, places = np.unique(keys, return_inverse=True)
    columns = [
        np.bincount(
            places,
            weights=np.outer(one[1][:, end], other[1][:, end]).ravel(),
            minlength=len(distinct),
        )
        for end in range(len(RESULTS))
    ]
    return distinct, np.column_stack(columns)


def _chances(shoe: Shoe, keys: Any) -> Any:
    """That cards are dealt from the shoe in one given order."""
    chances, size = 1.0, 0
    for rank in range(RANKS):
        cards = keys >> RANK_BITS * rank & RANK_MASK
        chances = chances * _falling(shoe.cards[rank], shoe, most=int(cards.max()))[cards]
        size = size + cards
    return chances / _falling(shoe.total, shoe, most=int(size.max()))[size]


def _falling(cards: float, shoe: Shoe, *, most: int) -> Any:
    """cards x (cards - 1) x ..., by the number of factors."""
    return np.concatenate(
        ([1.0], np.cumprod(np.maximum(cards - shoe.taken * np.arange(most), 0.0)))
    )
