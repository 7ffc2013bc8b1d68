"""What a player bets at each true count, and the money at risk: two keys of a rules file.

Neither changes what is dealt, so any bets can be put on a finished simulation.
"""

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

from .engine.rules import RulesError, require_known
from .engine.tally import MAX_COUNT, MIN_COUNT

MOST_UNITS = 1_000_000.0
MOST_KELLY = 2.0
MOST_MONEY = 1_000_000_000.0
MOST_BANKROLL = 1_000_000_000.0
MOST_ROUNDS_PER_HOUR = 100_000
MOST_HORIZON = 100_000_000_000
DEFAULT_HOURS = 1_000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Bets:
    """How many units are on each spot, by the true count before the round.

    `ramp` has pairs of a true count and the units from it on; below the lowest, its units.
    With `kelly` the units are that fraction of the Kelly bet on the bankroll instead, kept between
    `min_units` and `max_units`. A player with `wong_in` begins to play at that count, one with
    `wong_out` stops below that; who stands by bets nothing while the others play on. Given alone,
    one bound does for both. `unit` is the money of one unit; `rounds_per_hour` are rounds dealt,
    whether or not this player is in them.
    """

    ramp: tuple[tuple[int, float], ...] = ((0, 1.0),)
    kelly: float | None = None
    min_units: float | None = None
    max_units: float | None = None
    wong_in: int | None = None
    wong_out: int | None = None
    unit: float | None = None
    rounds_per_hour: int = 100

    def __post_init__(self) -> None:
        _require_number("bets.kelly", self.kelly, low=0.0, high=MOST_KELLY, above=True)
        _require_number("bets.min_units", self.min_units, low=0.0, high=MOST_UNITS)
        _require_number("bets.max_units", self.max_units, low=0.0, high=MOST_UNITS, above=True)
        _require_count("bets.wong_in", self.wong_in)
        _require_count("bets.wong_out", self.wong_out)
        _require_number("bets.unit", self.unit, low=0.0, high=MOST_MONEY, above=True)
        _require_whole("bets.rounds_per_hour", self.rounds_per_hour, high=MOST_ROUNDS_PER_HOUR)
        self._require_limits()
        if self.wong_in is not None and self.wong_out is not None:
            _require_order(self.wong_in, self.wong_out)

    def _require_limits(self) -> None:
        for name in ("min_units", "max_units"):
            if self.kelly is None and getattr(self, name) is not None:
                raise RulesError(
                    f"bets.{name} limits Kelly bets: give bets.kelly too, or leave it out.",
                    field=f"bets.{name}",
                )
        if self.max_units is not None and self.max_units < self.least_units:
            raise RulesError(
                f"bets.max_units must not be below bets.min_units ({_plain(self.least_units)}, "
                "which is 1 if you leave it out).",
                field="bets.max_units",
            )

    @classmethod
    def from_dict(cls, values: object) -> Self:
        """Read `bets` of a rules file; null is the same as leaving a key out."""
        given = _given(values, name="bets", known=[each.name for each in fields(cls)])
        if "ramp" in given:
            if "kelly" in given:
                raise RulesError(
                    "bets.ramp and bets.kelly exclude each other: leave one out.",
                    field="bets.ramp",
                )
            given["ramp"] = _read_ramp(given["ramp"])
        return cls(**given)

    def to_dict(self) -> dict[str, Any]:
        """Every key; from_dict of it is these bets again."""
        ramp = {str(count): _plain(units) for count, units in self.ramp}
        return {
            "ramp": ramp if self.kelly is None else None,
            "kelly": _plain(self.kelly),
            "min_units": _plain(self.min_units),
            "max_units": _plain(self.max_units),
            "wong_in": self.wong_in,
            "wong_out": self.wong_out,
            "unit": _plain(self.unit),
            "rounds_per_hour": self.rounds_per_hour,
        }

    @property
    def by_count(self) -> bool:
        """Whether these bets ask for a count."""
        return (
            self.kelly is not None
            or self.wong_in is not None
            or self.wong_out is not None
            or len({units for _, units in self.ramp}) > 1
        )

    @property
    def least_units(self) -> float:
        """The least that Kelly bets on a round that is played."""
        return 1.0 if self.min_units is None else self.min_units

    @property
    def in_from(self) -> int:
        """The count from which on a player who stood by is in."""
        bounds = (self.wong_in, self.wong_out)
        return next((bound for bound in bounds if bound is not None), MIN_COUNT)

    @property
    def out_below(self) -> int:
        """The count below which a player who was in stands by."""
        bounds = (self.wong_out, self.wong_in)
        return next((bound for bound in bounds if bound is not None), MIN_COUNT)

    def ramp_at(self, count: int) -> float:
        """The units that the ramp has at a true count."""
        place = bisect_right([first for first, _ in self.ramp], count)
        return self.ramp[max(place - 1, 0)][1]

    def kelly_at(self, *, edge: float, variance: float, bankroll: float) -> float:
        """Kelly's units for a round of this edge and variance, within the limits."""
        units = (self.kelly or 0.0) * bankroll * edge / variance if variance else 0.0
        units = max(units, self.least_units)
        return units if self.max_units is None else min(units, self.max_units)

    def __str__(self) -> str:
        if self.kelly is not None:
            text = f"{_plain(self.kelly)} Kelly"
        elif len({units for _, units in self.ramp}) == 1:
            text = "flat"
        else:
            units = [units for _, units in self.ramp]
            text = f"{_plain(min(units))} to {_plain(max(units))} units"
        if self.wong_in is not None:
            text += f", in at {self.wong_in:+d}"
        if self.wong_out is not None:
            text += f", out below {self.wong_out:+d}"
        return text


@dataclass(frozen=True, slots=True, kw_only=True)
class Bankroll:
    """The units that a player can lose, and for how long the answer looks ahead.

    Either `hours`, of so many rounds as the bets say, or `rounds`; the default is 1,000 hours.
    """

    units: float
    hours: float | None = None
    rounds: int | None = None

    def __post_init__(self) -> None:
        _require_number("bankroll.units", self.units, low=0.0, high=MOST_BANKROLL, above=True)
        _require_number("bankroll.hours", self.hours, low=0.0, high=1e9, above=True)
        if self.rounds is None:
            if self.hours is None:
                object.__setattr__(self, "hours", DEFAULT_HOURS)
            return
        _require_whole("bankroll.rounds", self.rounds, high=MOST_HORIZON)
        if self.hours is not None:
            raise RulesError(
                "bankroll.rounds and bankroll.hours are the same thing: leave one out.",
                field="bankroll.rounds",
            )

    @classmethod
    def from_dict(cls, values: object) -> Self:
        given = _given(values, name="bankroll", known=[each.name for each in fields(cls)])
        if "units" not in given:
            raise RulesError(
                "bankroll.units is missing: say how many betting units can be lost.",
                field="bankroll.units",
            )
        return cls(**given)

    def to_dict(self) -> dict[str, Any]:
        return {"units": _plain(self.units), "hours": _plain(self.hours), "rounds": self.rounds}

    def horizon(self, bets: Bets) -> int:
        """How many rounds the answer looks ahead; one at least."""
        if self.rounds is not None:
            return self.rounds
        return max(1, min(round((self.hours or 0.0) * bets.rounds_per_hour), MOST_HORIZON))


def read_bets(bets: object, bankroll: object, *, counted: bool) -> tuple[Bets, Bankroll | None]:
    """Read `bets` and `bankroll` of a rules file, null for left out, and refuse what does not fit.

    `counted` says whether the player counts; RulesError names key and repair.
    """
    read = Bets() if bets is None else Bets.from_dict(bets)
    money = None if bankroll is None else Bankroll.from_dict(bankroll)
    if read.by_count and not counted:
        raise RulesError(
            'bets depend on a count: add counting, such as "hi-lo", or bet flat.', field="bets"
        )
    if read.kelly is not None and money is None:
        raise RulesError(
            'bets.kelly bets a share of the bankroll: add "bankroll": {"units": 1000}.',
            field="bets.kelly",
        )
    return read, money


def _given(values: object, *, name: str, known: list[str]) -> dict[str, Any]:
    if not isinstance(values, Mapping):
        raise RulesError(f"{name} must be an object with {', '.join(known)}.", field=name)
    require_known(values, known, prefix=f"{name}.")
    return {key: value for key, value in values.items() if value is not None}


def _read_ramp(values: object) -> tuple[tuple[int, float], ...]:
    if not isinstance(values, Mapping) or not values:
        raise RulesError(
            'bets.ramp must be an object of true count and units, such as {"0": 1, "2": 4}.',
            field="bets.ramp",
        )
    ramp: dict[int, float] = {}
    for key, units in values.items():
        path = f"bets.ramp.{key}"
        count = _read_count(key, path=path)
        if units is None:
            raise RulesError(f"{path} must be a number of units, 0 for none.", field=path)
        _require_number(path, units, low=0.0, high=MOST_UNITS)
        if count in ramp:
            raise RulesError(f"{path} says again what {count} bets: leave one out.", field=path)
        ramp[count] = float(units)
    if not any(ramp.values()):
        raise RulesError("bets.ramp never bets: give some count more than 0.", field="bets.ramp")
    return tuple(sorted(ramp.items()))


def _read_count(key: object, *, path: str) -> int:
    try:
        count = int(str(key))
    except ValueError:
        count = MAX_COUNT + 1
    if not MIN_COUNT <= count <= MAX_COUNT:
        raise RulesError(
            f"{path}: {key} is no true count; take whole numbers from {MIN_COUNT} to {MAX_COUNT}.",
            field=path,
        )
    return count


def _require_order(wong_in: int, wong_out: int) -> None:
    if wong_out > wong_in:
        raise RulesError(
            f"bets.wong_out must not be above bets.wong_in ({wong_in}): who comes in would leave "
            "at once.",
            field="bets.wong_out",
        )


def _require_number(
    name: str, value: object, *, low: float, high: float, above: bool = False
) -> None:
    if value is None:
        return
    number = isinstance(value, int | float) and not isinstance(value, bool)
    # What is no number compares false, so this refuses NaN as well.
    if not number or not low <= value <= high or (above and value == low):  # type: ignore[operator]  # a number, as was just asked
        bounds = f"above {_plain(low)} and at most" if above else f"from {_plain(low)} to"
        raise RulesError(f"{name} must be a number {bounds} {_plain(high)}.", field=name)


def _require_count(name: str, value: object) -> None:
    whole = isinstance(value, int) and not isinstance(value, bool)
    if value is not None and not (whole and MIN_COUNT <= value <= MAX_COUNT):  # type: ignore[operator]  # a number, as was just asked
        raise RulesError(
            f"{name} must be a true count, a whole number from {MIN_COUNT} to {MAX_COUNT}.",
            field=name,
        )


def _require_whole(name: str, value: object, *, high: int) -> None:
    whole = isinstance(value, int) and not isinstance(value, bool)
    if not whole or not 1 <= value <= high:  # type: ignore[operator]  # a number, as was just asked
        raise RulesError(f"{name} must be a whole number from 1 to {high}.", field=name)


def _plain(number: float | None) -> float | None:
    """A whole number without a point: 2, not 2.0."""
    return int(number) if number is not None and float(number).is_integer() else number
