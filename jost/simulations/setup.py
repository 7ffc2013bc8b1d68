"""A whole rules file: rules, chart, count, index plays, bets and bankroll; read where it enters.

Web, REST and command line all read it here, so a mistake is the same error everywhere: its `field`
is the path of the key, its message says the repair.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Self

from .betting import Bankroll, Bets, read_bets
from .engine.chart import Chart, missing_rows, read_rows
from .engine.counting import Count
from .engine.game import Game
from .engine.plays import IndexPlay, insurance_index, plays_to_list, read_plays
from .engine.rules import Rules, RulesError, meant

RULES_KEYS = tuple(each.name for each in fields(Rules))
KEYS = (*RULES_KEYS, "strategy", "counting", "index_plays", "bets", "bankroll")
# Names that people use for what a rules file calls otherwise.
HINTS = {
    "h17": "dealer_hits_soft_17",
    "s17": "dealer_hits_soft_17",
    "hit_soft_17": "dealer_hits_soft_17",
    "das": "double_after_split",
    "rsa": "resplit_aces",
    "peek": "dealer_peeks",
    "hole_card": "dealer_peeks",
    "late_surrender": 'surrender: "late"',
    "early_surrender": 'surrender: "early"',
    "blackjack": "blackjack_pays",
    "payout": "blackjack_pays",
    "spots": "seats",
    "hands": "max_hands",
    "penetration": 'dealing: {"mode": "cut_card", "penetration": 0.75}',
    "rounds_per_shoe": 'dealing: {"mode": "fixed_rounds", "rounds": 25}',
    "count": "counting",
    "system": "counting",
    "chart": "strategy",
    "indices": "index_plays",
    "plays": "index_plays",
    "ramp": "bets",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What an analyst asks about: a game to play, bets to put on it, money to put at risk."""

    game: Game
    bets: Bets = field(default_factory=Bets)
    bankroll: Bankroll | None = None

    @classmethod
    def from_dict(cls, values: object) -> Self:
        """Read a rules file; rows that its strategy leaves out are computed for its rules.

        Computing costs up to a second, and none when all rows are given. RulesError names key
        and repair.
        """
        if not isinstance(values, Mapping):
            raise RulesError('A rules file is one object, such as {"decks": 6}.', field="rules")
        _require_known(values)
        rules = Rules.from_dict({key: values[key] for key in RULES_KEYS if key in values})
        count = _read_count(values.get("counting"), rules=rules)
        plays = _read_plays(values.get("index_plays"), count=count)
        bets, bankroll = read_bets(
            values.get("bets"), values.get("bankroll"), counted=count is not None
        )
        return cls(
            game=Game(
                rules=rules,
                chart=_read_chart(values.get("strategy"), rules=rules),
                count=count,
                plays=plays,
            ),
            bets=bets,
            bankroll=bankroll,
        )

    @classmethod
    def of(cls, rules: Rules) -> Self:
        """These rules with the strategy computed for them, nothing counted, flat bets."""
        return cls.from_dict(rules.to_dict())

    @property
    def rules(self) -> Rules:
        return self.game.rules

    def to_dict(self) -> dict[str, Any]:
        """The normal form: every key, every row; from_dict of it is this setup again."""
        game = self.game
        named = game.count is not None and game.count.is_hi_lo
        return game.rules.to_dict() | {
            "strategy": game.chart.to_dict(),
            "counting": game.count.to_dict() if game.count else None,
            "index_plays": plays_to_list(game.plays, named=named),
            "bets": self.bets.to_dict(),
            "bankroll": self.bankroll.to_dict() if self.bankroll else None,
        }

    def __str__(self) -> str:
        """As an analyst would say it: 6 decks, S17, DAS, 75% dealt, Hi-Lo, 17 index plays."""
        game = self.game
        parts = [str(game.rules)]
        if game.count:
            parts.append(str(game.count))
        moves = len(game.plays) - (insurance_index(game.plays) is not None)
        if moves:
            parts.append(f"{moves} index play{'s' if moves > 1 else ''}")
        if len(game.plays) > moves:
            parts.append("insurance by count")
        return ", ".join(parts)


def _require_known(values: Mapping[str, Any]) -> None:
    for name in values:
        if name not in KEYS:
            hint = HINTS.get(str(name).lower())
            repair = f"say {hint}." if hint else meant(str(name), KEYS)
            raise RulesError(f"There is no key {name}: {repair}", field=str(name))


def _read_chart(values: object, *, rules: Rules) -> Chart:
    rows = {} if values is None else read_rows(values)
    if not missing_rows(rows):
        return Chart.from_rows(rows)
    from .exact import best_chart

    return Chart.from_rows(rows, rest=best_chart(rules))


def _read_count(value: object, *, rules: Rules) -> Count | None:
    if value is None:
        return None
    count = Count.from_value(value)
    if not rules.decks:
        raise RulesError(
            "counting: nothing can be counted in an infinite shoe; choose decks from 1 to 8, or "
            "leave counting out.",
            field="counting",
        )
    return count


def _read_plays(values: object, *, count: Count | None) -> tuple[IndexPlay, ...]:
    plays = () if values is None else read_plays(values)
    if plays and count is None:
        raise RulesError(
            'index_plays depend on a count: add counting, such as "hi-lo", or leave them out.',
            field="index_plays",
        )
    if plays and count and not count.is_hi_lo and isinstance(values, list):
        for place, value in enumerate(values):
            if isinstance(value, str):
                raise RulesError(
                    f"index_plays.{place}: {value} are the indices of Hi-Lo, which are wrong for "
                    f"{count}: give the indices of your system one by one.",
                    field=f"index_plays.{place}",
                )
    return plays
