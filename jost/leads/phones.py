"""Phone numbers as people write them, brought to the one form that a lead is known by; runs in web processes."""

from __future__ import annotations

import re
from typing import Any

from django import forms
from django.core.validators import RegexValidator
from rest_framework import serializers

# As international networks have it: a plus, the country, at most 15 digits.
check = RegexValidator(
    r"^\+[1-9][0-9]{6,14}\Z", "Write the number as +4930123456: a plus, the country, only digits."
)
MOST_WRITTEN = 32
# "+49 (0)30": a nought for those who call from inside, and nothing beside a plus.
_INLAND = re.compile(r"^((?:\+|00)[\d\s]+)\(0\)")
_BETWEEN = re.compile(r"[\s().\-/\u2010-\u2015]")


def known_as(written: str) -> str:
    """Drop what only divides the digits, and write 00 before the country as a plus.

    What is no number stays none: it is for `check` to refuse.
    """
    dense = _BETWEEN.sub("", _INLAND.sub(r"\1", written.strip()))
    return f"+{dense[2:]}" if dense.startswith("00") else dense


class PhoneFormField(forms.CharField):
    """A number in a form."""

    default_validators = [check]
    widget = forms.TextInput(attrs={"inputmode": "tel", "placeholder": "+4915112345678"})

    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=MOST_WRITTEN, **options)

    def to_python(self, value: Any) -> str:
        return known_as(super().to_python(value) or "")


class PhoneField(serializers.CharField):
    """A number in REST."""

    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=MOST_WRITTEN, **options)

    def to_internal_value(self, data: Any) -> str:
        return known_as(super().to_internal_value(data))
