"""The form that starts a simulation; web process."""

from typing import Any

from django import forms

from .engine import Rules, RulesError
from .engine.rules import MAX_DECKS, MAX_PENETRATION, MIN_DECKS, MIN_PENETRATION
from .numbers import parse_rounds, parse_seed

PERCENT = 100
LEAST_DEALT, MOST_DEALT = round(MIN_PENETRATION * PERCENT), round(MAX_PENETRATION * PERCENT)
WRONG_PENETRATION = (
    f"Choose {LEAST_DEALT} to {MOST_DEALT} percent: 75 deals three quarters of the shoe."
)


class StartForm(forms.Form):
    """Rules, rounds and seed; `rules()` is there once the form is valid."""

    decks = forms.TypedChoiceField(
        coerce=int,
        choices=[(decks, str(decks)) for decks in range(MIN_DECKS, MAX_DECKS + 1)],
        initial=6,
        widget=forms.RadioSelect,
        error_messages={"invalid_choice": f"Choose {MIN_DECKS} to {MAX_DECKS} decks."},
    )
    soft_17 = forms.ChoiceField(
        label="Dealer on soft 17",
        choices=[("stand", "stands"), ("hit", "hits")],
        initial="stand",
        widget=forms.RadioSelect,
        error_messages={"invalid_choice": "Choose whether the dealer stands or hits."},
    )
    double_after_split = forms.BooleanField(
        label="Double after split", required=False, initial=True
    )
    late_surrender = forms.BooleanField(label="Late surrender", required=False)
    penetration = forms.IntegerField(
        label="Penetration",
        initial=75,
        min_value=LEAST_DEALT,
        max_value=MOST_DEALT,
        error_messages=dict.fromkeys(
            ("required", "invalid", "min_value", "max_value"), WRONG_PENETRATION
        ),
        help_text="Share of the shoe dealt before the shuffle, in percent.",
        widget=forms.NumberInput(attrs={"inputmode": "numeric"}),
    )
    rounds = forms.CharField(
        initial="1e8",
        error_messages={"required": "Say how many rounds, for instance 1e8."},
        max_length=32,
        help_text="For instance 1e8 or 100,000,000.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    seed = forms.CharField(
        required=False,
        max_length=32,
        help_text="Empty for a new one. The same seed gives the same answer to the last bit.",
        widget=forms.TextInput(
            attrs={"autocomplete": "off", "inputmode": "numeric", "placeholder": "random"}
        ),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, field in self.fields.items():
            described = [f"id_{name}_error"] if self.is_bound and self.errors.get(name) else []
            if field.help_text:
                described.append(f"id_{name}_help")
            if described:
                field.widget.attrs["aria-describedby"] = " ".join(described)

    def clean_rounds(self) -> int:
        try:
            return parse_rounds(self.cleaned_data["rounds"])
        except ValueError as reason:
            raise forms.ValidationError(str(reason)) from None

    def clean_seed(self) -> int | None:
        text: str = self.cleaned_data["seed"]
        if not text.strip():
            return None
        try:
            return parse_seed(text)
        except ValueError as reason:
            raise forms.ValidationError(str(reason)) from None

    def clean(self) -> dict[str, Any]:
        values = super().clean() or self.cleaned_data
        if not self.errors:
            try:
                values["rules"] = Rules(
                    decks=values["decks"],
                    hit_soft_17=values["soft_17"] == "hit",
                    double_after_split=values["double_after_split"],
                    late_surrender=values["late_surrender"],
                    penetration=values["penetration"] / PERCENT,
                )
            except RulesError as reason:
                self.add_error(reason.field if reason.field in self.fields else None, str(reason))
        return values
