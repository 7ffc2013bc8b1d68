"""Rounds against one upcard: what a hand is worth that is played by given moves."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any

from jost.simulations.engine.chart import Code
from jost.simulations.engine.rules import Rules

from .dealer import DEALER_BLACKJACK, DEALER_BUST, Ends, blackjack_rank, ends, ends_without
from .hands import BUST, SCORES, all_hands
from .moves import DOUBLES, HITS, Move, Moves, ends_on_split, may_double, most_hands
from .shoe import RANKS, UNIT, Shoe
from .splits import OTHER, terms_of

NOTHING = (0,) * RANKS


class Stands:
    """What standing is worth, by the cards that are gone from the shoe; each is counted once.

    A row has the values by score, from 16 or less to 21, then those of the squared payoff. Where
    the dealer peeks, his blackjacks count nothing.
    """

    def __init__(self, shoe: Shoe, *, up: int, rules: Rules) -> None:
        self.shoe, self.up, self.rules = shoe, up, rules
        self.rows: dict[int, tuple[float, ...]] = {}
        self.count(all_hands().keys)

    def count(self, keys: Iterable[int]) -> None:
        """Many at once cost far less than each alone."""
        hits_soft_17 = self.rules.dealer_hits_soft_17
        if self.shoe.infinite:
            row = tuple(self._row(ends(self.shoe, up=self.up, hits_soft_17=hits_soft_17)))
            self.rows.update(dict.fromkeys(keys, row))
            return
        new = [key for key in dict.fromkeys(keys) if key not in self.rows]
        found = ends_without(self.shoe, new, up=self.up, hits_soft_17=hits_soft_17)
        self.rows.update(zip(new, chain.from_iterable(map(self._rows, found)), strict=True))

    def _rows(self, found: Ends) -> Iterator[tuple[float, ...]]:
        columns = self._row(found)
        if isinstance(columns[0], float):
            return iter([tuple(columns)])
        return zip(*(column.tolist() for column in columns), strict=True)

    def _row(self, found: Ends) -> list[Any]:
        blackjack = 0.0 if self.rules.dealer_peeks else found[DEALER_BLACKJACK]
        lost = blackjack + sum(found[:DEALER_BUST])
        won = found[DEALER_BUST]
        values, squares = [won - lost], [won + lost]
        for same in range(DEALER_BUST):
            lost = lost - found[same]
            values.append(won - lost)
            squares.append(won + lost)
            won = won + found[same]
        return values + squares


@dataclass(slots=True, kw_only=True)
class Line:
    """Values are means over all orders of the unseen cards, the dealer's blackjacks among them.

    Where he peeks, hands count nothing in the orders in which he has one: what it takes is the
    one bet, however they would have gone on, and `rounds` adds it. With `power` 2 the values are
    those of the squared payoff, and `split` is that of each hand by itself.
    """

    rules: Rules
    up: int
    shoe: Shoe  # without the upcard and what is gone
    moves: Moves
    stands: Stands
    gone: int = 0
    power: int = 1
    _played: "Played" = field(init=False)
    _without: dict[tuple[int, int], "Line"] = field(init=False)

    def __post_init__(self) -> None:
        self._played, self._without = Played(self), {}

    def without(self, rank: int, *, cards: int) -> "Line":
        """The same moves from a shoe that lacks so many more of a rank."""
        if (rank, cards) not in self._without:
            self._without[rank, cards] = Line(
                rules=self.rules,
                up=self.up,
                shoe=self.shoe.without(*[rank] * cards),
                moves=self.moves,
                stands=self.stands,
                gone=self.gone + cards * UNIT[rank],
                power=self.power,
            )
        return self._without[rank, cards]

    def squared(self) -> "Line":
        """The same for the squared payoff."""
        return replace(self, power=2)

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
        return self._value(hand, self._move(hand, code, doubles=True))

    def _move(self, hand: int, code: Code, *, doubles: bool) -> Move:
        if code in DOUBLES and doubles and may_double(all_hands().states[hand], rules=self.rules):
            return Move.DOUBLE
        return Move.HIT if code in HITS else Move.STAND

    def _value(self, hand: int, move: Move) -> float:
        return {Move.DOUBLE: self.double, Move.HIT: self.hit, Move.STAND: self.stand}[move](hand)

    def double(self, hand: int) -> float:
        return 2.0**self.power * self._drawn(hand, self.stand)

    def hit(self, hand: int) -> float:
        return self._drawn(hand, self._played.__getitem__)

    def stand(self, hand: int) -> float:
        table = all_hands()
        row = self.stands.rows[table.keys[hand] + self.gone]
        return row[table.scores[hand] + (SCORES if self.power == 2 else 0)]

    def _drawn(self, hand: int, value: Callable[[int], float]) -> float:
        """The mean over the next card."""
        table = all_hands()
        held = self._held(hand)
        left = self.shoe.total - sum(held)
        mean, safe = 0.0, 0.0
        # Ranks that do not bust come first.
        for cards, own, further in zip(self.shoe.cards, held, table.after[hand], strict=True):
            if further == BUST:
                break
            number = cards - own
            if number > 0:
                safe += number
                mean += number * value(further)
        return (mean + self.loss * self._busts(hand, left - safe, left=left)) / left

    def _busts(self, hand: int, high: float, *, left: float) -> float:
        """How many of the `high` cards count: less the share where the dealer has a blackjack."""
        hole = blackjack_rank(self.up)
        if hole is None or not self.rules.dealer_peeks:
            return high
        holes = max(self.shoe.cards[hole] - self._held(hand)[hole], 0)
        others = high - self.shoe.taken * (all_hands().after[hand][hole] == BUST)
        return high - holes * others / max(left - self.shoe.taken, 1)

    def _held(self, hand: int) -> tuple[int, ...]:
        """The cards that the shoe lacks, by rank."""
        return NOTHING if self.shoe.infinite else all_hands().counts[hand]

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
            shoe.chance(second)
            * self._value(all_hands().after[rank][second], self.split_move(rank, second))
            for second in shoe.ranks()
            if not (other and second == rank)
        )

    def split_move(self, rank: int, second: int) -> Move:
        """What is done with a hand of a split that gets this second card and is not split again."""
        if ends_on_split(rank, rules=self.rules):
            return Move.STAND
        hand = all_hands().after[rank][second]
        state = all_hands().states[hand]
        code = self.moves.codes[state]
        if second == rank:
            code = self.moves.of_pair(rank, state=state)
        return self._move(hand, code, doubles=self.rules.double_after_split)

    def count_splits(self, ranks: Iterable[int]) -> None:
        """Enumerate together how the dealer ends against all hands of these splits."""
        keys: set[int] = set()
        for rank in ranks:
            terms = terms_of(most_hands(rank, rules=self.rules), together=1)
            most = 1 + max(gone for gone, _ in terms)
            for hand in self._stood(rank):
                key = all_hands().keys[hand]
                keys.update(key + number * UNIT[rank] for number in range(1, most + 1))
        self.stands.count(keys)

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


class Played(dict[int, float]):
    """What a hand is worth that is played on as one of three cards or more; counted when asked."""

    def __init__(self, line: Line) -> None:
        self.line = line

    def __missing__(self, hand: int) -> float:
        line = self.line
        hits = line.moves.hits(all_hands().states[hand])
        value = self[hand] = line.hit(hand) if hits else line.stand(hand)
        return value
