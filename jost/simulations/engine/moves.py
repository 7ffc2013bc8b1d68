"""What a hand does at a true count: the chart, and the index plays that hold there."""

from collections.abc import Iterator
from dataclasses import dataclass

from .chart import HARD_ROWS, PAIR_ROWS, SOFT_ROWS, UPCARDS, Code
from .game import Game
from .layout import (
    ACE,
    BUST,
    DOUBLED,
    DRAWS,
    PAIR,
    SOFT_0,
    SPLIT,
    SURRENDERED,
    TEN,
)
from .plays import IndexPlay
from .rules import Rules

SURRENDERS = {
    Code.SURRENDER_OR_HIT: Code.HIT,
    Code.SURRENDER_OR_STAND: Code.STAND,
    Code.SURRENDER_OR_SPLIT: Code.SPLIT,
}
INSURANCE = "insurance"
LOWEST_HARD, HIGHEST_HARD, LOWEST_SOFT, HIGHEST_SOFT = 5, 17, 13, 20
DOUBLE_FROM = {"any": 0, "10-11": 10, "9-11": 9}


@dataclass(frozen=True, slots=True, kw_only=True)
class Moves:
    """The chart of a game at one true count; at None, the chart without any index play.

    A play that surrenders and another for the same cell stand together: where both hold, the hand
    is surrendered while it may be and is else played as the other says. A cell that has plays
    which surrender is surrendered exactly where one of them holds; other plays leave the
    surrender of the chart as it is.
    """

    game: Game
    count: int | None

    @property
    def plays(self) -> tuple[IndexPlay, ...]:
        return () if self.count is None else self.game.plays

    def holding(self) -> tuple[bool, ...]:
        """Which of the plays hold: counts with the same have the same moves."""
        return tuple(self._holds(play) for play in self.plays)

    def insures(self) -> bool:
        return any(self._holds(play) for play in self.plays if play.hand == INSURANCE)

    def first(self, hand: int, *, up: int) -> int:
        """The move on the two cards that were dealt."""
        surrenders, code = self._cell(hand, up=up)
        if surrenders and self.game.rules.surrender != "none":
            return SURRENDERED
        return _move(code, hand=hand, doubles=may_double(self.game.rules, hand=hand))

    def before_the_peek(self, hand: int, *, up: int) -> int:
        """All that a hand can do while the dealer has a blackjack and looks for it."""
        if self.game.rules.surrender == "early" and self.first(hand, up=up) == SURRENDERED:
            return SURRENDERED
        return total_of(hand)

    def after_split(self, hand: int, *, up: int) -> int:
        """The move on the first two cards of a hand that a split made."""
        rules = self.game.rules
        _, code = self._cell(hand, up=up)
        doubles = rules.double_after_split and may_double(rules, hand=hand)
        return _move(code, hand=hand, doubles=doubles)

    def draws(self, hand: int, *, up: int) -> bool:
        """Whether a hand of three cards or more takes another."""
        _, code = self._cell(hand, up=up)
        return bool(_move(code, hand=hand, doubles=False) & DRAWS)

    def _cell(self, hand: int, *, up: int) -> tuple[bool, Code]:
        name = row_name(hand)
        if name is None:
            return False, Code.HIT if hand == SOFT_0 + 12 else Code.STAND
        surrenders, code = self._named(name, UPCARDS[(up - 2) % len(UPCARDS)])
        if code == Code.NO_SPLIT and hand >= PAIR:
            return self._cell(total_of(hand), up=up)
        return surrenders, code

    def _named(self, name: str, upcard: str) -> tuple[bool, Code]:
        chart = self.game.chart
        row = (chart.hard | chart.soft | chart.pairs)[name]
        written = row[UPCARDS.index(upcard)]
        surrenders, code = written in SURRENDERS, SURRENDERS.get(written, written)
        plays = [play for play in self.plays if (play.hand, play.upcard) == (name, upcard)]
        surrendering = [play for play in plays if play.code in SURRENDERS]
        if surrendering:
            surrenders = any(self._holds(play) for play in surrendering)
        # Those that do not surrender come last, so that they have the last word.
        for play in sorted(plays, key=lambda play: play not in surrendering):
            if self._holds(play) and play.code is not None:
                code = SURRENDERS.get(play.code, play.code)
        return surrenders, code

    def _holds(self, play: IndexPlay) -> bool:
        return self.count is not None and (self.count >= play.index) == play.at_least


def may_double(rules: Rules, *, hand: int) -> bool:
    """Whether two cards may be doubled: a rule that names totals means hard ones."""
    if rules.double_on == "any":
        return True
    return DOUBLE_FROM[rules.double_on] <= total_of(hand) <= 11


def row_name(hand: int) -> str | None:
    """The row of the chart; None for the hands that have none: soft 12 hits, all others stand."""
    if hand > PAIR:
        return PAIR_ROWS[(hand - PAIR - 2) % len(PAIR_ROWS)]
    if hand > BUST:
        total = hand - SOFT_0
        return SOFT_ROWS[total - LOWEST_SOFT] if LOWEST_SOFT <= total <= HIGHEST_SOFT else None
    return HARD_ROWS[max(hand, LOWEST_HARD) - LOWEST_HARD] if hand <= HIGHEST_HARD else None


def total_of(hand: int) -> int:
    """The hand that a pair is when it is not split; any other is itself."""
    if hand <= PAIR:
        return hand
    rank = hand - PAIR
    return SOFT_0 + 12 if rank == ACE else 2 * rank


def all_hands() -> Iterator[int]:
    """Every hand that something can be done with."""
    yield from range(4, BUST)
    yield from range(SOFT_0 + 12, SOFT_0 + 22)
    yield from range(PAIR + ACE, PAIR + TEN + 1)


def _move(code: Code, *, hand: int, doubles: bool) -> int:
    total = total_of(hand)
    if code == Code.SPLIT and hand > PAIR:
        return SPLIT
    if code in (Code.DOUBLE_OR_HIT, Code.DOUBLE_OR_STAND) and doubles:
        return total | DOUBLED | DRAWS
    return total | DRAWS if code in (Code.HIT, Code.DOUBLE_OR_HIT) else total
