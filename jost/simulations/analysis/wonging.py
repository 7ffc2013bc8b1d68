"""In what share of the rounds at each true count a player who comes and goes is in.

Where one count decides both, it is all or none. Where they differ, being in between the two depends
on where the shoe has been, which a tally does not keep: those shares come from a model of the
count alone, the same for everyone who asks.
"""

from collections.abc import Iterator
from functools import lru_cache
from itertools import accumulate
from math import floor, trunc
from random import Random

from jost.simulations.betting import Bets
from jost.simulations.engine.counting import Count
from jost.simulations.engine.game import Game
from jost.simulations.engine.rules import CARDS_PER_DECK, Rules
from jost.simulations.engine.tally import MAX_COUNT, MIN_COUNT

from .counts import CARDS_PER_HAND, rounds_per_shoe

SHOES = 1_000
CARDS_OF_A_SUIT = (1, 1, 1, 1, 1, 1, 1, 1, 1, 4)
SUITS = 4


def shares_played(bets: Bets, *, game: Game) -> dict[int, float]:
    """The share of rounds in which the player bets, by true count; 1 where none is named."""
    if bets.wong_in is None and bets.wong_out is None:
        return {}
    counts = range(MIN_COUNT, MAX_COUNT + 1)
    shares = {count: 1.0 if count >= bets.in_from else 0.0 for count in counts}
    if bets.out_below < bets.in_from and game.count is not None:
        shares |= _between(game.rules, game.count, bets.in_from, bets.out_below)
    return shares


@lru_cache(maxsize=32)
def _between(rules: Rules, count: Count, in_from: int, out_below: int) -> dict[int, float]:
    """The shares at counts from `out_below` to below `in_from`, from the same SHOES every time."""
    rounds = dict.fromkeys(range(out_below, in_from), 0)
    played = dict(rounds)
    for path in _paths(rules, count):
        is_in = False
        for at in path:
            is_in = at >= in_from or (is_in and at >= out_below)
            if at in rounds:
                rounds[at] += 1
                played[at] += is_in
    return {at: played[at] / seen if seen else 0.0 for at, seen in rounds.items()}


def _paths(rules: Rules, count: Count) -> Iterator[list[int]]:
    """The true counts before the rounds of a shoe, which uses about as many cards as a game."""
    tags = [
        tag
        for tag, cards in zip(count.tags, CARDS_OF_A_SUIT, strict=True)
        for _ in range(cards * SUITS * rules.decks)
    ]
    random = Random(1)  # noqa: S311 - cards, not keys
    rounds = rules.dealing.rounds_per_shoe or round(rounds_per_shoe(rules))
    for _ in range(SHOES):
        random.shuffle(tags)
        # Read backwards a shoe is another one.
        for shoe in (tags, tags[::-1]):
            seen = list(accumulate(shoe, initial=count.initial_at(rules.decks) * count.scale))
            place, path = 0, []
            for _ in range(rounds):
                path.append(_true_count(seen[place], left=len(shoe) - place, count=count))
                cards = CARDS_PER_HAND * (rules.spots + 1) + random.uniform(-1.5, 1.5)
                place = min(place + round(cards), len(shoe) - 1)
            yield path


def _true_count(running: int, *, left: int, count: Count) -> int:
    points = running / count.scale
    if count.divided:
        points *= CARDS_PER_DECK / left
    whole = floor(points) if count.rounding == "floor" else trunc(points)
    return max(MIN_COUNT, min(whole, MAX_COUNT))
