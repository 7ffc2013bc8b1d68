"""How the dealer ends, by the exact enumeration of all hands that he can draw."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from .hands import LIMIT, SOFT, state_of, total_of
from .shoe import ACE, NAMES, RANK_BITS, RANK_MASK, RANKS, TEN, Shoe


def _numpy() -> Any:
    try:
        import numpy as np
    except ImportError:  # slower by some twenty times, to the same figures
        return None
    return np


np = _numpy()

# The ends in their order: 17 to 21, bust, blackjack.
RESULTS = ("17", "18", "19", "20", "21", "bust", "blackjack")
LOWEST, DEALER_BUST, DEALER_BLACKJACK = 17, 5, 6
# No dealer draws more cards than this beyond his upcard.
MOST_DRAWN = 12

# How many shoes are worked on at once: as many as stay in the processor's cache.
AT_ONCE = 4096

# The chance of each of RESULTS, of one shoe or of many at once.
Ends = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Draw:
    """One hand on the dealer's way, as the cards beyond the upcard, in whatever order they came.

    It is hand `before` and a card of `rank`, of which he drew `held` before; it has `size` cards.
    `orders` is in how many orders he draws it, `result` where in RESULTS he ends with it.
    """

    before: int
    rank: int
    held: int
    size: int
    orders: int
    result: int | None


@cache
def draws(up: int, *, hits_soft_17: bool) -> tuple[Draw, ...]:
    """All hands after the upcard but busts; each comes behind the one it is made of."""
    found: list[Draw] = []
    # What he has to draw to: its number in `found`, and in how many orders it comes about.
    level: dict[tuple[int, ...], tuple[int, int]] = {(0,) * RANKS: (-1, 1)}
    while level:
        reached: dict[tuple[int, ...], list[int]] = {}
        for cards, (number, orders) in level.items():
            for rank in range(RANKS):
                more = tuple(n + (rank == at) for at, n in enumerate(cards))
                known = reached.setdefault(more, [number, rank, cards[rank], 0])
                known[3] += orders
        level = {}
        for cards, (before, rank, held, orders) in reached.items():
            result = _result(up, cards, hits_soft_17=hits_soft_17)
            if result == DEALER_BUST:
                continue
            if result is None:
                level[cards] = (len(found), orders)
            found.append(Draw(before, rank, held, sum(cards), orders, result))
    return tuple(found)


def _result(up: int, cards: tuple[int, ...], *, hits_soft_17: bool) -> int | None:
    hard_total = up + 1 + sum((rank + 1) * n for rank, n in enumerate(cards))
    if hard_total > LIMIT:
        return DEALER_BUST
    state = state_of(hard_total, aces=cards[ACE] + (up == ACE))
    total = total_of(state)
    if sum(cards) == 1 and total == LIMIT:
        return DEALER_BLACKJACK
    if total < LOWEST or (hits_soft_17 and state == SOFT + LOWEST):
        return None
    return total - LOWEST


def blackjack_rank(up: int) -> int | None:
    """The hole card that makes a blackjack of this upcard."""
    return {ACE: TEN, TEN: ACE}.get(up)


def ends(shoe: Shoe, *, up: int, hits_soft_17: bool) -> Ends:
    """How the dealer ends who draws from `shoe`, which is already without his upcard."""
    tree = draws(up, hits_soft_17=hits_soft_17)
    return _walk(tree, shoe.cards, total=shoe.total, taken=shoe.taken)


def ends_without(shoe: Shoe, keys: Sequence[int], *, up: int, hits_soft_17: bool) -> Iterator[Ends]:
    """The same for each of `keys`: the shoe without those cards.

    With NumPy for many at once: each chance is then an array, and all together are in their order.
    """
    tree = draws(up, hits_soft_17=hits_soft_17)
    for gone in _batches(keys):
        columns = [gone >> RANK_BITS * rank & RANK_MASK for rank in range(RANKS)]
        cards = [number - n for number, n in zip(shoe.cards, columns, strict=True)]
        yield _walk(tree, cards, total=shoe.total - sum(columns), taken=1)


def _batches(keys: Sequence[int]) -> Iterator[Any]:
    if np is None:
        yield from keys
    else:
        for start in range(0, len(keys), AT_ONCE):
            yield np.array(keys[start : start + AT_ONCE], dtype=np.int64)


def _walk(tree: tuple[Draw, ...], cards: Sequence[Any], *, total: Any, taken: int) -> Ends:
    """The chance of each end; `cards` and `total` are numbers, or arrays of one for each shoe."""
    sums: list[Any] = [0.0 * total] * len(RESULTS)
    chances: list[Any] = []
    # A shoe without cards has no next one: what is divided there is nought.
    lots = [1.0 / _at_least_one(total - taken * size) for size in range(MOST_DRAWN)]
    next_is: dict[tuple[int, int, int], Any] = {}
    for draw in tree:
        card = (draw.rank, draw.held, draw.size)
        if card not in next_is:
            next_is[card] = (cards[draw.rank] - taken * draw.held) * lots[draw.size - 1]
        chance = next_is[card]
        if draw.before >= 0:
            chance = chances[draw.before] * chance
        if draw.result is None:
            chances.append(chance)
        else:
            chances.append(None)
            sums[draw.result] = sums[draw.result] + draw.orders * chance
    sums[DEALER_BUST] = 1.0 - sum(sums)
    return tuple(sums)


def _at_least_one(number: Any) -> Any:
    if isinstance(number, int | float):
        return max(number, 1.0)
    return number.clip(min=1)


def dealer_table(decks: int, *, hits_soft_17: bool) -> dict[str, dict[str, float]]:
    """Upcard, result, chance: before the peek, from a full shoe less the upcard."""
    shoe = Shoe.of(decks)
    return {
        NAMES[up]: dict(
            zip(
                RESULTS,
                ends(shoe.without(up), up=up, hits_soft_17=hits_soft_17),
                strict=True,
            )
        )
        for up in range(RANKS)
    }
