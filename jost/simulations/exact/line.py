"""Rounds against one upcard: what a hand is worth that is played by given moves."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from jost.simulations.engine.chart import Code
from jost.simulations.engine.rules import Rules

from .dealer import DEALER_BLACKJACK, DEALER_BUST, LOWEST, Ends, blackjack_rank, ends_without
from .hands import BUST, all_hands, total_of
from .moves import DOUBLES, HITS, Moves, ends_on_split, may_double, most_hands
from .shoe import RANKS, UNIT, Shoe
from .splits import OTHER, terms_of


class Spreads:
    """How the dealer ends, by the cards that are gone from the shoe; each is enumerated once."""

    def __init__(self, shoe: Shoe, *, up: int, hits_soft_17: bool) -> None:
        self.shoe, self.up, self.hits_soft_17 = shoe, up, hits_soft_17
        self.known: dict[int, Ends] = {}
        self.know(all_hands().keys)

    def know(self, keys: Iterable[int]) -> None:
        """Many at once cost far less than each alone."""
        new = [key for key in dict.fromkeys(keys) if key not in self.known]
        found = ends_without(self.shoe, new, up=self.up, hits_soft_17=self.hits_soft_17)
        self.known.update(zip(new, found, strict=True))


@dataclass(slots=True, kw_only=True)
class Line:
    """Values are means over all orders of the unseen cards, the dealer's blackjacks among them.

    Where he peeks, hands count nothing in the orders in which he has one: what it takes is the
    one bet, however they would have gone on, and only `whole` adds it. With `power` 2 the values
    are those of the squared payoff.
    """

    rules: Rules
    up: int
    shoe: Shoe  # without the upcard and what is gone
    moves: Moves
    spreads: Spreads
    gone: int = 0
    power: int = 1
    _played: dict[int, float] = field(default_factory=dict)

    def without(self, rank: int, *, cards: int) -> "Line":
        """The same moves from a shoe that lacks so many more of a rank."""
        return Line(
            rules=self.rules,
            up=self.up,
            shoe=self.shoe.without(*[rank] * cards),
            moves=self.moves,
            spreads=self.spreads,
            gone=self.gone + cards * UNIT[rank],
            power=self.power,
        )

    @property
    def loss(self) -> float:
        return (-1.0) ** self.power

    def blackjack(self, *ranks: int) -> float:
        """The chance that the dealer has one, while the player holds these cards."""
        hole = blackjack_rank(self.up)
        return 0.0 if hole is None else self.shoe.without(*ranks).chance(hole)

    # Hands, from the first two cards on.

    def first(self, hand: int, code: Code) -> float:
        """Play two cards as dealt, but for a split and a surrender."""
        return self._two_cards(hand, code, doubles=True)

    def _two_cards(self, hand: int, code: Code, *, doubles: bool) -> float:
        if code in DOUBLES and doubles and may_double(all_hands().states[hand], rules=self.rules):
            return self.double(hand)
        return self.hit(hand) if code in HITS else self.stand(hand)

    def double(self, hand: int) -> float:
        return 2.0**self.power * self._drawn(hand, self.stand)

    def hit(self, hand: int) -> float:
        return self._drawn(hand, self.played)

    def played(self, hand: int) -> float:
        """Play on with three cards or more."""
        value = self._played.get(hand)
        if value is None:
            hits = self.moves.hits(all_hands().states[hand])
            value = self._played[hand] = self.hit(hand) if hits else self.stand(hand)
        return value

    def stand(self, hand: int) -> float:
        table = all_hands()
        ends = self.spreads.known[table.keys[hand] + self.gone]
        score = total_of(table.states[hand]) - LOWEST
        won = ends[DEALER_BUST] + sum(ends[: max(score, 0)])
        lost = sum(ends[max(score + 1, 0) : DEALER_BUST])
        if not self.rules.dealer_peeks:
            lost += ends[DEALER_BLACKJACK]
        return won + lost * self.loss

    def _drawn(self, hand: int, value: Callable[[int], float]) -> float:
        """The mean over the next card."""
        table = all_hands()
        counts, after, taken = table.counts[hand], table.after[hand], self.shoe.taken
        left = self.shoe.total - taken * table.sizes[hand]
        mean = 0.0
        for rank in range(RANKS):
            cards = self.shoe.cards[rank] - taken * counts[rank]
            if cards > 0:
                further = after[rank]
                mean += cards * (
                    value(further) if further != BUST else self._bust(hand, rank, left=left)
                )
        return mean / left

    def _bust(self, hand: int, rank: int, *, left: float) -> float:
        """Too many with a card of `rank`, when so many cards were left."""
        hole = blackjack_rank(self.up)
        if hole is None or not self.rules.dealer_peeks:
            return self.loss
        taken = self.shoe.taken
        holes = self.shoe.cards[hole] - taken * (all_hands().counts[hand][hole] + (rank == hole))
        return self.loss * (1.0 - max(holes, 0) / max(left - taken, 1))

    # Splits: `rank` is that of the pair, which is still in the shoe.

    def split(self, rank: int) -> float:
        """The sum over all hands that come of it."""
        rest = self.shoe.without(rank, rank)
        value = 0.0
        for (gone, own), number in terms_of(most_hands(rank, rules=self.rules), together=1).items():
            chance = rest.chance_of_all(rank, cards=gone)
            if chance > 0:
                line = self.without(rank, cards=1 + gone)
                value += number * chance * line.hand_of_split(rank, other=own == OTHER)
        return value

    def hand_of_split(self, rank: int, *, other: bool) -> float:
        """One hand of a split, over its second cards: any, or each that is not of the rank."""
        shoe = self.shoe.without(rank)
        return sum(
            shoe.chance(second) * self._split_two_cards(rank, second)
            for second in shoe.ranks()
            if not (other and second == rank)
        )

    def _split_two_cards(self, rank: int, second: int) -> float:
        table = all_hands()
        hand = table.after[rank][second]
        if ends_on_split(rank, rules=self.rules):
            return self.stand(hand)
        state = table.states[hand]
        code = self.moves.codes[state]
        if second == rank:
            code = self.moves.of_pair(rank, state=state)
        return self._two_cards(hand, code, doubles=self.rules.double_after_split)

    def know_splits(self, ranks: Iterable[int]) -> None:
        """Enumerate together how the dealer ends against all hands of these splits."""
        keys: set[int] = set()
        for rank in ranks:
            terms = terms_of(most_hands(rank, rules=self.rules), together=1)
            most = 1 + max(gone for gone, _ in terms)
            for hand in self._stood(rank):
                key = all_hands().keys[hand]
                keys.update(key + number * UNIT[rank] for number in range(1, most + 1))
        self.spreads.know(keys)

    def _stood(self, rank: int) -> set[int]:
        """All hands that a hand of this split may stand with."""
        after, states = all_hands().after, all_hands().states
        stood: set[int] = set()
        hit: set[int] = set()
        waiting = [hand for hand in after[rank] if hand != BUST]
        for hand in waiting[:]:
            stood.add(hand)
            if not ends_on_split(rank, rules=self.rules):
                # Any of them may be doubled or hit, whatever is said of longer hands.
                waiting += [further for further in after[hand] if further != BUST]
                stood.update(further for further in after[hand] if further != BUST)
        while waiting:
            hand = waiting.pop()
            if not self.moves.hits(states[hand]):
                stood.add(hand)
            elif hand not in hit:
                hit.add(hand)
                waiting += [further for further in after[hand] if further != BUST]
        return stood
