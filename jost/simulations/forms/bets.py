"""The fields for bets and bankroll; the what-if page has them alone, as its permalink."""

import re
from typing import Any, ClassVar

from django import forms

from jost.simulations.betting import (
    DEFAULT_HOURS,
    MOST_BANKROLL,
    MOST_KELLY,
    MOST_MONEY,
    MOST_ROUNDS_PER_HOUR,
    MOST_UNITS,
)
from jost.simulations.engine import RulesError
from jost.simulations.engine.tally import MAX_COUNT, MIN_COUNT

from .fields import DescribedForm, line, number, segments, whole

STEP = re.compile(r"(?P<count>[+-]?\d+)\s*:\s*(?P<units>\d+(?:\.\d+)?)")
LIMITS = ("min_units", "max_units")
BOUNDS = ("wong_in", "wong_out", "unit", "rounds_per_hour")
RAMP = "0:1, 1:2, 2:4, 3:6, 4:8, 5:12"


class BetsFields(DescribedForm):
    """`bets_values()` has them as a rules file does; `initial_bets` is the way back."""

    PLACES: ClassVar[dict[str, str]] = {
        "bets.ramp": "ramp",
        "bets.kelly": "kelly",
        "bets.min_units": "min_units",
        "bets.max_units": "max_units",
        "bets.wong_in": "wong_in",
        "bets.wong_out": "wong_out",
        "bets.unit": "unit",
        "bets.rounds_per_hour": "rounds_per_hour",
        "bets": "betting",
        "bankroll.units": "bankroll",
        "bankroll.hours": "hours",
        "bankroll": "bankroll",
    }

    betting = segments(
        [("flat", "flat"), ("ramp", "ramp"), ("kelly", "Kelly")],
        label="Bet",
        initial="flat",
    )
    ramp = forms.CharField(
        required=False,
        max_length=500,
        initial=RAMP,
        help_text="Units from a count on: 0:1, 2:4 bets 1 unit below a count of 2, then 4.",
        widget=line(),
    )
    kelly = number(
        "Fraction of Kelly",
        initial=0.5,
        low=0.01,
        high=MOST_KELLY,
        required=False,
        help_text="Of the bankroll, by the edge at each count: 0.5 is half Kelly.",
    )
    min_units = number("Least bet, units", initial=1, low=0, high=MOST_UNITS, required=False)
    max_units = number("Largest bet, units", initial=12, low=0, high=MOST_UNITS, required=False)
    wong_in = whole(
        "Wong in at",
        low=MIN_COUNT,
        high=MAX_COUNT,
        required=False,
        help_text="Bets from this count on only.",
    )
    wong_out = whole(
        "Wong out below",
        low=MIN_COUNT,
        high=MAX_COUNT,
        required=False,
        help_text="Leaves the shoe below this count.",
    )
    unit = number("Money of one unit", initial=10, low=0.01, high=MOST_MONEY, required=False)
    rounds_per_hour = whole(
        "Rounds per hour", initial=100, low=1, high=MOST_ROUNDS_PER_HOUR, required=False
    )
    bankroll = number("Bankroll, units", initial=1000, low=1, high=MOST_BANKROLL, required=False)
    hours = number(
        "Hours ahead", initial=int(DEFAULT_HOURS), low=0.01, high=1_000_000, required=False
    )

    def bets_values(self) -> dict[str, Any]:
        """The keys of a rules file."""
        values = self.cleaned_data
        bets: dict[str, Any] = {}
        if values["betting"] == "ramp":
            bets["ramp"] = read_ramp(values["ramp"])
        if values["betting"] == "kelly":
            named = ("kelly", *LIMITS)
            bets |= {name: values[name] for name in named if values[name] is not None}
        for name in BOUNDS:
            if values[name] is not None:
                bets[name] = values[name]
        units, hours = values["bankroll"], values["hours"]
        bankroll = None if units is None else {"units": units} | ({"hours": hours} if hours else {})
        return {"bets": bets, "bankroll": bankroll}


def read_ramp(text: str) -> dict[str, float]:
    """Units by the count from which on they are bet; RulesError says what is no step."""
    ramp: dict[str, float] = {}
    for written in re.split(r"[,;\s]+(?=[+-]?\d+\s*:)", text.strip().strip(",;")):
        step = STEP.fullmatch(written.strip(" ,;"))
        if step is None:
            raise RulesError(
                f"{written.strip()!r} is no step of a ramp: write 0:1, 1:2, 2:4.", field="bets.ramp"
            )
        units = float(step["units"])
        ramp[str(int(step["count"]))] = int(units) if units.is_integer() else units
    return ramp


def initial_bets(values: dict[str, Any]) -> dict[str, Any]:
    """What the fields are filled with to say the bets and bankroll of a rules file."""
    bets, bankroll = values["bets"], values["bankroll"]
    filled = {name: bets[name] for name in (*LIMITS, *BOUNDS)}
    ramp = bets["ramp"] or {}
    filled["betting"] = "ramp" if set(ramp.values()) - {1} else "flat"
    if filled["betting"] == "ramp":
        filled["ramp"] = ", ".join(f"{count}:{units:g}" for count, units in ramp.items())
    if bets["kelly"] is not None:
        filled |= {"betting": "kelly", "kelly": bets["kelly"]}
    if bankroll is None:
        return filled | {"bankroll": None}
    hours = bankroll["hours"]
    if hours is None:
        hours = bankroll["rounds"] / bets["rounds_per_hour"]
    return filled | {"bankroll": bankroll["units"], "hours": hours}
