"""What a person asks on the page of reports."""

from __future__ import annotations

from typing import Any

from django import forms

from .periods import Period, PeriodError, period


class PeriodForm(forms.Form):
    """The days of a report."""

    since = forms.DateField(label="First day", widget=forms.DateInput(attrs={"type": "date"}))
    until = forms.DateField(label="Last day", widget=forms.DateInput(attrs={"type": "date"}))

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or self.cleaned_data
        if {"since", "until"} <= values.keys():
            try:
                values["period"] = period(since=values["since"], until=values["until"])
            except PeriodError as reason:
                raise forms.ValidationError(str(reason)) from None
        return values

    def period(self) -> Period:
        """What was asked for, once the form is valid."""
        asked: Period = self.cleaned_data["period"]
        return asked
