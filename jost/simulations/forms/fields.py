"""What the forms of simulations are made of: how fields look, and which of them an error belongs to."""

from typing import Any, ClassVar

from django import forms

from jost.simulations.engine import RulesError
from jost.simulations.numbers import parse_rounds, parse_seed

Choices = list[tuple[str, str]]

# Of what people call a simulation or a study.
LONGEST_NAME = 200


class DescribedForm(forms.Form):
    """Ties each field to its hint and its errors, for who hears a page instead of seeing it."""

    # Where an error of a rules file belongs that has another name there; a path's beginning is enough.
    PLACES: ClassVar[dict[str, str]] = {}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.add_fields()
        for name, field in self.fields.items():
            described = [f"id_{name}_error"] if self.is_bound and self.errors.get(name) else []
            if field.help_text:
                described.append(f"id_{name}_help")
            if described:
                field.widget.attrs["aria-describedby"] = " ".join(described)

    def add_fields(self) -> None:
        """Add fields whose names are not written out, before anything is checked."""

    def refuse(self, reason: RulesError) -> None:
        """Put an error of a rules file beside the field that it is about."""
        self.add_error(self.field_of(reason.field), str(reason))

    def field_of(self, path: str) -> str | None:
        """The field of this form that a path of a rules file is about; None if there is none."""
        parts = path.split(".")
        for end in range(len(parts), 0, -1):
            beginning = ".".join(parts[:end])
            name = self.PLACES.get(beginning, beginning)
            if name in self.fields:
                return name
        return None


def segments(choices: Choices, *, label: str, initial: str, help_text: str = "") -> Any:
    """A few choices, all of them seen."""
    return forms.ChoiceField(
        label=label,
        choices=choices,
        initial=initial,
        widget=forms.RadioSelect,
        help_text=help_text,
        error_messages=_which(label, choices),
    )


def select(choices: Any, *, label: str, initial: str = "", **options: Any) -> Any:
    """Many choices, of which one is seen."""
    return forms.ChoiceField(label=label, choices=choices, initial=initial, **options)


def switch(label: str, *, initial: bool = False, help_text: str = "") -> Any:
    return forms.BooleanField(label=label, required=False, initial=initial, help_text=help_text)


def whole(label: str, *, initial: int | None = None, low: int, high: int, **options: Any) -> Any:
    """A whole number in its bounds; what is not required may be empty."""
    return forms.IntegerField(
        label=label,
        initial=initial,
        min_value=low,
        max_value=high,
        widget=forms.NumberInput(attrs={"inputmode": "numeric"}),
        error_messages=dict.fromkeys(
            ("required", "invalid", "min_value", "max_value"),
            f"Give a whole number from {low} to {high:,}.",
        ),
        **options,
    )


def number(
    label: str, *, initial: float | None = None, low: float, high: float, **options: Any
) -> Any:
    """A number in its bounds."""
    return forms.FloatField(
        label=label,
        initial=initial,
        min_value=low,
        max_value=high,
        widget=forms.NumberInput(attrs={"inputmode": "decimal", "step": "any"}),
        error_messages=dict.fromkeys(
            ("required", "invalid", "min_value", "max_value"),
            f"Give a number from {low:g} to {high:,g}.",
        ),
        **options,
    )


def line(**attributes: str) -> forms.TextInput:
    """A line of text in which a browser neither completes nor corrects."""
    return forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false", **attributes})


class RoundsField(forms.CharField):
    """A number of rounds as people write it: 1e8 or 100,000,000."""

    def __init__(self, **options: Any) -> None:
        defaults: dict[str, Any] = {
            "initial": "1e8",
            "max_length": 32,
            "help_text": "For instance 1e8 or 100,000,000; 1e11 at most.",
            "widget": line(),
            "error_messages": {"required": "Say how many rounds, for instance 1e8."},
        }
        super().__init__(**(defaults | options))

    def clean(self, value: Any) -> Any:
        return _read(parse_rounds, super().clean(value))


class SeedField(forms.CharField):
    """A seed; empty for one that is drawn."""

    def __init__(self, **options: Any) -> None:
        defaults: dict[str, Any] = {
            "required": False,
            "max_length": 32,
            "help_text": "Empty for a new one. The same seed gives the same answer to the last bit.",
            "widget": line(inputmode="numeric", placeholder="random"),
        }
        super().__init__(**(defaults | options))

    def clean(self, value: Any) -> Any:
        text = super().clean(value)
        return _read(parse_seed, text) if text.strip() else None


class TargetField(forms.FloatField):
    """Half the width of the 95 % interval at which a simulation may end, in percent of the bet."""

    def __init__(self, **options: Any) -> None:
        wrong = "Give a number of percent between 0.0001 and 10, for instance 0.01."
        defaults: dict[str, Any] = {
            "required": False,
            "label": "Stop when the 95 % interval is this narrow",
            "min_value": 0.0001,
            "max_value": 10.0,
            "help_text": "Half its width, in percent of the bet; empty to count all rounds.",
            "widget": forms.NumberInput(
                attrs={"inputmode": "decimal", "step": "any", "placeholder": "never"}
            ),
            "error_messages": dict.fromkeys(("invalid", "min_value", "max_value"), wrong),
        }
        super().__init__(**(defaults | options))

    def clean(self, value: Any) -> Any:
        percent = super().clean(value)
        return None if percent is None else percent / 100


def _read(parse: Any, text: str) -> int:
    try:
        read: int = parse(text)
    except ValueError as reason:
        raise forms.ValidationError(str(reason)) from None
    return read


def _which(label: str, choices: Choices) -> dict[str, str]:
    listed = ", ".join(words for _, words in choices)
    said = f"{label}: choose one of {listed}."
    return {"required": said, "invalid_choice": said}
