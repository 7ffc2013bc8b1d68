"""Every hand a player can hold without having bust, and what each card makes of it."""

from dataclasses import dataclass
from functools import cache

from .shoe import ACE, RANKS, UNIT

# A hand's state is its hard total, or SOFT more than its soft one.
SOFT = 32
BUST = -1
LIMIT = 21
# A hand's score is what its total is against the dealer's: 0 for 16 and less, 5 for 21.
LOWEST_SCORE, SCORES = 16, 6


def state_of(hard_total: int, *, aces: int) -> int:
    """An ace counts 11 while it can."""
    return SOFT + hard_total + 10 if aces and hard_total <= 11 else hard_total


def total_of(state: int) -> int:
    return state - SOFT if state >= SOFT else state


# The states in an order in which a further card leads only to one that came before.
STATES = (*range(LIMIT, 10, -1), *range(SOFT + LIMIT, SOFT + 10, -1), *range(10, 0, -1))


@dataclass(frozen=True, slots=True)
class Hands:
    """All hands by number, one card or more; the order of a hand's cards does not matter.

    `keys` are their cards as one number, `after[hand][rank]` the hand with one more card or BUST.
    """

    keys: tuple[int, ...]
    counts: tuple[tuple[int, ...], ...]
    sizes: tuple[int, ...]
    states: tuple[int, ...]
    after: tuple[tuple[int, ...], ...]
    scores: tuple[int, ...]
    by_state: dict[int, tuple[int, ...]]

    def of(self, *ranks: int) -> int:
        hand = ranks[0]
        for rank in ranks[1:]:
            hand = self.after[hand][rank]
        return hand


@cache
def all_hands() -> Hands:
    """Some 3,000; the hand of one card has the number of its rank."""
    counts = [tuple(int(rank == held) for rank in range(RANKS)) for held in range(RANKS)]
    hard_totals = [rank + 1 for rank in range(RANKS)]
    known = {cards: hand for hand, cards in enumerate(counts)}
    after = []
    hand = 0
    while hand < len(counts):
        row = []
        for rank in range(RANKS):
            hard_total = hard_totals[hand] + rank + 1
            if hard_total > LIMIT:
                row.append(BUST)
                continue
            cards = tuple(n + (rank == at) for at, n in enumerate(counts[hand]))
            if cards not in known:
                known[cards] = len(counts)
                counts.append(cards)
                hard_totals.append(hard_total)
            row.append(known[cards])
        after.append(tuple(row))
        hand += 1
    states = [
        state_of(total, aces=cards[ACE]) for total, cards in zip(hard_totals, counts, strict=True)
    ]
    return Hands(
        keys=tuple(sum(n * unit for n, unit in zip(cards, UNIT, strict=True)) for cards in counts),
        counts=tuple(counts),
        sizes=tuple(sum(cards) for cards in counts),
        states=tuple(states),
        after=tuple(after),
        scores=tuple(max(total_of(state) - LOWEST_SCORE, 0) for state in states),
        by_state={
            state: tuple(hand for hand, held in enumerate(states) if held == state)
            for state in STATES
        },
    )
