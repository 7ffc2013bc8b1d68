"""Numbers of jobs in words: exact ones, estimates, and those that are only known to be at least so large."""

from __future__ import annotations

from django.contrib.humanize.templatetags.humanize import intword
from django.utils.translation import gettext as _

from holdfast.ledger.reads.search.counts import Number

_MILLION = 1_000_000


def said(number: Number) -> str:
    """Return a number in words: 1,234; about 2.3 million; more than 10,000."""
    if number.exact:
        return f"{number.count:,}"
    if number.at_least:
        return _("more than %(n)s") % {"n": f"{number.count:,}"} if number.count else _("unknown")
    return _("about %(n)s") % {"n": _rounded(number.count)}


def _rounded(count: int) -> str:
    """Return an estimate with no more digits than it is worth."""
    if count >= _MILLION:
        return str(intword(count))
    digits = max(0, len(str(count)) - 2)
    return f"{round(count, -digits):,}"
