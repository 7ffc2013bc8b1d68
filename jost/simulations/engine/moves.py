"""What a hand does by a chart under some rules: the moves that the look-up tables are made of."""

from collections.abc import Iterator
from dataclasses import dataclass

from .chart import ELSES, HARD_ROWS, PAIR_ROWS, SOFT_ROWS, UPCARDS, Chart, Code
from .layout import ACE, BUST, DOUBLED, DRAWS, PAIR, SOFT_0, SPLIT, SURRENDERED, TEN
from .rules import Rules

LOWEST_HARD, HIGHEST_HARD, LOWEST_SOFT, HIGHEST_SOFT = 5, 17, 13, 20
DOUBLE_FROM = {"10-11": 10, "9-11": 9}


@dataclass(frozen=True, slots=True, kw_only=True)
class Moves:
    """The moves of one chart; a move is the hand that it leaves, with DOUBLED and DRAWS."""

    rules: Rules
    chart: Chart

    def first(self, hand: int, *, up: int) -> int:
        """The move on the two cards that were dealt."""
        code = self._code(hand, up=up)
        if code in ELSES and self.rules.surrender != "none":
            return SURRENDERED
        return _move(code, hand=hand, doubles=may_double(self.rules, hand=hand))

    def before_the_peek(self, hand: int, *, up: int) -> int:
        """All that a hand can do while the dealer has a blackjack and looks for it."""
        if self.rules.surrender == "early" and self.first(hand, up=up) == SURRENDERED:
            return SURRENDERED
        return total_of(hand)

    def after_split(self, hand: int, *, up: int) -> int:
        """The move on the first two cards of a hand that a split made."""
        doubles = self.rules.double_after_split and may_double(self.rules, hand=hand)
        return _move(self._code(hand, up=up), hand=hand, doubles=doubles)

    def draws(self, hand: int, *, up: int) -> bool:
        """Whether a hand of three cards or more takes another."""
        move = _move(self._code(hand, up=up), hand=hand, doubles=False)
        return bool(move & DRAWS) and hand <= PAIR

    def _code(self, hand: int, *, up: int) -> Code:
        name = row_name(hand)
        if name is None:
            return Code.HIT if hand == SOFT_0 + 12 else Code.STAND
        code = self.chart.code(name, upcard=UPCARDS[(up - 2) % len(UPCARDS)])
        return self._code(total_of(hand), up=up) if code == Code.NO_SPLIT else code


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
    code = ELSES.get(code, code)
    if code == Code.SPLIT:
        return SPLIT
    if code in (Code.DOUBLE_OR_HIT, Code.DOUBLE_OR_STAND) and doubles:
        return total | DOUBLED | DRAWS
    return total | DRAWS if code in (Code.HIT, Code.DOUBLE_OR_HIT) else total
