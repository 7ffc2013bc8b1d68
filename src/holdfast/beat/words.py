"""When a schedule is due, in the words of people: "at 07:05 on weekdays, Europe/Berlin"; for whoever shows schedules.

The words are made of the sets of minutes, hours and days that Celery has computed, and not of the text of a crontab:
they say what will happen, whichever way it was written. Everything is translated where it is asked for.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, timedelta
from typing import Any

from django.utils.dates import MONTHS, WEEKDAYS
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop, ngettext

from holdfast.beat.timing import Crontab, Estimated, Interval, Once, Timing

# So many times of day are named one by one.
MOST_TIMES = 4
_ALL = {"minute": 60, "hour": 24, "day_of_week": 7, "day_of_month": 31, "month_of_year": 12}
_SOLAR = {
    "dawn_astronomical": gettext_noop("at astronomical dawn"),
    "dawn_nautical": gettext_noop("at nautical dawn"),
    "dawn_civil": gettext_noop("at civil dawn"),
    "sunrise": gettext_noop("at sunrise"),
    "solar_noon": gettext_noop("at solar noon"),
    "sunset": gettext_noop("at sunset"),
    "dusk_civil": gettext_noop("at civil dusk"),
    "dusk_nautical": gettext_noop("at nautical dusk"),
    "dusk_astronomical": gettext_noop("at astronomical dusk"),
}


def in_words(timing: Timing) -> str:
    """Return when a schedule is due; what nothing is known of is said as its own class says it."""
    match timing:
        case Interval():
            return _every(timing.every)
        case Crontab():
            told = [_times(timing.wall), *_days(timing.wall)]
            return _("%(when)s, %(zone)s") % {
                "when": " ".join(told).rstrip(","),
                "zone": timing.zone,
            }
        case Once():
            return _("once, at %(time)s UTC") % {
                "time": f"{timing.at.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
            }
        case Estimated():
            return _estimated(timing)
    return timing.text


def _every(every: timedelta) -> str:
    seconds = every.total_seconds()
    for size, one in (
        (86_400, ngettext("every day", "every %(n)s days", int(seconds // 86_400) or 2)),
        (3_600, ngettext("every hour", "every %(n)s hours", int(seconds // 3_600) or 2)),
        (60, ngettext("every minute", "every %(n)s minutes", int(seconds // 60) or 2)),
    ):
        if seconds >= size and seconds % size == 0:
            return one % {"n": int(seconds // size)}
    if seconds == 1:
        return _("every second")
    return _("every %(n)s seconds") % {"n": f"{seconds:g}"}


def _estimated(timing: Estimated) -> str:
    rule: Any = timing.rule
    event = _SOLAR.get(getattr(rule, "event", ""))
    if event is not None:
        north = f"{abs(rule.lat):g}° {'N' if rule.lat >= 0 else 'S'}"
        east = f"{abs(rule.lon):g}° {'E' if rule.lon >= 0 else 'W'}"
        return _("%(event)s at %(place)s") % {"event": _(event), "place": f"{north} {east}"}
    every = getattr(rule, "run_every", None)
    if isinstance(every, timedelta):
        return _("%(every)s, rounded to the clock") % {"every": _every(every)}
    return timing.text


# -- times of day ----------------------------------------------------------------------------------------


def _times(wall: Any) -> str:
    minutes, hours = sorted(wall.minute), sorted(wall.hour)
    if len(minutes) * len(hours) <= MOST_TIMES:
        times = [f"{hour:02}:{minute:02}" for hour in hours for minute in minutes]
        return _("at %(times)s") % {"times": _listed(times)}
    return _hours(_minutes(minutes), hours, minutes)


def _minutes(minutes: Sequence[int]) -> str:
    step = _step(minutes, 60)
    if step == 1:
        return _("every minute")
    if step is not None:
        return _("every %(n)s minutes") % {"n": step}
    return ""


def _hours(often: str, hours: Sequence[int], minutes: Sequence[int]) -> str:
    """Return minutes and hours together; `often` are the minutes in words, if they are regular."""
    step = _step(hours, 24)
    named = {"minutes": _listed([f":{minute:02}" for minute in minutes]), "n": step}
    if step == 1:
        return often or _("every hour at %(minutes)s") % named
    if step is not None and not often:
        return _("every %(n)s hours at %(minutes)s") % named
    if _is_run(hours) and len(hours) > 1:
        ends = {
            "first": f"{hours[0]:02}:{minutes[0]:02}",
            "last": f"{hours[-1]:02}:{minutes[-1]:02}",
        }
        each = often or _("every hour at %(minutes)s") % named
        return _("%(often)s from %(first)s to %(last)s") % {"often": each, **ends}
    each = often or _("at %(minutes)s") % named
    listed = _listed([f"{hour:02}" for hour in hours])
    return ngettext(
        "%(often)s in the hour %(hours)s", "%(often)s in the hours %(hours)s", len(hours)
    ) % {
        "often": each,
        "hours": listed,
    }


# -- days ------------------------------------------------------------------------------------------------


def _days(wall: Any) -> list[str]:
    """Return what is said of days; one that is restricted in two ways must fit both."""
    weekdays = _weekdays(wall.day_of_week) if _is_some(wall, "day_of_week") else ""
    days = _month_days(wall.day_of_month) if _is_some(wall, "day_of_month") else ""
    if weekdays and days:
        days = _("%(days)s, but only %(weekdays)s,") % {"days": days, "weekdays": weekdays}
        weekdays = ""
    months = _months(wall.month_of_year) if _is_some(wall, "month_of_year") else ""
    parts = (weekdays, days, months)
    told = [part for part in parts if part]
    goes_round = _step(sorted(wall.hour), 24) is not None
    return told or ([] if goes_round else [_("every day")])


def _is_some(wall: Any, field: str) -> bool:
    return len(getattr(wall, field)) < _ALL[field]


def _weekdays(days: Collection[int]) -> str:
    # Celery's week begins on Sunday, Django's names on Monday.
    week = sorted((day - 1) % 7 for day in days)
    if week == [0, 1, 2, 3, 4]:
        return _("on weekdays")
    if week == [5, 6]:
        return _("at weekends")
    names = [str(WEEKDAYS[day]) for day in week]
    if len(week) > 2 and _is_run(week):
        return _("from %(first)s to %(last)s") % {"first": names[0], "last": names[-1]}
    return _("on %(days)s") % {"days": _listed(names)}


def _month_days(days: Collection[int]) -> str:
    listed = {"days": _spans(sorted(days))}
    return (
        ngettext("on day %(days)s of the month", "on days %(days)s of the month", len(days))
        % listed
    )


def _months(months: Collection[int]) -> str:
    return _("in %(months)s") % {
        "months": _listed([str(MONTHS[month]) for month in sorted(months)])
    }


# -- lists -----------------------------------------------------------------------------------------------


def _step(values: Sequence[int], whole: int) -> int | None:
    """Return n if these are all multiples of n below `whole`."""
    if len(values) < 2 or values[0] != 0 or whole % len(values):
        return None
    step = whole // len(values)
    return step if list(values) == list(range(0, whole, step)) else None


def _is_run(values: Sequence[int]) -> bool:
    return list(values) == list(range(values[0], values[-1] + 1))


def _spans(values: Sequence[int]) -> str:
    if len(values) > 2 and _is_run(values):
        return _("%(first)s to %(last)s") % {"first": values[0], "last": values[-1]}
    return _listed([str(value) for value in values])


def _listed(texts: Sequence[str]) -> str:
    if len(texts) < 2:
        return "".join(texts)
    return _("%(some)s and %(last)s") % {"some": ", ".join(texts[:-1]), "last": texts[-1]}
