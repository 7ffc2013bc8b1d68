"""Total-dependent basic strategy for the given rules: the chart for four decks or more, then
what other rules change in it.

Every entry agrees with an exact analysis of the two-card hands (see docs/simulations.md).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Self

from .rules import Rules

UPCARDS = "23456789TA"


class Move(Enum):
    HIT = "H"
    STAND = "S"
    DOUBLE_OR_HIT = "D"
    DOUBLE_OR_STAND = "d"


# One letter per upcard, 2 to ace. Dealer stands on soft 17, four decks or more.
HARD = {
    **dict.fromkeys(range(4, 9), "HHHHHHHHHH"),
    9: "HDDDDHHHHH",
    10: "DDDDDDDDHH",
    11: "DDDDDDDDDH",
    12: "HHSSSHHHHH",
    **dict.fromkeys(range(13, 17), "SSSSSHHHHH"),
    **dict.fromkeys(range(17, 22), "SSSSSSSSSS"),
}
SOFT = {
    12: "HHHHHHHHHH",  # Two aces that may not be split again.
    **dict.fromkeys((13, 14), "HHHDDHHHHH"),
    **dict.fromkeys((15, 16), "HHDDDHHHHH"),
    17: "HDDDDHHHHH",
    18: "SddddSSHHH",
    **dict.fromkeys((19, 20, 21), "SSSSSSSSSS"),
}
PAIRS = {
    1: "PPPPPPPPPP",
    2: "..PPPP....",
    3: "..PPPP....",
    4: "..........",
    5: "..........",
    6: ".PPPP.....",
    7: "PPPPPP....",
    8: "PPPPPPPPPP",
    9: "PPPPP.PP..",
    10: "..........",
}
# Doubling after a split makes these worth splitting too.
PAIRS_DAS = {2: "PPPPPP....", 3: "PPPPPP....", 4: "...PP.....", 6: "PPPPP....."}


@dataclass(frozen=True, slots=True)
class Chart:
    """What the player does: rows of one letter per upcard, and the hard totals surrendered."""

    hard_rows: dict[int, str]
    soft_rows: dict[int, str]
    pair_rows: dict[int, str]
    surrendered: frozenset[tuple[int, int]]

    @classmethod
    def of(cls, rules: Rules) -> Self:
        hard = HARD | _hard_changes(rules)
        soft = SOFT | _soft_changes(rules)
        pairs = PAIRS | _pair_changes(rules)
        if rules.late_surrender and _surrenders_eights(rules):
            pairs[8] = pairs[8][:-1] + "."
        return cls(hard, soft, pairs, frozenset(_surrendered(rules)))

    def hard(self, total: int, *, up: int) -> Move:
        return Move(self.hard_rows[total][_column(up)])

    def soft(self, total: int, *, up: int) -> Move:
        return Move(self.soft_rows[total][_column(up)])

    def splits(self, rank: int, *, up: int) -> bool:
        return self.pair_rows[rank][_column(up)] == "P"

    def surrenders(self, total: int, *, up: int) -> bool:
        return (total, up) in self.surrendered


def _column(up: int) -> int:
    return 9 if up == 1 else up - 2


def _hard_changes(rules: Rules) -> dict[int, str]:
    changes: dict[int, str] = {}
    if rules.decks <= 2 or rules.hit_soft_17:
        changes[11] = "DDDDDDDDDD"
    if rules.decks <= 2:
        changes[9] = "DDDDDHHHHH"
    if rules.decks == 1:
        changes[8] = "HHHDDHHHHH"
    return changes


def _soft_changes(rules: Rules) -> dict[int, str]:
    changes: dict[int, str] = {}
    if rules.hit_soft_17:
        changes[18] = "dddddSSHHH"
        changes[19] = "SSSSdSSSSS"
        if rules.decks == 2:
            changes[14] = "HHDDDHHHHH"
    if rules.decks == 1:
        changes |= dict.fromkeys((13, 14), "HHDDDHHHHH")
        changes[17] = "DDDDDHHHHH"
        changes[18] = "SddddSSHHH" if rules.hit_soft_17 else "SddddSSHHS"
        changes[19] = "SSSSdSSSSS"
    return changes


def _pair_changes(rules: Rules) -> dict[int, str]:
    changes: dict[int, str] = {}
    if rules.double_after_split:
        changes |= PAIRS_DAS
        if rules.decks <= 2:
            changes[6] = "PPPPPP...."
            changes[7] = "PPPPPPP..."
        if rules.decks == 1:
            changes[3] = "PPPPPPP..."
            changes[4] = "..PPP....."
            if rules.hit_soft_17:
                changes[9] = "PPPPP.PP.P"
    else:
        if rules.decks <= 2:
            changes[6] = "PPPPP....."
        if rules.decks == 1:
            changes[2] = ".PPPPP...."
    return changes


def _surrendered(rules: Rules) -> Iterable[tuple[int, int]]:
    yield from ((16, 10), (16, 1))
    if rules.decks >= 2:
        yield (15, 10)
    if rules.decks >= 4:
        yield (16, 9)
    if rules.hit_soft_17:
        yield from ((15, 1), (17, 1))


def _surrenders_eights(rules: Rules) -> bool:
    """Two eights against an ace: surrendered instead of split."""
    if not rules.hit_soft_17 or rules.decks == 1:
        return False
    return rules.decks >= 3 or not rules.double_after_split
