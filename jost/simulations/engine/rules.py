"""The rules of one blackjack game, checked once where they enter; used by every process."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

CARDS_PER_DECK = 52
MIN_DECKS, MAX_DECKS = 1, 8
MIN_PENETRATION, MAX_PENETRATION = 0.1, 0.95
MIN_HANDS, MAX_HANDS = 2, 4
# A shoe with more fixed rounds than this per deck would run out of cards in the middle of a round.
MAX_ROUNDS_PER_DECK = 6


class RulesError(ValueError):
    """A rule is outside what the engine plays; `field` names it, the message says the repair."""

    def __init__(self, message: str, *, field: str) -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """A game where blackjack pays 3:2, the dealer peeks, and a split ace gets one card.

    `penetration` is the share of the shoe in front of the cut card. `rounds_per_shoe` takes the
    place of the cut card: that many rounds, then a new shuffle (1 is a fresh shoe every round).
    """

    decks: int = 6
    hit_soft_17: bool = False
    double_after_split: bool = True
    late_surrender: bool = False
    penetration: float = 0.75
    max_hands: int = 4
    rounds_per_shoe: int | None = None

    def __post_init__(self) -> None:
        _require_whole("decks", self.decks, low=MIN_DECKS, high=MAX_DECKS)
        _require_whole("max_hands", self.max_hands, low=MIN_HANDS, high=MAX_HANDS)
        if self.rounds_per_shoe is not None:
            most = self.decks * MAX_ROUNDS_PER_DECK
            _require_whole("rounds_per_shoe", self.rounds_per_shoe, low=1, high=most)
        for name in ("hit_soft_17", "double_after_split", "late_surrender"):
            if not isinstance(getattr(self, name), bool):
                raise RulesError(f"{name} must be true or false.", field=name)
        if not _is_number(self.penetration) or not (
            MIN_PENETRATION <= self.penetration <= MAX_PENETRATION
        ):
            raise RulesError(
                f"penetration must lie between {MIN_PENETRATION} and {MAX_PENETRATION}: "
                "0.75 puts the cut card behind three quarters of the shoe.",
                field="penetration",
            )

    @property
    def cards(self) -> int:
        return self.decks * CARDS_PER_DECK

    @property
    def cut(self) -> int:
        """The number of dealt cards from which no new round begins."""
        return self.cards if self.rounds_per_shoe else round(self.penetration * self.cards)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        known = {field.name for field in fields(cls)}
        for name in values:
            if name not in known:
                raise RulesError(
                    f"There is no rule {name!r}; the rules are {', '.join(sorted(known))}.",
                    field=name,
                )
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    def __str__(self) -> str:
        parts = [
            f"{self.decks} deck{'s' if self.decks > 1 else ''}",
            "H17" if self.hit_soft_17 else "S17",
            "DAS" if self.double_after_split else "no DAS",
        ]
        if self.late_surrender:
            parts.append("late surrender")
        if self.rounds_per_shoe:
            plural = "s" if self.rounds_per_shoe > 1 else ""
            parts.append(f"{self.rounds_per_shoe} round{plural} per shoe")
        else:
            parts.append(f"{self.penetration:.0%} dealt")
        return ", ".join(parts)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _require_whole(name: str, value: object, *, low: int, high: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise RulesError(f"{name} must be a whole number from {low} to {high}.", field=name)
