"""A counting system: what each card adds to the running count, and how a true count is made."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, Self

from .rules import RulesError, meant, require_known, shown

# The cards of `tags`, in their order.
CARDS = ("A", "2", "3", "4", "5", "6", "7", "8", "9", "10")
TRUE_COUNTS = ("floor", "truncate", "none")
MOST_TAG = 5
MOST_INITIAL = 100
LONGEST_NAME = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """Tags by rank, ace first and ten last, in units of 1/`scale` (Wong Halves has `scale` 2).

    The true count is the running count by the decks that have not been seen, rounded down
    (`floor`) or towards zero (`truncate`); for a system that is not `divided`, such as KO, the
    running count stands in its place. A shoe begins at `initial` + `initial_per_deck` times decks,
    in whole points whatever the scale.
    """

    name: str
    tags: tuple[int, int, int, int, int, int, int, int, int, int]
    scale: int = 1
    divided: bool = True
    rounding: str = "floor"
    initial: int = 0
    initial_per_deck: int = 0

    @classmethod
    def from_value(cls, value: object) -> Self:
        """Read what a rules file has under `counting`: a name, or an object."""
        if isinstance(value, str):
            value = {"system": value}
        if not isinstance(value, Mapping):
            raise RulesError(
                'counting must be null, a name such as "hi-lo", or an object with "system" or '
                '"tags".',
                field="counting",
            )
        return cls._named(value) if "system" in value else cls._own(value)

    @classmethod
    def _named(cls, values: Mapping[str, Any]) -> Self:
        require_known(values, ("system", "true_count"), prefix="counting.")
        name = values["system"]
        system = SYSTEMS.get(name) if isinstance(name, str) else None
        if system is None:
            raise RulesError(
                f"There is no counting system {name}: {meant(str(name), SYSTEMS)} "
                'For a system of your own give "name" and "tags".',
                field="counting.system",
            )
        true_count = _true_count(values.get("true_count", system.true_count))
        if not system.divided and true_count != "none":
            raise RulesError(
                f"counting.true_count must be none for {name}, which is played by its running "
                "count: leave it out.",
                field="counting.true_count",
            )
        return cls._rounded(system, true_count=true_count)

    @classmethod
    def _own(cls, values: Mapping[str, Any]) -> Self:
        known = ("system", "name", "tags", "true_count", "initial", "initial_per_deck")
        require_known(values, known, prefix="counting.")
        tags = _tags(values.get("tags"))
        scale = max(tag.denominator for tag in tags)
        own = cls(
            name=_name(values.get("name", "own")),
            tags=tuple(int(tag * scale) for tag in tags),  # type: ignore[arg-type]  # ten of them
            scale=scale,
            initial=_initial(values, name="initial"),
            initial_per_deck=_initial(values, name="initial_per_deck"),
        )
        return cls._rounded(own, true_count=_true_count(values.get("true_count", "floor")))

    @classmethod
    def _rounded(cls, system: "Count", *, true_count: str) -> Self:
        divided = true_count != "none"
        rounding = true_count if divided else "floor"
        return replace(system, divided=divided, rounding=rounding)  # type: ignore[return-value]

    @property
    def true_count(self) -> str:
        """As a rules file says it: floor, truncate or none."""
        return self.rounding if self.divided else "none"

    @property
    def is_hi_lo(self) -> bool:
        """Whether published indices of Hi-Lo are right for it."""
        return self.divided and self.tags == HI_LO.tags and self.initial_at(1) == 0

    def initial_at(self, decks: int) -> int:
        """The running count of a new shoe, in points."""
        return self.initial + self.initial_per_deck * decks

    def to_dict(self) -> dict[str, Any]:
        """As a rules file has it under `counting`."""
        system = SYSTEMS.get(self.name)
        if system and replace(self, divided=system.divided, rounding=system.rounding) == system:
            return {"system": self.name, "true_count": self.true_count}
        return {
            "name": self.name,
            "tags": {
                card: _number(tag, scale=self.scale)
                for card, tag in zip(CARDS, self.tags, strict=True)
            },
            "true_count": self.true_count,
            "initial": self.initial,
            "initial_per_deck": self.initial_per_deck,
        }

    def __str__(self) -> str:
        return TITLES.get(self.name, self.name)


def _tags(values: object) -> list[Fraction]:
    if not isinstance(values, Mapping):
        raise RulesError(
            'counting.tags must be an object with a number for each card, such as {"A": -1, '
            '"2": 1, ..., "10": -1}.',
            field="counting.tags",
        )
    require_known(values, CARDS, prefix="counting.tags.")
    for card in CARDS:
        if card not in values:
            raise RulesError(
                f"counting.tags.{card} is missing: give every card a number, 0 if it does not "
                "count.",
                field=f"counting.tags.{card}",
            )
    tags = [_tag(values[card], card=card) for card in CARDS]
    if not any(tags):
        raise RulesError(
            "counting.tags are all 0, so nothing is counted: leave counting out.",
            field="counting.tags",
        )
    return tags


def _tag(value: object, *, card: str) -> Fraction:
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= MOST_TAG:
        tag = Fraction(value)
        if tag.denominator <= 2:  # whole or half
            return tag
    raise RulesError(
        f"counting.tags.{card} must be a whole or half number from -{MOST_TAG} to {MOST_TAG}; "
        f"it is {shown(value)}.",
        field=f"counting.tags.{card}",
    )


def _number(tag: int, *, scale: int) -> int | float:
    return tag // scale if tag % scale == 0 else tag / scale


def _name(value: object) -> str:
    name = value.strip() if isinstance(value, str) else ""
    if not 0 < len(name) <= LONGEST_NAME or not name.isprintable():
        raise RulesError(
            f"counting.name must be a text of 1 to {LONGEST_NAME} characters, all of them visible.",
            field="counting.name",
        )
    if name in SYSTEMS:
        raise RulesError(
            f'counting.name {name} is that of a known system: say {{"system": "{name}"}}, or '
            "name yours otherwise.",
            field="counting.name",
        )
    return name


def _true_count(value: object) -> str:
    if value not in TRUE_COUNTS:
        raise RulesError(
            f"counting.true_count must be one of {', '.join(TRUE_COUNTS)}; it is {shown(value)}.",
            field="counting.true_count",
        )
    return str(value)


def _initial(values: Mapping[str, Any], *, name: str) -> int:
    value = values.get(name, 0)
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) > MOST_INITIAL:
        raise RulesError(
            f"counting.{name} must be a whole number from -{MOST_INITIAL} to {MOST_INITIAL}.",
            field=f"counting.{name}",
        )
    return value


HI_LO = Count(name="hi-lo", tags=(-1, 1, 1, 1, 1, 1, 0, 0, 0, -1))
# Unbalanced: a whole deck adds 4. It begins so that a shoe's end is always at 4, its pivot.
KO = Count(
    name="ko",
    tags=(-1, 1, 1, 1, 1, 1, 1, 0, 0, -1),
    divided=False,
    initial=4,
    initial_per_deck=-4,
)
SYSTEMS = {
    system.name: system
    for system in (
        HI_LO,
        KO,
        Count(name="hi-opt-i", tags=(0, 0, 1, 1, 1, 1, 0, 0, 0, -1)),
        Count(name="hi-opt-ii", tags=(0, 1, 1, 2, 2, 1, 1, 0, 0, -2)),
        Count(name="omega-ii", tags=(0, 1, 1, 2, 2, 2, 1, 0, -1, -2)),
        Count(name="zen", tags=(-1, 1, 1, 2, 2, 2, 1, 0, 0, -2)),
        Count(name="wong-halves", tags=(-2, 1, 2, 2, 3, 2, 1, 0, -1, -2), scale=2),
    )
}
TITLES = {
    "hi-lo": "Hi-Lo",
    "ko": "KO",
    "hi-opt-i": "Hi-Opt I",
    "hi-opt-ii": "Hi-Opt II",
    "omega-ii": "Omega II",
    "zen": "Zen",
    "wong-halves": "Wong Halves",
}
