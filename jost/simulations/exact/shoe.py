"""What is left in a shoe: the cards by rank, of which any may be the next with equal chance."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

# Ranks are 0 for the ace, 1 to 8 for two to nine, 9 for the ten and all faces.
ACE, TEN, RANKS = 0, 9, 10
NAMES = ("A", "2", "3", "4", "5", "6", "7", "8", "9", "10")
ONE_SUIT = (1, 1, 1, 1, 1, 1, 1, 1, 1, 4)
SUITS, CARDS_OF_A_SUIT = 4, 13

# Some cards together are one number, so that adding numbers adds cards: 6 bits for each rank.
RANK_BITS, RANK_MASK = 6, 63
UNIT = tuple(1 << RANK_BITS * rank for rank in range(RANKS))


@dataclass(frozen=True, slots=True)
class Shoe:
    """`cards` by rank. In an infinite shoe they are shares of 1, which no card dealt changes."""

    cards: tuple[float, ...]
    infinite: bool = False

    @classmethod
    def of(cls, decks: int) -> Self:
        """So many full decks; 0 is an infinite shoe."""
        if decks == 0:
            return cls(tuple(number / CARDS_OF_A_SUIT for number in ONE_SUIT), infinite=True)
        return cls(tuple(float(number * SUITS * decks) for number in ONE_SUIT))

    @property
    def total(self) -> float:
        return sum(self.cards)

    @property
    def taken(self) -> int:
        """How many cards of its rank are gone once a card is dealt."""
        return 0 if self.infinite else 1

    def chance(self, rank: int) -> float:
        """That the next card is of this rank."""
        return self.cards[rank] / self.total

    def without(self, *ranks: int) -> "Shoe":
        if self.infinite:
            return self
        left = list(self.cards)
        for rank in ranks:
            left[rank] -= 1
        return Shoe(tuple(left))

    def chance_of_all(self, rank: int, *, cards: int) -> float:
        """That so many cards at places named beforehand are all of this rank."""
        chance = 1.0
        for dealt in range(cards):
            gone = dealt * self.taken
            chance *= max(self.cards[rank] - gone, 0) / max(self.total - gone, 1)
        return chance

    def ranks(self) -> Iterator[int]:
        """Those of which there are cards."""
        return (rank for rank in range(RANKS) if self.cards[rank] > 0)
