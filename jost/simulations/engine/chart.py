"""What a player does: a code for each hand and upcard, as a rules file or a CSV spells it."""

from dataclasses import dataclass
from enum import StrEnum

# The columns of a chart, in their order.
UPCARDS = ("2", "3", "4", "5", "6", "7", "8", "9", "10", "A")
HARD_ROWS = tuple(str(total) for total in range(5, 18))
SOFT_ROWS = tuple(f"A{other}" for other in range(2, 10))
PAIR_ROWS = ("22", "33", "44", "55", "66", "77", "88", "99", "1010", "AA")


class Code(StrEnum):
    """What a cell of a chart may say."""

    HIT = "H"
    STAND = "S"
    DOUBLE_OR_HIT = "D"
    DOUBLE_OR_STAND = "Ds"
    SPLIT = "P"
    NO_SPLIT = "N"  # play the pair as its total
    SURRENDER_OR_HIT = "Rh"
    SURRENDER_OR_STAND = "Rs"
    SURRENDER_OR_SPLIT = "Rp"


# One code for each of UPCARDS.
Row = tuple[Code, ...]


@dataclass(frozen=True, slots=True)
class Chart:
    """A whole chart: each of HARD_ROWS, SOFT_ROWS and PAIR_ROWS has its row.

    Hard 4 (two twos that may not be split again) is played as hard 5, hard 18 to 21 stand; soft 12
    (two aces that may not be split) is played as A2's first code would be a hit, soft 21 stands.
    """

    hard: dict[str, Row]
    soft: dict[str, Row]
    pairs: dict[str, Row]

    def to_dict(self) -> dict[str, dict[str, list[str]]]:
        """As a rules file has it under `strategy`."""
        parts = {"hard": self.hard, "soft": self.soft, "pairs": self.pairs}
        return {
            part: {name: [str(code) for code in row] for name, row in rows.items()}
            for part, rows in parts.items()
        }
