"""When a schedule is due, computed by Celery's own schedule classes, and to the same moment by every scheduler."""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Protocol

from celery.schedules import BaseSchedule, crontab, schedule

from holdfast.exceptions import ConfigurationError

DAY = timedelta(days=1)
# The longest step that a clock was ever set by at once is a day.
AROUND = timedelta(hours=25)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Timing(Protocol):
    """A rule for due times. Two with the same text are the same rule."""

    text: str

    def after(self, moment: datetime, *, anchor: datetime) -> datetime | None:
        """Return the first due time after a moment; None if there is none any more."""


class Interval:
    """Multiples of an interval from an anchor on."""

    def __init__(self, every: timedelta) -> None:
        if every <= timedelta():
            raise ConfigurationError(
                f"a schedule's interval is {every}: give one greater than 0, in seconds or as a timedelta"
            )
        self.every = every
        self.text = f"every {every.total_seconds():g} s"

    def after(self, moment: datetime, *, anchor: datetime) -> datetime:
        """Return the next multiple."""
        return anchor + ((moment - anchor) // self.every + 1) * self.every


class Crontab:
    """Times of a wall clock that is set forward and back.

    A time that the clock skips is due when it would have been without the change: 02:30 at 03:30. A time the
    clock shows twice is due the first time; both times if the rule names every hour of the day.
    """

    def __init__(self, rule: crontab, *, zone: tzinfo) -> None:
        fields = [
            rule._orig_minute,
            rule._orig_hour,
            rule._orig_day_of_week,
            rule._orig_day_of_month,
            rule._orig_month_of_year,
        ]
        self.zone = zone
        # Celery searches on a clock that is never set; what the real one does to the answer is decided here.
        self.wall = crontab(*fields, nowfun=lambda: _EPOCH)
        self.wall.tz = UTC
        self._every_hour = len(self.wall.hour) == 24
        minute, hour, week, month_day, month = map(_field, fields)
        self.text = f"crontab {minute} {hour} {month_day} {month} {week} in {zone}"

    def after(self, moment: datetime, *, anchor: datetime) -> datetime:
        """Return the next due time."""
        due = self._search(moment)
        # Whether the clock is set near it is not known from here: look once more from close by.
        return self._search(due - DAY) if due - moment > DAY else due

    def _search(self, moment: datetime) -> datetime:
        offsets = [self._offset(moment + step) for step in (-AROUND, timedelta(), AROUND)]
        least, most = min(offsets), max(offsets)
        # Around a change the wall clock is no order of time: all it may show from the moment on is looked at.
        wall = moment + least
        best: datetime | None = None
        while True:
            wall = self._next_wall(wall)
            for due in self._shown_at(wall):
                if due > moment and (best is None or due < best):
                    best = due
            if best is not None and (least == most or wall - most >= best):
                return best

    def _next_wall(self, wall: datetime) -> datetime:
        last, delta, _ = self.wall.remaining_delta(wall)
        found: datetime = last + delta
        return found

    def _shown_at(self, wall: datetime) -> Iterator[datetime]:
        """Yield when the clock shows this: the first time, and the second time if that counts."""
        shown = wall.replace(tzinfo=self.zone)
        yield shown.astimezone(UTC)
        if self._every_hour:
            yield shown.replace(fold=1).astimezone(UTC)

    def _offset(self, moment: datetime) -> timedelta:
        return moment.astimezone(self.zone).utcoffset() or timedelta()


class Estimated:
    """Any other schedule: solar events, intervals rounded to the clock, and classes of the project's own."""

    def __init__(self, rule: BaseSchedule, *, zone: tzinfo) -> None:
        self.rule = rule
        self.zone = zone
        # The usual text of an object has its address in it, another one in every process.
        shown = repr(rule).strip("<>")
        self.text = type(rule).__qualname__ if " object at 0x" in shown else shown

    def after(self, moment: datetime, *, anchor: datetime) -> datetime | None:
        """Return the moment that the schedule estimates, in whole seconds."""
        rule = copy.copy(self.rule)
        start = moment
        for _ in range(5):
            asked = start.astimezone(self.zone)
            rule.nowfun = lambda asked=asked: asked
            due: datetime = start + rule.remaining_estimate(asked)
            if due.microsecond:
                due = due.replace(microsecond=0) + timedelta(seconds=1)
            if due > moment:
                return due.astimezone(UTC)
            # An event computed to a fraction of a second may be found again from itself.
            start += timedelta(minutes=1)
        return None


class Once:
    """One moment."""

    def __init__(self, at: datetime) -> None:
        self.at = at
        self.text = f"at {at.astimezone(UTC).isoformat()}"

    def after(self, moment: datetime, *, anchor: datetime) -> datetime | None:
        """Return the moment if it is still to come."""
        return self.at if self.at > moment else None


def timing_of(rule: Any, *, app: Any, zone: tzinfo | None = None) -> Timing:
    """Return the timing of what an entry has as its schedule: seconds, a timedelta or a schedule object.

    Raises:
        ConfigurationError: it is none of these.
    """
    if isinstance(rule, int | float):
        return Interval(timedelta(seconds=rule))
    if isinstance(rule, timedelta):
        return Interval(rule)
    if not isinstance(rule, BaseSchedule):
        raise ConfigurationError(
            f"a schedule is {rule!r}: give seconds, a timedelta, crontab(...) or solar(...)"
        )
    if hasattr(rule, "clocked_time"):
        return Once(rule.clocked_time)
    rule.app = app
    if isinstance(rule, crontab):
        return Crontab(rule, zone=zone or rule.tz)
    if isinstance(rule, schedule) and not rule.relative:
        return Interval(rule.run_every)
    return Estimated(rule, zone=zone or rule.tz)


def newest(
    due_after: Callable[[datetime], datetime | None],
    *,
    after: datetime,
    until: datetime,
    limit: int,
) -> tuple[list[datetime], bool]:
    """Return the latest due times up to `until`, oldest first, and whether there were more before them.

    Looks back only as far as it must: a scheduler that was away for a year does not count the year.
    """
    window = timedelta(minutes=1)
    while True:
        start = max(after, until - window)
        found: deque[datetime] = deque(maxlen=limit + 1)
        due = due_after(start)
        while due is not None and due <= until:
            found.append(due)
            due = due_after(due)
        if start == after or len(found) > limit:
            return list(found)[-limit:], len(found) > limit
        window *= 4


def _field(value: Any) -> str:
    return (
        str(value).replace(" ", "")
        if isinstance(value, int | str)
        else ",".join(map(str, sorted(value)))
    )
