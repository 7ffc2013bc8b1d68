"""Numbers of jobs in words: exact ones, estimates, and those that are only known to be at least so large."""

from __future__ import annotations

from django.contrib.humanize.templatetags.humanize import intword
from django.utils.formats import number_format
from django.utils.translation import gettext as _

from holdfast.ledger.reads.search.counts import Number

_MILLION = 1_000_000


def grouped(number: float) -> str:
    """Return a number in groups of three digits, as the language of the page writes it; of a fraction one place."""
    # As a text: Django cuts the places of a number off, and does not round.
    text = f"{number}" if isinstance(number, int) else f"{number:.1f}"
    return str(number_format(text, force_grouping=True))


def said(number: Number) -> str:
    """Return a number in words: 1,234; about 2.3 million; more than 10,000."""
    if number.exact:
        return grouped(number.count)
    if number.at_least:
        return _("more than %(n)s") % {"n": grouped(number.count)} if number.count else _("unknown")
    return _("about %(n)s") % {"n": _rounded(number.count)}


def _rounded(count: int) -> str:
    """Return an estimate with no more digits than it is worth."""
    if count >= _MILLION:
        return str(intword(count))
    digits = max(0, len(str(count)) - 2)
    return grouped(round(count, -digits))
