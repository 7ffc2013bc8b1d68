"""Moments in a search: a date, a date with a time, or how long ago, which stays so in a saved address."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone

from holdfast.exceptions import SelectionRefused

FORMS = "90s, 15m, 2h, 3d, 1w (ago), 2026-01-31 or 2026-01-31T12:00"
_AGO = re.compile(r"(\d{1,6}(?:\.\d{1,3})?)([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
# What any time zone and any database can say.
_YEARS = range(1970, 9999)


@dataclass(frozen=True, slots=True)
class Moment:
    """A moment as somebody wrote it; `2h` is another one each time it is asked."""

    text: str

    @classmethod
    def read(cls, text: str) -> Moment:
        """Read a moment.

        Raises:
            SelectionRefused: it is none.
        """
        moment = cls(text.strip())
        try:
            moment.at(timezone.now())
        except (ValueError, OverflowError):
            raise SelectionRefused(f"{text!r} is no time: write {FORMS}.") from None
        return moment

    @property
    def is_ago(self) -> bool:
        """Whether it goes along with the clock."""
        return _AGO.fullmatch(self.text.lower()) is not None

    def at(self, now: datetime) -> datetime:
        """Return the moment, aware; `now` is the clock that rows are stamped with.

        What says no time zone is in the current one.
        """
        ago = _AGO.fullmatch(self.text.lower())
        found = (
            now - timedelta(**{_UNITS[ago[2]]: float(ago[1])})
            if ago
            else datetime.fromisoformat(self.text)
        )
        if found.year not in _YEARS:
            raise ValueError(found)
        return found if found.tzinfo else timezone.make_aware(found)

    def __str__(self) -> str:
        return self.text
