"""Moments that were stored before the clock was set back: which of them cannot be, and how that is asked.

Rows are stamped and compared by the database's clock. A moment that is never stored further ahead than some seconds,
and lies further ahead all the same, was stored before the clock was set back: waited for, it would come by so much
too late. What such a moment means instead is said where it is read.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db.models import BooleanField, DateTimeField
from django.db.models.expressions import RawSQL

# A clock may be set by less than this without anybody noticing: see `upkeep.pulse`.
AHEAD_SECONDS = 2.0
AHEAD = timedelta(seconds=AHEAD_SECONDS)
# SQLite compares times as they were written, with more digits or fewer.
ROUNDING = timedelta(milliseconds=1)

NOW = {
    "postgresql": "clock_timestamp()",
    "sqlite": "strftime('%%Y-%%m-%%d %%H:%%M:%%f', 'now')",
}
_LATER = {
    "postgresql": "clock_timestamp() + {seconds} * interval '1 second'",
    "sqlite": "strftime('%%Y-%%m-%%d %%H:%%M:%%f', 'now', {seconds} || ' seconds')",
}
# The conditions for a column with the length of its wait in seconds in another; no length, no answer.
_IS_AHEAD = {
    "postgresql": "{moment} > clock_timestamp() + ({seconds} + {most}) * interval '1 second'",
    "sqlite": "julianday({moment}) > julianday('now') + ({seconds} + {most}) / 86400.0",
}


def is_ahead(vendor: str, moment: str, seconds: str) -> str:
    """Return the condition that a moment lies further ahead than it can have been set, in a vendor's SQL."""
    return _IS_AHEAD[vendor].format(moment=moment, seconds=seconds, most=AHEAD_SECONDS)


def being_ahead(vendor: str, moment: str, seconds: str) -> RawSQL:
    """Return the same for a query of Django's, of columns of its table."""
    return RawSQL(is_ahead(vendor, moment, seconds), [], BooleanField())  # noqa: S611  # names of columns alone


def in_so_long(vendor: str, seconds: str) -> RawSQL:
    """Return the moment that comes after as many seconds as a column says, for a query of Django's."""
    sql = _LATER[vendor].format(seconds=seconds)
    return RawSQL(sql, [], DateTimeField())  # noqa: S611  # see above


def end(vendor: str, until: str, seconds: str) -> str:
    """Return when something ends that lasts so many seconds, in a vendor's SQL: now, if that lies too far ahead."""
    return f"CASE WHEN {is_ahead(vendor, until, seconds)} THEN {NOW[vendor]} ELSE {until} END"


def has_lapsed(
    until: datetime,
    seconds: float | None,
    *,
    moments: Iterable[datetime],
    watched: float = math.inf,
) -> bool:
    """Tell whether a lease has run out, whichever way the clock was set.

    Args:
        until: its end.
        seconds: how long a renewal lasts; None if that is not known.
        moments: when it was asked, by the database's clock. All must say so: the clock may be set between them.
        watched: for how many seconds whoever asks has seen the clock go right, with heartbeats of its own in time.
    """
    if seconds is not None and watched < seconds:
        # Since the clock was set, its holder may not have had the time to renew it.
        return False
    asked = list(moments)
    if all(until < moment for moment in asked):
        return True
    if seconds is None:
        return False
    longest = timedelta(seconds=seconds) + AHEAD
    return all(until > moment + longest for moment in asked)
