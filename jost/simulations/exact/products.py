"""Two hands of one split against the same dealer: the mean product of their payoffs. Needs NumPy.

The payoff of a hand is written as a sum over the cards it can hold at its end, with a weight for
each end of the dealer. The product of two such sums is one over the cards that both hold; the
dealer then draws from what they leave.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any

from .dealer import AT_ONCE, DEALER_BLACKJACK, DEALER_BUST, RESULTS, draws, ends, np
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
    names = list(parts)
    cards = np.concatenate([parts[name][0] for name in names])
    weights = np.concatenate([parts[name][1] for name in names])
    part_of = np.repeat(np.arange(len(names)), [len(parts[name][0]) for name in names])
    shares: dict[int, Any] = defaultdict(lambda: np.zeros(len(names)))
    terms = terms_of(most_hands(rank, rules=line.rules), together=2)
    for (gone, own), number in terms.items():
        for name, times in own_parts[own].items():
            shares[gone][names.index(name)] += 2 * number * times
    chances = {
        gone: chance
        * share[part_of]
        * _chances(line.shoe.without(*[rank] * (2 + gone)), cards - 2 * UNIT[rank])
        for gone, share in shares.items()
        if (chance := rest.chance_of_all(rank, cards=gone)) > 0
    }
    return _mean(line, rank, cards, weights, chances=chances)


def _mean(line: Line, rank: int, cards: Any, weights: Any, *, chances: Mapping[int, Any]) -> float:
    """Of a sum over what two hands of a split hold, with their chances for each number of the
    rank that is gone besides."""
    if line.shoe.infinite:
        found = ends(line.shoe, up=line.up, hits_soft_17=line.rules.dealer_hits_soft_17)
        return float(sum(chances.values()) @ weights @ np.array(found))
    batches = [slice(at, at + AT_ONCE) for at in range(0, len(cards), AT_ONCE)]
    return sum(
        Dealers(line, rank, cards[some], {gone: each[some] for gone, each in chances.items()}).mean(
            weights[some]
        )
        for some in batches
    )


class Dealers:
    """All ends of the dealer, from many shoes, for each number of a rank that is gone besides.

    Only two factors of a dealer's hand depend on that number: how many cards of the rank he has,
    and how many in all. So his hands are enumerated once for all numbers.
    """

    def __init__(self, line: Line, rank: int, cards: Any, chances: Mapping[int, Any]) -> None:
        shoe = line.stands.shoe
        held = [cards >> RANK_BITS * each & RANK_MASK for each in range(RANKS)]
        self.tree = draws(line.up, hits_soft_17=line.rules.dealer_hits_soft_17)
        self.rank = rank
        self.left = [number - n for number, n in zip(shoe.cards, held, strict=True)]
        self.total = shoe.total - sum(held)
        self.chances = chances
        self._factors: dict[tuple[int, int], Any] = {}
        self._downs: dict[tuple[bool, int, int], Any] = {}
        self._lefts: dict[tuple[int, int], Any] = {}

    def mean(self, weights: Any) -> float:
        """The sum over all shoes and ends, by `weights` of a shoe and an end."""
        # He busts where he does nothing else.
        busts = weights[:, DEALER_BUST]
        by_end = [weights[:, end] - busts for end in range(len(RESULTS))]
        mean = float(busts @ self._factor(0, 0))
        weighted: dict[tuple[int, int, int], Any] = {}
        ones = np.ones(len(weights))
        products: list[Any] = []
        of_rank: list[int] = []
        for draw in self.tree:
            product = products[draw.before] if draw.before >= 0 else ones
            same = of_rank[draw.before] if draw.before >= 0 else 0
            if draw.rank == self.rank:
                same += 1
            else:
                product = product * self._left(draw.rank, draw.held)
            of_rank.append(same)
            products.append(product if draw.result is None else None)
            if draw.result is not None:
                kind = (draw.result, same, draw.size)
                if kind not in weighted:
                    weighted[kind] = by_end[draw.result] * self._factor(same, draw.size)
                mean += draw.orders * float(np.dot(weighted[kind], product))
        return mean

    def _left(self, rank: int, held: int) -> Any:
        if (rank, held) not in self._lefts:
            self._lefts[rank, held] = self.left[rank] - held
        return self._lefts[rank, held]

    def _factor(self, same: int, size: int) -> Any:
        """What the numbers of cards contribute, over all numbers of the rank that may be gone."""
        if (same, size) not in self._factors:
            factor = np.zeros(len(self.total))
            for gone, chance in self.chances.items():
                of_rank = self._down(self.left[self.rank], gone, same)
                factor += chance * of_rank / np.maximum(self._down(self.total, gone, size), 1.0)
            self._factors[same, size] = factor
        return self._factors[same, size]

    def _down(self, number: Any, gone: int, factors: int) -> Any:
        """(number - gone) x (number - gone - 1) x ..., of so many factors."""
        key = (number is self.total, gone, factors)
        if key not in self._downs:
            product = np.ones(len(number))
            if factors:
                less = gone + factors - 1
                product = self._down(number, gone, factors - 1) * np.maximum(number - less, 0.0)
            self._downs[key] = product
        return self._downs[key]


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
    chances: Any = 1.0
    size: Any = 0
    for rank in range(RANKS):
        cards = keys >> RANK_BITS * rank & RANK_MASK
        chances = chances * _falling(shoe.cards[rank], shoe, most=int(cards.max()))[cards]
        size = size + cards
    orders = np.maximum(_falling(shoe.total, shoe, most=int(size.max())), 1.0)
    return chances / orders[size]


def _falling(cards: float, shoe: Shoe, *, most: int) -> Any:
    """cards x (cards - 1) x ..., by the number of factors."""
    return np.concatenate(
        ([1.0], np.cumprod(np.maximum(cards - shoe.taken * np.arange(most), 0.0)))
    )
