"""How moments, lengths of time and lists stand in a sentence."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

_UNITS = ((86_400, "d"), (3600, "h"), (60, "min"))


def moment(at: datetime | None) -> str:
    """Return a moment to the second, in UTC."""
    return "?" if at is None else f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def length(seconds: float) -> str:
    """Return a length of time in two units at most, such as "2 min 5 s"."""
    left, said = max(0.0, seconds), []
    for size, unit in _UNITS:
        if left >= size:
            said.append(f"{int(left // size)} {unit}")
            left %= size
    if len(said) < 2 and (left >= 1 or not said):
        text = f"{left:.1f}" if not said and left < 10 else f"{left:.0f}"
        said.append(f"{number_format(text)} s")
    return " ".join(said[:2])


def listed(names: Iterable[str], *, most: int = 5) -> str:
    """Return names in a row, and how many more there are."""
    found = list(names)
    shown = ", ".join(found[:most])
    more = len(found) - most
    return shown if more <= 0 else _("%(names)s and %(n)s more") % {"names": shown, "n": more}


def jobs(count: int, *, more: bool = False) -> str:
    """Return a number of jobs; `more` says that there are more than were counted."""
    text = ngettext("%(n)s job", "%(n)s jobs", count) % {
        "n": number_format(count, force_grouping=True)
    }
    return _("more than %(jobs)s") % {"jobs": text} if more else text
