"""Plays that depend on the count: from which true count on a hand is played differently."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from .chart import ELSES, PARTS, UPCARDS, Chart, Code, part_of, read_code
from .rules import RulesError, meant, require_known, shown
from .tally import MAX_COUNT, MIN_COUNT

INSURANCE = "insurance"
HANDS = (INSURANCE, *(name for names in PARTS.values() for name in names))
KEYS = ("hand", "upcard", "at_least", "below", "play")
MOST_PLAYS = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexPlay:
    """At a true count of `index` or more (`at_least`; else: below it) play `code` instead.

    `hand` is a row of the chart ("16", "A7", "1010") or "insurance", which has neither `upcard`
    nor `code`. What plays mean together for a cell is said at `chart_at`.
    """

    hand: str
    index: int
    upcard: str | None = None
    code: Code | None = None
    at_least: bool = True

    @classmethod
    def from_dict(cls, values: object, *, path: str) -> Self:
        """Read one play of a rules file; RulesError names the key and the repair."""
        if not isinstance(values, Mapping):
            raise RulesError(
                f"{path} must be a name such as {', '.join(SETS)}, or an object such as "
                '{"hand": "16", "upcard": "10", "at_least": 0, "play": "S"}.',
                field=path,
            )
        require_known(values, KEYS, prefix=f"{path}.")
        hand = _one_of(HANDS, values=values, key="hand", path=path)
        index, at_least = _index(values, path=path)
        if hand == INSURANCE:
            _refuse_for_insurance(values, at_least=at_least, path=path)
            return cls(hand=hand, index=index)
        upcard = _one_of(UPCARDS, values=values, key="upcard", path=path)
        code = read_code(
            values.get("play"), part=part_of(hand), path=f"{path}.play", cell=f"{path}.play"
        )
        return cls(hand=hand, upcard=upcard, code=code, index=index, at_least=at_least)

    def to_dict(self) -> dict[str, Any]:
        """As a rules file has it in `index_plays`."""
        bound = {"at_least" if self.at_least else "below": self.index}
        if self.hand == INSURANCE:
            return {"hand": self.hand, **bound}
        return {"hand": self.hand, "upcard": self.upcard, **bound, "play": str(self.code)}

    @property
    def cell(self) -> tuple[str, str | None]:
        return self.hand, self.upcard

    @property
    def surrenders(self) -> bool:
        return self.code in ELSES

    def applies(self, count: int) -> bool:
        return (count >= self.index) is self.at_least

    def __str__(self) -> str:
        when = f"at {self.index:+d} or more" if self.at_least else f"below {self.index:+d}"
        if self.hand == INSURANCE:
            return f"insurance {when}"
        return f"{self.hand} against {self.upcard}: {self.code} {when}"


def read_plays(values: object) -> tuple[IndexPlay, ...]:
    """Read `index_plays`: names and objects. A later play replaces an earlier one of its kind."""
    if not isinstance(values, Sequence) or isinstance(values, str):
        raise RulesError(
            f"index_plays must be a list, such as {list(SETS)} or of objects.", field="index_plays"
        )
    if len(values) > MOST_PLAYS:
        raise RulesError(
            f"index_plays has {len(values)} entries; give {MOST_PLAYS} at most.",
            field="index_plays",
        )
    plays: dict[object, IndexPlay] = {}
    for place, value in enumerate(values):
        for play in _named_or_own(value, path=f"index_plays.{place}"):
            kind = (play.cell, play.at_least, play.surrenders)
            # Taken out first: what is written later is also decided later.
            plays.pop(kind, None)
            plays[kind] = play
    return tuple(plays.values())


def plays_to_list(plays: Sequence[IndexPlay], *, named: bool = True) -> list[Any]:
    """As a rules file has them, whole sets by their names; if not `named`, each by itself."""
    listed: list[Any] = []
    place = 0
    sets = SETS if named else {}
    while place < len(plays):
        for name, known in sets.items():
            if tuple(plays[place : place + len(known)]) == known:
                listed.append(name)
                place += len(known)
                break
        else:
            listed.append(plays[place].to_dict())
            place += 1
    return listed


def chart_at(chart: Chart, plays: Iterable[IndexPlay], *, count: int) -> Chart:
    """The chart that is played at a true count of `count`.

    In each cell, plays that surrender say whether the cell does, at every count: where none of
    them applies it does not, whatever the chart says. All other plays that apply replace what is
    played without surrender, in their order; NO_SPLIT plays the total's cell in everything. So
    "surrender 15 against 10 at 0 or more" and "stand at 4 or more" go together: below 0 no
    surrender, from 4 on a surrender or else a stand.
    """
    by_cell: dict[tuple[str, str], list[IndexPlay]] = {}
    for play in plays:
        if play.upcard is not None:
            by_cell.setdefault((play.hand, play.upcard), []).append(play)
    rows: dict[str, dict[str, tuple[Code, ...]]] = {
        part: dict(hands) for part, hands in chart.parts.items()
    }
    for (hand, upcard), changes in by_cell.items():
        part, column = part_of(hand), UPCARDS.index(upcard)
        row = list(rows[part][hand])
        row[column] = _code_at(row[column], plays=changes, count=count)
        rows[part][hand] = tuple(row)
    return Chart.from_rows(rows)


def insurance_index(plays: Iterable[IndexPlay]) -> int | None:
    """From which true count on insurance is taken; None for never."""
    return next((play.index for play in plays if play.hand == INSURANCE), None)


def _code_at(code: Code, *, plays: Sequence[IndexPlay], count: int) -> Code:
    surrender = code in ELSES
    without = ELSES.get(code, code)
    if any(play.surrenders for play in plays):
        surrender = False
    for play in plays:
        if play.surrenders and play.applies(count) and play.code is not None:
            surrender, without = True, ELSES[play.code]
    for play in plays:
        if not play.surrenders and play.applies(count) and play.code is not None:
            without = play.code
    # Who plays a pair as its total does so in everything, surrender too.
    return _surrender_or(without) if surrender and without != Code.NO_SPLIT else without


def _surrender_or(without: Code) -> Code:
    """The code that surrenders, else plays `without`; there is none for a double, so its else."""
    if without == Code.SPLIT:
        return Code.SURRENDER_OR_SPLIT
    stands = without in (Code.STAND, Code.DOUBLE_OR_STAND)
    return Code.SURRENDER_OR_STAND if stands else Code.SURRENDER_OR_HIT


def _named_or_own(value: object, *, path: str) -> Iterator[IndexPlay]:
    if not isinstance(value, str):
        yield IndexPlay.from_dict(value, path=path)
        return
    if value not in SETS:
        raise RulesError(
            f"{path}: there are no index plays named {value}: {meant(value, SETS)}", field=path
        )
    yield from SETS[value]


def _one_of(choices: Sequence[str], *, values: Mapping[str, Any], key: str, path: str) -> str:
    """A hand or an upcard; 16 is as good as "16"."""
    given = values.get(key)
    whole = isinstance(given, int) and not isinstance(given, bool)
    name = str(given) if whole else given
    if not isinstance(name, str) or name not in choices:
        wrong = "is missing" if given is None else f"is {shown(given)}"
        raise RulesError(
            f"{path}.{key} {wrong}: {meant(str(name), choices)}", field=f"{path}.{key}"
        )
    return name


def _index(values: Mapping[str, Any], *, path: str) -> tuple[int, bool]:
    given = [key for key in ("at_least", "below") if key in values]
    if len(given) != 1:
        raise RulesError(
            f"{path} must have either at_least or below: the true count from which on, or below "
            "which, it is played.",
            field=f"{path}.at_least",
        )
    index = values[given[0]]
    whole = isinstance(index, int) and not isinstance(index, bool)
    if not whole or not MIN_COUNT <= index <= MAX_COUNT:
        raise RulesError(
            f"{path}.{given[0]} must be a whole number from {MIN_COUNT} to {MAX_COUNT}.",
            field=f"{path}.{given[0]}",
        )
    return index, given[0] == "at_least"


def _refuse_for_insurance(values: Mapping[str, Any], *, at_least: bool, path: str) -> None:
    for key in ("upcard", "play"):
        if key in values:
            raise RulesError(
                f"{path}.{key}: insurance is always against an ace and has no code; leave it out.",
                field=f"{path}.{key}",
            )
    if not at_least:
        raise RulesError(
            f"{path}.below: insurance is taken from a true count on; use at_least.",
            field=f"{path}.below",
        )


# Hi-Lo's indices as Don Schlesinger's "Blackjack Attack" made them known, for several decks where
# the dealer stands on soft 17.
_FROM_ON = (
    ("16", "10", 0, Code.STAND),
    ("15", "10", 4, Code.STAND),
    ("1010", "5", 5, Code.SPLIT),
    ("1010", "6", 4, Code.SPLIT),
    ("10", "10", 4, Code.DOUBLE_OR_HIT),
    ("12", "3", 2, Code.STAND),
    ("12", "2", 3, Code.STAND),
    ("11", "A", 1, Code.DOUBLE_OR_HIT),
    ("9", "2", 1, Code.DOUBLE_OR_HIT),
    ("10", "A", 4, Code.DOUBLE_OR_HIT),
    ("9", "7", 3, Code.DOUBLE_OR_HIT),
    ("16", "9", 5, Code.STAND),
)
# Basic strategy stands on these.
_HIT_BELOW = (("13", "2", -1), ("12", "4", 0), ("12", "5", -2), ("12", "6", -1), ("13", "3", -2))
_SURRENDER_FROM = (("14", "10", 3), ("15", "10", 0), ("15", "9", 2), ("15", "A", 1))

ILLUSTRIOUS_18 = (
    IndexPlay(hand=INSURANCE, index=3),
    *(
        IndexPlay(hand=hand, upcard=upcard, index=index, code=code)
        for hand, upcard, index, code in _FROM_ON
    ),
    *(
        IndexPlay(hand=hand, upcard=upcard, index=index, code=Code.HIT, at_least=False)
        for hand, upcard, index in _HIT_BELOW
    ),
)
FAB_4 = tuple(
    IndexPlay(hand=hand, upcard=upcard, index=index, code=Code.SURRENDER_OR_HIT)
    for hand, upcard, index in _SURRENDER_FROM
)
SETS = {"illustrious-18": ILLUSTRIOUS_18, "fab-4": FAB_4}
