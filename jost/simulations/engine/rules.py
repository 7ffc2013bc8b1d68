"""The rules of one blackjack game, checked once where they enter; used by every process.

The names are the keys of a rules file: what is written there is what stands here.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from difflib import get_close_matches
from math import sqrt
from typing import Any, Self

CARDS_PER_DECK = 52
MIN_DECKS, MAX_DECKS = 0, 8
MIN_PENETRATION, MAX_PENETRATION = 0.1, 0.95
MIN_HANDS, MAX_HANDS = 2, 4
MAX_SEATS = 7
# Cards that the dealer or a spot takes on average, with any chart worth playing; how far that
# strays; and how many times that a shoe has in reserve for its fixed rounds.
MOST_OF_A_HAND, STRAY_OF_A_HAND, STRAYS = 3, 1.3, 4

DOUBLE_ON = ("any", "9-11", "10-11")
SURRENDER = ("none", "late", "early")
# What a blackjack pays, in tenths of the bet.
BLACKJACK_PAYS = {"3:2": 15, "6:5": 12, "1:1": 10}
# An error quotes a wrong value up to here.
LONGEST_QUOTE = 40
MODES = ("cut_card", "fixed_rounds", "every_round")


class RulesError(ValueError):
    """A rule is outside what is played; `field` names it, the message says the repair.

    `field` is a path into a rules file: "decks", "dealing.penetration", "strategy.hard.16.10".
    """

    def __init__(self, message: str, *, field: str) -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True, slots=True, kw_only=True)
class Dealing:
    """When the shoe is shuffled: at a cut card, after so many rounds, or before every round."""

    mode: str = "cut_card"
    penetration: float | None = None
    rounds: int | None = None

    def __post_init__(self) -> None:
        _require_choice("dealing.mode", self.mode, MODES)
        if self.mode == "cut_card":
            if self.penetration is None:
                object.__setattr__(self, "penetration", 0.75)
            if not _is_number(self.penetration) or not (
                MIN_PENETRATION <= (self.penetration or 0) <= MAX_PENETRATION
            ):
                raise RulesError(
                    f"dealing.penetration must lie between {MIN_PENETRATION} and "
                    f"{MAX_PENETRATION}: 0.75 puts the cut card behind three quarters of the shoe.",
                    field="dealing.penetration",
                )
        elif self.penetration is not None:
            raise RulesError(
                f"dealing.penetration belongs to the mode cut_card, not to {self.mode}: "
                "leave it out.",
                field="dealing.penetration",
            )
        if self.mode == "fixed_rounds":
            if self.rounds is None:
                raise RulesError(
                    "dealing.rounds is missing: say after how many rounds the shoe is shuffled.",
                    field="dealing.rounds",
                )
        elif self.rounds is not None:
            raise RulesError(
                f"dealing.rounds belongs to the mode fixed_rounds, not to {self.mode}: "
                "leave it out.",
                field="dealing.rounds",
            )

    @property
    def rounds_per_shoe(self) -> int | None:
        """1 for a fresh shoe every round, None for a cut card."""
        return 1 if self.mode == "every_round" else self.rounds

    @classmethod
    def from_dict(cls, values: object) -> Self:
        if not isinstance(values, Mapping):
            raise RulesError(
                'dealing must be an object such as {"mode": "cut_card", "penetration": 0.75}.',
                field="dealing",
            )
        require_known(values, _names(cls), prefix="dealing.")
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if value is not None}

    def __str__(self) -> str:
        if self.mode == "cut_card":
            return f"{self.penetration:.0%} dealt"
        if self.mode == "every_round":
            return "a fresh shoe every round"
        return f"{self.rounds} round{'s' if self.rounds != 1 else ''} per shoe"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """One game; every field is a key of a rules file.

    `decks` 0 is an infinite shoe, where no card that is dealt changes what comes. `seats` are the
    spots that the player plays, all by the same strategy and with the same bet; `other_players`
    are spots of others, who play basic strategy, use up cards and show them.
    """

    decks: int = 6
    dealer_hits_soft_17: bool = False
    double_after_split: bool = True
    double_on: str = "any"
    max_hands: int = 4
    resplit_aces: bool = False
    hit_split_aces: bool = False
    surrender: str = "none"
    blackjack_pays: str = "3:2"
    dealer_peeks: bool = True
    dealing: Dealing = field(default_factory=Dealing)
    seats: int = 1
    other_players: int = 0

    def __post_init__(self) -> None:
        _require_whole("decks", self.decks, low=MIN_DECKS, high=MAX_DECKS)
        _require_whole("max_hands", self.max_hands, low=MIN_HANDS, high=MAX_HANDS)
        _require_whole("seats", self.seats, low=1, high=MAX_SEATS)
        _require_whole(
            "other_players",
            self.other_players,
            low=0,
            high=MAX_SEATS - self.seats,
            why=f"with seats they are {MAX_SEATS} spots at most",
        )
        for name in (
            "dealer_hits_soft_17",
            "double_after_split",
            "resplit_aces",
            "hit_split_aces",
            "dealer_peeks",
        ):
            if not isinstance(getattr(self, name), bool):
                raise RulesError(f"{name} must be true or false.", field=name)
        _require_choice("double_on", self.double_on, DOUBLE_ON)
        _require_choice("surrender", self.surrender, SURRENDER)
        _require_choice("blackjack_pays", self.blackjack_pays, tuple(BLACKJACK_PAYS))
        if self.dealing.mode == "fixed_rounds":
            # In an infinite shoe only the true count would notice; it has none.
            most = most_fixed_rounds(self.decks or MAX_DECKS, spots=self.spots)
            _require_whole(
                "dealing.rounds",
                self.dealing.rounds,
                low=1,
                high=most,
                why="with more, the shoe could run out of cards",
            )

    @property
    def spots(self) -> int:
        """Those of the player and of others."""
        return self.seats + self.other_players

    @property
    def cards(self) -> int:
        """In the whole shoe; 0 in an infinite one."""
        return self.decks * CARDS_PER_DECK

    @property
    def blackjack_tenths(self) -> int:
        return BLACKJACK_PAYS[self.blackjack_pays]

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The rules among the keys of a rules file; what is left out has its default."""
        require_known(values, _names(cls))
        given = dict(values)
        if "dealing" in given and not isinstance(given["dealing"], Dealing):
            given["dealing"] = Dealing.from_dict(given["dealing"])
        return cls(**given)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self) | {"dealing": self.dealing.to_dict()}

    def __str__(self) -> str:
        """As a player would say it: 6 decks, S17, DAS, 75% dealt."""
        decks = f"{self.decks} deck{'s' if self.decks > 1 else ''}" if self.decks else "infinite"
        parts = [
            decks,
            "H17" if self.dealer_hits_soft_17 else "S17",
            "DAS" if self.double_after_split else "no DAS",
        ]
        if self.double_on != "any":
            parts.append(f"double on {self.double_on}")
        if self.max_hands != MAX_HANDS:
            parts.append(f"{self.max_hands} hands")
        if self.resplit_aces:
            parts.append("resplit aces")
        if self.hit_split_aces:
            parts.append("hit split aces")
        if self.surrender != "none":
            parts.append(f"{self.surrender} surrender")
        if self.blackjack_pays != "3:2":
            parts.append(f"blackjack pays {self.blackjack_pays}")
        if not self.dealer_peeks:
            parts.append("no hole card")
        if self.seats > 1:
            parts.append(f"{self.seats} spots")
        if self.other_players:
            parts.append(
                f"{self.other_players} other player{'s' if self.other_players > 1 else ''}"
            )
        return ", ".join([*parts, str(self.dealing)])


def most_fixed_rounds(decks: int, *, spots: int = 1) -> int:
    """So many that there are as good as always enough cards to begin the last."""
    free = decks * CARDS_PER_DECK - 2 * (spots + 1)
    mean, stray = MOST_OF_A_HAND * (spots + 1), STRAYS * STRAY_OF_A_HAND * sqrt(spots + 1)
    # As many rounds before the last as solve: mean * rounds + stray * sqrt(rounds) = free.
    root = (sqrt(stray * stray + 4 * mean * free) - stray) / (2 * mean)
    return 1 + int(root * root)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _require_whole(name: str, value: object, *, low: int, high: int, why: str = "") -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        reason = f": {why}" if why else ""
        wanted = f"a whole number from {low} to {high}" if low < high else f"{low}"
        raise RulesError(f"{name} must be {wanted}{reason}.", field=name)


def _require_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    if value not in choices:
        listed = ", ".join(f'"{choice}"' for choice in choices)
        raise RulesError(f"{name} must be one of {listed}; it is {shown(value)}.", field=name)


def _names(cls: type[Any]) -> list[str]:
    return [each.name for each in fields(cls)]


def require_known(values: Mapping[str, Any], known: Iterable[str], *, prefix: str = "") -> None:
    """Refuse a key that is not among `known`, with the one that was probably meant."""
    names = list(known)
    for name in values:
        if name not in names:
            raise RulesError(
                f"There is no key {prefix}{name}: {meant(str(name), names)}",
                field=f"{prefix}{name}",
            )


def meant(name: str, known: Iterable[str]) -> str:
    """What an error says after a name that nobody knows."""
    names = list(known)
    near = get_close_matches(name, names, n=1)
    return f"did you mean {near[0]}?" if near else f"take one of {', '.join(names)}."


def shown(value: object) -> str:
    """A wrong value as an error quotes it, however long it is."""
    text = repr(value)
    return text if len(text) <= LONGEST_QUOTE else f"{text[: LONGEST_QUOTE - 3]}..."
