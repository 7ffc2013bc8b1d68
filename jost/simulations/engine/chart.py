"""What a player does: a code for each hand and upcard, as a rules file or a CSV spells it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Self, TypeAlias

from .rules import RulesError, require_known, shown

# The columns of a chart, in their order.
UPCARDS = ("2", "3", "4", "5", "6", "7", "8", "9", "10", "A")
HARD_ROWS = tuple(str(total) for total in range(5, 18))
SOFT_ROWS = tuple(f"A{other}" for other in range(2, 10))
PAIR_ROWS = ("22", "33", "44", "55", "66", "77", "88", "99", "1010", "AA")
# No row is in two parts, so its name alone says which part it belongs to.
PARTS = {"hard": HARD_ROWS, "soft": SOFT_ROWS, "pairs": PAIR_ROWS}
# How hands without a row are played, where somebody may look for one.
ROWLESS = {"hard": "; 4 is played as 5, and 18 or more stands", "soft": "", "pairs": ""}


class Code(StrEnum):
    """What a cell of a chart may say.

    What the rules do not allow plays its else: a surrender without surrender, a double on three
    cards. A pair that may not be split (again) is played as its total; so is one with NO_SPLIT.
    """

    HIT = "H"
    STAND = "S"
    DOUBLE_OR_HIT = "D"
    DOUBLE_OR_STAND = "Ds"
    SPLIT = "P"
    NO_SPLIT = "N"
    SURRENDER_OR_HIT = "Rh"
    SURRENDER_OR_STAND = "Rs"
    SURRENDER_OR_SPLIT = "Rp"


# Only a pair can be split.
OF_PAIRS = (Code.SPLIT, Code.NO_SPLIT, Code.SURRENDER_OR_SPLIT)
# What is played where there is no surrender, by the code that surrenders.
ELSES = {
    Code.SURRENDER_OR_HIT: Code.HIT,
    Code.SURRENDER_OR_STAND: Code.STAND,
    Code.SURRENDER_OR_SPLIT: Code.SPLIT,
}

# One code for each of UPCARDS.
Row = tuple[Code, ...]
# By part, then by row; a rules file may leave parts and rows out.
Rows: TypeAlias = Mapping[str, Mapping[str, Row]]


@dataclass(frozen=True, slots=True)
class Chart:
    """A whole chart: each of HARD_ROWS, SOFT_ROWS and PAIR_ROWS has its row.

    Hard 4 (two twos that may not be split again) is played as hard 5, hard 18 to 21 stand; soft 12
    (two aces that may not be split) hits, soft 21 stands.
    """

    hard: Mapping[str, Row]
    soft: Mapping[str, Row]
    pairs: Mapping[str, Row]

    @classmethod
    def from_rows(cls, rows: Rows, *, rest: "Chart | None" = None) -> Self:
        """The rows given, what they leave out from `rest`, in the order of PARTS."""
        others: Rows = rest.parts if rest else {}

        def part(name: str) -> dict[str, Row]:
            given, other = rows.get(name, {}), others.get(name, {})
            return {hand: given[hand] if hand in given else other[hand] for hand in PARTS[name]}

        return cls(hard=part("hard"), soft=part("soft"), pairs=part("pairs"))

    @property
    def parts(self) -> dict[str, Mapping[str, Row]]:
        return {"hard": self.hard, "soft": self.soft, "pairs": self.pairs}

    def code(self, hand: str, *, upcard: str) -> Code:
        """What the cell of row `hand` and column `upcard` says."""
        return self.parts[part_of(hand)][hand][UPCARDS.index(upcard)]

    def to_dict(self) -> dict[str, dict[str, list[str]]]:
        """As a rules file has it under `strategy`."""
        return {
            part: {name: [str(code) for code in row] for name, row in rows.items()}
            for part, rows in self.parts.items()
        }


def part_of(hand: str) -> str:
    """The part of a chart that has the row `hand`; KeyError if none has."""
    for part, names in PARTS.items():
        if hand in names:
            return part
    raise KeyError(hand)


def read_rows(values: object) -> dict[str, dict[str, Row]]:
    """Check what a rules file has under `strategy`; RulesError names the cell and the repair."""
    parts = _object(values, path="strategy", example='{"hard": {"16": ["S", ...]}}')
    require_known(parts, PARTS, prefix="strategy.")
    return {part: dict(_read_part(parts[part], part=part)) for part in PARTS if part in parts}


def missing_rows(rows: Rows) -> list[str]:
    """The paths of the rows that are left out, in the order of a chart."""
    return [
        f"{part}.{name}"
        for part, names in PARTS.items()
        for name in names
        if name not in rows.get(part, {})
    ]


def read_code(value: object, *, part: str, path: str, cell: str) -> Code:
    """Check one code for a hand of `part`; `cell` is how the error calls its place."""
    fitting = [str(code) for code in Code if part == "pairs" or code not in OF_PAIRS]
    if isinstance(value, str) and value in fitting:
        return Code(value)
    of_pairs = isinstance(value, str) and value in OF_PAIRS
    wrong = f"{shown(value)} is {'for pairs' if of_pairs else 'no code'}"
    raise RulesError(f"{cell}: {wrong}; use one of {', '.join(fitting)}.", field=path)


def _read_part(values: object, *, part: str) -> Iterator[tuple[str, Row]]:
    path = f"strategy.{part}"
    first = PARTS[part][0]
    rows = _object(values, path=path, example=f'{{"{first}": ["H", ...]}}')
    for name in rows:
        if name not in PARTS[part]:
            raise RulesError(
                f"{path} has no row {name}: take one of {', '.join(PARTS[part])}{ROWLESS[part]}.",
                field=f"{path}.{name}",
            )
    for name in PARTS[part]:
        if name in rows:
            yield name, _read_row(rows[name], part=part, path=f"{path}.{name}")


def _read_row(values: object, *, part: str, path: str) -> Row:
    if not isinstance(values, Sequence) or isinstance(values, str):
        raise RulesError(
            f"{path} must be a list of ten codes, for the dealer's 2 to 10 and ace.", field=path
        )
    if len(values) != len(UPCARDS):
        raise RulesError(
            f"{path} has {len(values)} codes; give ten, for the dealer's 2 to 10 and ace.",
            field=path,
        )
    return tuple(
        read_code(value, part=part, path=f"{path}.{upcard}", cell=f"{path} against {upcard}")
        for upcard, value in zip(UPCARDS, values, strict=True)
    )


def _object(values: object, *, path: str, example: str) -> Mapping[str, object]:
    if not isinstance(values, Mapping):
        raise RulesError(f"{path} must be an object such as {example}.", field=path)
    return values
