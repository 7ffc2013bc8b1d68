"""What a chart says against one upcard: the move on two cards, and whether a later hand is hit."""

from dataclasses import dataclass
from enum import StrEnum

from jost.simulations.engine.chart import UPCARDS, Chart, Code
from jost.simulations.engine.rules import Rules, RulesError

from .hands import SOFT, STATES
from .shoe import ACE, NAMES

HARD_ROWS, SOFT_ROWS = range(5, 18), range(13, 21)
SOFT_TWELVE = SOFT + 12

HITS = frozenset({Code.HIT, Code.DOUBLE_OR_HIT, Code.SURRENDER_OR_HIT})
DOUBLES = frozenset({Code.DOUBLE_OR_HIT, Code.DOUBLE_OR_STAND})
SPLITS = frozenset({Code.SPLIT, Code.SURRENDER_OR_SPLIT})
SURRENDERS = frozenset({Code.SURRENDER_OR_HIT, Code.SURRENDER_OR_STAND, Code.SURRENDER_OR_SPLIT})


class Move(StrEnum):
    """What is done with a hand."""

    HIT = "hit"
    STAND = "stand"
    DOUBLE = "double"
    SPLIT = "split"
    SURRENDER = "surrender"


def row_of(state: int) -> tuple[str, str] | None:
    """The part and the row of a chart that decide a hand; None where no chart has a say."""
    if state >= SOFT:
        return ("soft", f"A{state - SOFT - 11}") if state - SOFT in SOFT_ROWS else None
    return ("hard", str(max(state, HARD_ROWS[0]))) if state < HARD_ROWS.stop else None


def pair_row(rank: int) -> str:
    return NAMES[rank] * 2


def may_double(state: int, *, rules: Rules) -> bool:
    """Whether the rules let any hand of these two cards be doubled, split or not."""
    lowest = {"any": 0, "9-11": 9, "10-11": 10}[rules.double_on]
    return lowest == 0 or lowest <= state <= 11


@dataclass(slots=True)
class Moves:
    """A column of a chart. `codes` by state, `pairs` by rank: NO_SPLIT plays it as its total."""

    codes: dict[int, Code]
    pairs: list[Code]

    @classmethod
    def of(cls, chart: Chart, *, up: int) -> "Moves":
        column = UPCARDS.index(NAMES[up])
        codes = {}
        for state in STATES:
            row = row_of(state)
            codes[state] = cls.default(state)
            if row is not None:
                part, name = row
                codes[state] = {"hard": chart.hard, "soft": chart.soft}[part][name][column]
                if codes[state] in SPLITS or codes[state] is Code.NO_SPLIT:
                    raise RulesError(
                        f"strategy.{part}.{name} against {NAMES[up]}: {codes[state]} is for pairs; "
                        "use one of H, S, D, Ds, Rh, Rs.",
                        field=f"strategy.{part}.{name}.{NAMES[up]}",
                    )
        return cls(codes, [chart.pairs[pair_row(rank)][column] for rank in range(len(NAMES))])

    @staticmethod
    def default(state: int) -> Code:
        """Where no chart has a say: soft 12 is hit, hard 18 and soft 21 stand."""
        return Code.HIT if state == SOFT_TWELVE else Code.STAND

    def hits(self, state: int) -> bool:
        """Whether a hand of three cards or more takes another."""
        return self.codes[state] in HITS

    def splits(self, rank: int) -> bool:
        return self.pairs[rank] in SPLITS

    def of_pair(self, rank: int, *, state: int) -> Code:
        """For a pair that is not split or may not be: what else its cell says, or its total's."""
        code = self.pairs[rank]
        if code is Code.NO_SPLIT or code in SPLITS:
            return self.codes[state]
        return code


def ends_on_split(rank: int, *, rules: Rules) -> bool:
    """Whether each hand of this split gets one card and no more."""
    return rank == ACE and not rules.hit_split_aces


def most_hands(rank: int, *, rules: Rules) -> int:
    return 2 if rank == ACE and not rules.resplit_aces else rules.max_hands
