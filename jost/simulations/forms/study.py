"""The forms of studies: setups side by side, and one key of a rules file at several values."""

import json
from typing import Any
from uuid import UUID

from django import forms
from django.db.models import QuerySet

from jost.api.numbers import read_number
from jost.simulations.engine import RulesError
from jost.simulations.exact import best_chart
from jost.simulations.models import Simulation
from jost.simulations.presets import PRESETS
from jost.simulations.rules_file import parse_rules_file
from jost.simulations.setup import Setup

from .fields import LONGEST_NAME, DescribedForm, RoundsField, SeedField, TargetField, line, select

MOST_RECENT = 30
LONGEST_CHANGE = 50_000
# What is swept most, with values to begin with.
KEYS = {
    "decks": "1, 2, 4, 6, 8",
    "dealing.penetration": "0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9",
    "dealer_hits_soft_17": "false, true",
    "double_after_split": "false, true",
    "double_on": "any, 9-11, 10-11",
    "max_hands": "2, 3, 4",
    "resplit_aces": "false, true",
    "hit_split_aces": "false, true",
    "surrender": "none, late, early",
    "blackjack_pays": "3:2, 6:5, 1:1",
    "dealer_peeks": "true, false",
    "dealing.rounds": "5, 10, 15, 20, 25",
    "other_players": "0, 1, 2, 4, 6",
    "counting": "hi-lo, ko, hi-opt-i, hi-opt-ii, omega-ii, zen, wong-halves",
    "bets.wong_in": "-1, 0, 1, 2",
}


class StudyFields(DescribedForm):
    """What all simulations of a study have in common."""

    rounds = RoundsField()
    target = TargetField()
    seed = SeedField()
    name = forms.CharField(required=False, max_length=LONGEST_NAME, widget=line())

    def __init__(self, *args: Any, simulations: QuerySet[Simulation], **kwargs: Any) -> None:
        self._simulations = simulations
        super().__init__(*args, **kwargs)

    def bases(self, name: str) -> list[Any]:
        """Games to begin with: those of casinos, of the newest simulations, and of those that a field names."""
        light = self._simulations.defer(*Simulation.HEAVY)
        newest = list(light[:MOST_RECENT])
        known = {each.pk for each in newest}
        chosen = [str(values[name]) for values in (self.data, self.initial) if name in values]
        older = light.in_bulk([pk for pk in map(_run, chosen) if pk and pk not in known])
        return [
            ("Casinos", [(f"preset:{key}", preset.name) for key, preset in PRESETS.items()]),
            (
                "Your simulations",
                [(f"run:{each.pk}", str(each)) for each in (*newest, *older.values())],
            ),
        ]

    def base_values(self, name: str) -> dict[str, Any]:
        """The rules file that a choice of `bases` stands for; a computed chart is left to be computed again."""
        kind, _, key = self.cleaned_data[name].partition(":")
        if kind == "preset":
            return PRESETS[key].rules.to_dict()
        setup = self._simulations.get(pk=UUID(key)).setup
        values = setup.to_dict()
        # Other rules over it want another chart, unless this one is the user's own.
        if setup.game.chart == best_chart(setup.rules):
            del values["strategy"]
        return values


class CompareForm(StudyFields):
    """Two setups, each a casino's game or an earlier simulation's, each with changes."""

    def add_fields(self) -> None:
        super().add_fields()
        for side, words in (("a", "First"), ("b", "Second")):
            self.fields[f"base_{side}"] = select(self.bases(f"base_{side}"), label=f"{words} game")
            self.fields[f"change_{side}"] = _changes()

    def setups(self) -> list[Setup] | None:
        """Both; None if one is not possible: then the form has the error."""
        found = [self._setup(side) for side in ("a", "b")]
        return None if None in found else [each for each in found if each is not None]

    def _setup(self, side: str) -> Setup | None:
        try:
            values = self.base_values(f"base_{side}")
            return Setup.from_dict(changed(values, self.cleaned_data[f"change_{side}"]))
        except RulesError as reason:
            self.add_error(f"change_{side}", str(reason))
            return None


class SweepForm(StudyFields):
    """One setup, one key of its rules file, and the values that stand there in turn."""

    key = select(
        [(key, key) for key in KEYS],
        label="Key to sweep",
        initial="dealing.penetration",
        help_text="The key of a rules file.",
    )
    values = forms.CharField(
        max_length=2_000,
        initial=KEYS["dealing.penetration"],
        help_text="2 to 50, with commas between them.",
        error_messages={"required": "Give 2 to 50 values, with commas between them."},
        widget=line(),
    )

    def add_fields(self) -> None:
        super().add_fields()
        self.fields["base"] = select(self.bases("base"), label="Game")
        self.fields["change"] = _changes()

    def setup(self) -> Setup | None:
        """The one that is varied; None if it is not possible: then the form has the error."""
        try:
            values = self.base_values("base")
            return Setup.from_dict(changed(values, self.cleaned_data["change"]))
        except RulesError as reason:
            self.add_error("change", str(reason))
            return None

    def clean_values(self) -> list[Any]:
        return [read_value(word) for word in self.cleaned_data["values"].split(",") if word.strip()]


def changed(values: dict[str, Any], text: str) -> dict[str, Any]:
    """A rules file with the keys of another over it."""
    return values | parse_rules_file(text) if text.strip() else values


def read_value(word: str) -> Any:
    """true, 0.75 and null as JSON has them; anything else is a text."""
    try:
        return json.loads(word.strip(), parse_float=read_number)
    except ValueError:
        return word.strip().strip("\"'")


def _run(chosen: str) -> UUID | None:
    kind, _, key = chosen.partition(":")
    try:
        return UUID(key) if kind == "run" else None
    except ValueError:
        return None


def _changes() -> forms.CharField:
    return forms.CharField(
        label="Other keys",
        required=False,
        max_length=LONGEST_CHANGE,
        help_text='Keys of a rules file over it, such as {"dealer_hits_soft_17": true}.',
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false"}),
    )
