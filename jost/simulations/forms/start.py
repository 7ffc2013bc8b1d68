"""The form that starts a simulation; web process."""

from typing import Any, ClassVar

from django import forms

from jost.simulations.engine import RulesError
from jost.simulations.presets import PRESETS
from jost.simulations.setup import Setup

from .bets import BetsFields, initial_bets
from .fields import LONGEST_NAME, RoundsField, SeedField, TargetField, line
from .play import CountingFields, StrategyFields, initial_counting, initial_strategy
from .rules import RulesFields, initial_rules


class StartForm(RulesFields, StrategyFields, CountingFields, BetsFields):
    """Everything that decides an answer; `cleaned_data["setup"]` is there once it is valid."""

    PLACES: ClassVar[dict[str, str]] = (
        RulesFields.PLACES | StrategyFields.PLACES | CountingFields.PLACES | BetsFields.PLACES
    )

    rounds = RoundsField()
    seed = SeedField()
    target = TargetField()
    name = forms.CharField(
        required=False,
        max_length=LONGEST_NAME,
        help_text="To find it again; empty for its rules.",
        widget=line(),
    )

    def clean(self) -> dict[str, Any]:
        values = super().clean() or self.cleaned_data
        if not self.errors:
            try:
                values["setup"] = Setup.from_dict(self._rules_file())
            except RulesError as reason:
                self.refuse(reason)
        return values

    def _rules_file(self) -> dict[str, Any]:
        return {
            **self.rules_values(),
            **self.strategy_values(),
            **self.counting_values(),
            **self.bets_values(),
        }

    def opens(self, *names: str) -> bool:
        """Whether a folded part is shown open: it has an error, or was asked for."""
        return any(self.errors.get(name) for name in names)


def initial_of(setup: Setup, *, computed: bool) -> dict[str, Any]:
    """What the form is filled with to start a simulation like another."""
    return {
        **initial_rules(setup.rules),
        **initial_strategy(setup, computed=computed),
        **initial_counting(setup),
        **initial_bets(setup.to_dict()),
    }


def presets() -> dict[str, dict[str, Any]]:
    """What the fields for the rules become when a casino's game is chosen, by its key."""
    return {key: initial_rules(preset.rules) for key, preset in PRESETS.items()}
