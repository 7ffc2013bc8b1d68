"""The days that a report is about, and its parts: one for each month."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise

MOST_MONTHS = 60


class PeriodError(ValueError):
    """No report is made of such a period; the message says of which."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """From one day to another, both included."""

    since: date
    until: date

    def parts(self) -> list[Period]:
        """Its months, the first and the last of them perhaps not whole."""
        begins = [self.since]
        while (begin := _next_month(begins[-1])) <= self.until:
            begins.append(begin)
        begins.append(self.until + timedelta(days=1))
        return [Period(since=a, until=b - timedelta(days=1)) for a, b in pairwise(begins)]


def period(*, since: date, until: date) -> Period:
    """The period, if a report can be made of it; raises `PeriodError`."""
    if until < since:
        raise PeriodError("The last day is before the first.")
    months = (until.year - since.year) * 12 + until.month - since.month + 1
    if months > MOST_MONTHS:
        raise PeriodError(f"A report is about {MOST_MONTHS} months at most.")
    # Behind a month there must be another day.
    if until.year == date.max.year:
        raise PeriodError(f"A report ends before the year {date.max.year}.")
    return Period(since=since, until=until)


def last_year(*, today: date) -> Period:
    """Twelve months, this one included."""
    return Period(since=_next_month(today.replace(year=today.year - 1, day=1)), until=today)


def _next_month(day: date) -> date:
    return (day.replace(day=1) + timedelta(days=32)).replace(day=1)
