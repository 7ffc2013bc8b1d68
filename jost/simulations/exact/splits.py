"""How splitting goes on: which second cards the hands of a split get, and how often.

Cards are dealt to the hands of a split in an order that depends on the hands, but any unseen card
is as good as any other: the second cards may be thought to lie at places named beforehand. So all
that a hand has to know of the others is how many of their second cards are of the pair's rank,
and how many are not. "These are not" is turned into "these are" by inclusion and exclusion; then
a hand is played from a shoe without some more cards of that rank, and nothing is approximated.
"""

from collections import Counter
from collections.abc import Iterator
from functools import cache
from itertools import combinations
from math import comb

# A second card: of the pair's rank, and split again; another; any, once no more may be split.
PAIR, OTHER, ANY = "P", "N", "X"

# How often a term counts, by how many cards of the rank are gone, and the second cards it is of.
Terms = dict[tuple[int, str], int]


def patterns(most_hands: int) -> Iterator[str]:
    """The second cards in their order, for each way that splitting can go."""
    yield from _continued("", hands=2, waiting=2, most_hands=most_hands)


def _continued(dealt: str, *, hands: int, waiting: int, most_hands: int) -> Iterator[str]:
    if waiting == 0:
        yield dealt
    elif hands == most_hands:
        yield from _continued(dealt + ANY, hands=hands, waiting=waiting - 1, most_hands=most_hands)
    else:
        yield from _continued(
            dealt + PAIR, hands=hands + 1, waiting=waiting + 1, most_hands=most_hands
        )
        yield from _continued(
            dealt + OTHER, hands=hands, waiting=waiting - 1, most_hands=most_hands
        )


@cache
def terms_of(most_hands: int, *, together: int) -> Terms:
    """For a sum over all hands (1), all pairs of different hands (2), or all ways to split (0)."""
    terms: Counter[tuple[int, str]] = Counter()
    for pattern in patterns(most_hands):
        places = [place for place, card in enumerate(pattern) if card != PAIR]
        for chosen in combinations(places, together):
            own = "".join(sorted(pattern[place] for place in chosen))
            others = pattern.count(OTHER) - own.count(OTHER)
            pairs = pattern.count(PAIR)
            for wrong in range(others + 1):
                terms[pairs + wrong, own] += (-1) ** wrong * comb(others, wrong)
    return {term: number for term, number in terms.items() if number}
