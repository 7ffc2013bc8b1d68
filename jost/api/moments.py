"""Filters by when something was: from a moment, to a moment."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import django_filters
from django import forms
from django_filters.fields import IsoDateTimeField, IsoDateTimeRangeField, RangeField


class MomentField(IsoDateTimeField):
    """Becomes UTC: PostgreSQL knows no zone that is 16 hours or more away, and ends the request over one."""

    def to_python(self, value: Any) -> datetime | None:
        moment: datetime | None = super().to_python(value)
        try:
            return moment and moment.astimezone(UTC)
        except OverflowError:
            raise forms.ValidationError(self.error_messages["invalid"], code="invalid") from None


class MomentRangeField(IsoDateTimeRangeField):
    def __init__(self, *args: Any, **options: Any) -> None:
        RangeField.__init__(self, (MomentField(), MomentField()), *args, **options)


class MomentRangeFilter(django_filters.IsoDateTimeFromToRangeFilter):
    """`NAME_after` and `NAME_before`, both included."""

    field_class = MomentRangeField
